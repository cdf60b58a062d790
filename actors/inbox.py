"""What an actor has to decide on next, and the wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """A queue for one taker, who wants all there is or to be woken at a time of its own.

    It has no bound itself: the transport's prefetch and the number of jobs under way are its
    bounds.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def put(self, item: Item) -> None:
        """Add an item; returns at once."""
        self._items.append(item)
        self._wake()

    async def take(self, most: int, *, within_s: float | None) -> list[Item]:
        """Return up to so many items in their order, at once if there are any.

        Waits for the first one no longer than `within_s` seconds, or for ever with None. May
        return none earlier than that: an alarm that is set is left to ring, as to set another
        for each item costs more than to wake up in vain now and then.
        """
        items = self._items
        if not items:
            await self._wait(within_s)
        return [items.popleft() for _ in range(min(most, len(items)))]

    async def _wait(self, within_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        if within_s is not None:
            self._set_alarm(loop, loop.time() + within_s)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        if self._alarm is not None:
            if self._alarm.when() <= due_s:
                return
            self._alarm.cancel()
        self._alarm = loop.call_at(due_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Let no alarm ring any more."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
