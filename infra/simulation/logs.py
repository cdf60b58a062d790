"""What actors write into their logs, shown to whoever looks on instead of to people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from .hosts import current_life
from .watch import Watch

_OURS = ("actors", "infra", "protocols")


class _Shown(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.INFO)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        life = current_life()
        if life is not None:
            error = record.exc_info[1] if record.exc_info else None
            self._watch.logged(life.host, f"{record.getMessage()} {error or ''}")


@contextmanager
def logs_shown_to(watch: Watch) -> Iterator[None]:
    """Let nobody but `watch` see our loggers' records, from the level of info."""
    handler = _Shown(watch)
    loggers = [logging.getLogger(name) for name in _OURS]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, (propagate, level) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate
            logger.setLevel(level)
