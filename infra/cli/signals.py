"""SIGINT and SIGTERM: the first ends a run after its round, the second at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Protocol

STOPPED = 130


class Stoppable(Protocol):
    """What the signals end."""

    def stop(self) -> None:
        """End in good order."""
        ...

    def kill_children(self) -> None:
        """Leave nothing behind when the process ends right now."""
        ...


class Signals:
    """While inside, the first signal drains, for `drain_s` at most, and the second ends at once.

    `tell` says so to people, in the words `drained` about what is still done; `last_words` is
    called before the process ends at once.
    """

    def __init__(
        self,
        stoppable: Stoppable,
        *,
        drain_s: float,
        tell: Callable[[str], None],
        last_words: Callable[[], None],
        drained: str = "the round under way is finished",
    ) -> None:
        self.run: asyncio.Task[object] | None = None
        self.drained_too_long = False
        self._stoppable = stoppable
        self._drain_s = drain_s
        self._tell = tell
        self._last_words = last_words
        self._drained = drained
        self.asked = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
        # A signal now ends what follows as one before the run does; for SIGINT asyncio sees to it.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if self._timer is not None:
            self._timer.cancel()

    def _on_signal(self) -> None:
        if self.asked:
            self._stoppable.kill_children()
            self._last_words()
            os._exit(STOPPED)
        self.asked = True
        self._tell(
            f"stopping: {self._drained}, for {self._drain_s:g} s at most; "
            f"a second signal ends at once"
        )
        self._stoppable.stop()
        self._timer = self._loop.call_later(self._drain_s, self._give_up)

    def _give_up(self) -> None:
        self.drained_too_long = True
        if self.run is not None:
            self.run.cancel()
