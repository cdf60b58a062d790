"""How much may be on its way at once, in messages and bytes; whoever waits is served in turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowSize:
    """The bounds of a window; one message always passes, however large."""

    messages: int
    size_bytes: int

    def __post_init__(self) -> None:
        if self.messages < 1 or self.size_bytes < 1:
            raise ValueError(f"{self} lets nothing through: both bounds must be at least 1")


class Window:
    """Room for messages that were sent and are not yet confirmed."""

    def __init__(self, size: WindowSize) -> None:
        self.messages = 0
        self.size_bytes = 0
        self._most = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def room(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold room for one message; a cancelled wait gives its place up."""
        await self._enter(size_bytes)
        try:
            yield
        finally:
            self._leave(size_bytes)

    async def _enter(self, size_bytes: int) -> None:
        if not self._waiting and self._fits(size_bytes):
            self._take(size_bytes)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(size_bytes)
            else:
                # The one who left may have been the large message that held the others up.
                self._admit()
            raise

    def _leave(self, size_bytes: int) -> None:
        self.messages -= 1
        self.size_bytes -= size_bytes
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            size_bytes, turn = self._waiting[0]
            if not turn.done() and not self._fits(size_bytes):
                return
            self._waiting.popleft()
            if not turn.done():
                self._take(size_bytes)
                turn.set_result(None)

    def _fits(self, size_bytes: int) -> bool:
        if self.messages == 0:
            return True
        return (
            self.messages < self._most.messages
            and self.size_bytes + size_bytes <= self._most.size_bytes
        )

    def _take(self, size_bytes: int) -> None:
        self.messages += 1
        self.size_bytes += size_bytes
