"""How late the event loop wakes whoever sleeps."""

from __future__ import annotations

from collections.abc import Callable

from actors.ports import Clock


class LoopLag:
    """Sleeps again and again, and observes how much longer that took than it was told.

    Attributes:
        every_s: how long it sleeps.
        woken_s: when it last woke, on its clock: a loop that answers wakes it every `every_s`.
    """

    def __init__(
        self, clock: Clock, observe: Callable[[float], None], *, every_s: float = 0.5
    ) -> None:
        self.woken_s = clock.now_s()
        self._clock = clock
        self._observe = observe
        self.every_s = every_s

    def silent_s(self) -> float:
        """Return how long it has not woken."""
        return self._clock.now_s() - self.woken_s

    async def next_wake(self) -> None:
        """Sleep once."""
        began_s = self._clock.now_s()
        await self._clock.sleep(self.every_s)
        self.woken_s = self._clock.now_s()
        self._observe(max(0.0, self.woken_s - began_s - self.every_s))
