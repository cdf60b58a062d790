"""Noticing that something takes too long, without interrupting it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """Around what must end: calls `ran_out` where it takes longer than `limit_s` seconds.

    Time in which it is `excused` does not count. The block itself goes on.
    """

    def __init__(
        self,
        limit_s: float,
        ran_out: Callable[[], None],
        excused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limit_s = limit_s
        self._ran_out = ran_out
        self._excused = excused
        self._was_excused = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        """Begin to count."""
        self._count()

    def __exit__(self, *_: object) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _count(self) -> None:
        self._was_excused = self._excused()
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._look)

    def _look(self) -> None:
        if self._was_excused or self._excused():
            self._count()
        else:
            self._ran_out()
