"""Control messages on their way out: a queue for each recipient, so that none holds up another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from .letter import Letter
from .ports import Clock, Lane, LinkLost, PortError, Transport

log = logging.getLogger(__name__)

_RETRY_S = 0.5
_RESTING = 64  # recipients whose sender waits for the next message, rather than ends


class Outbox:
    """Sends in the background, in order for each recipient; repeats what a lost link may have lost.

    What is posted while the one before it waits for its turn is joined with that one, where one
    message can say both.

    At most `limit` messages wait for one recipient; beyond that the oldest is dropped and
    counted. Every control message is repeated by its sender until it is answered, so a drop
    costs time and never correctness. What is our own fault `failed` is told.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        *,
        failed: Callable[[BaseException], None],
        limit: int = 1000,
    ) -> None:
        self.dropped = 0
        self._transport = transport
        self._clock = clock
        self._failed = failed
        self._limit = limit
        self._waiting: dict[str, deque[Letter]] = {}
        self._leaving: dict[str, Letter] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, asyncio.Future[None]] = {}
        self._busy: dict[str, None] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def post(self, to: str, letter: Letter) -> None:
        """Take a message; returns at once."""
        queue = self._waiting.setdefault(to, deque())
        if queue and queue[-1] is not self._leaving.get(to):
            both = queue[-1].joined(letter)
            if both is not None:
                queue[-1] = both
                return
        if len(queue) >= self._limit:
            queue.popleft()
            self.dropped += 1
        queue.append(letter)
        resting = self._resting.pop(to, None)
        if resting is not None and not resting.done():
            resting.set_result(None)
        elif to not in self._senders:
            sender = asyncio.create_task(self._drain(to), name=f"outbox to {to}")
            sender.add_done_callback(self._ended)
            self._senders[to] = sender
        self._busy[to] = None
        self._idle.clear()

    async def _drain(self, to: str) -> None:
        queue = self._waiting[to]
        while queue or await self._rested(to):
            letter = self._leaving[to] = queue[0]
            try:
                await self._transport.send(to, letter.sealed(), lane=Lane.CONTROL)
            except LinkLost:
                await self._clock.sleep(_RETRY_S)
                continue
            except PortError:
                # No repetition would help this one, and those behind it must not wait for it.
                log.exception("a message to %s can't be sent and is dropped", to)
                self.dropped += 1
            if queue and queue[0] is letter:
                queue.popleft()
        del self._senders[to], self._waiting[to]

    def _ended(self, sender: asyncio.Task[None]) -> None:
        error = None if sender.cancelled() else sender.exception()
        if error is not None:
            self._failed(error)

    async def _rested(self, to: str) -> bool:
        """Wait for the next message to a recipient; False where too many wait for one already."""
        del self._busy[to], self._leaving[to]
        if not self._busy:
            self._idle.set()
        if len(self._resting) >= _RESTING:
            return False
        resting = self._resting[to] = asyncio.get_running_loop().create_future()
        await resting
        return True

    async def flush(self, *, within_s: float) -> bool:
        """Wait until everything is out, but not longer; say whether it is."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop sending; what still waits is lost with the process, as in a crash."""
        for task in self._senders.values():
            task.cancel()
        await asyncio.gather(*self._senders.values(), return_exceptions=True)
