"""A consumer of a stream for as long as it is needed, and what it was given, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .link import Incoming, RabbitLink

log = logging.getLogger(__name__)

OFFSET = "x-stream-offset"  # where to attach, and where in its stream a message lies


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of a stream; `attachment` counts how often the link had attached before it."""

    message: Incoming
    offset: int
    attachment: int


@dataclass(slots=True)
class Arrivals:
    """What the consumer was given; at most its prefetch unless the link is attached anew."""

    attachment: int = 0
    _queue: asyncio.Queue[Arrived | None] = field(default_factory=asyncio.Queue)

    async def next(self) -> Arrived | None:
        """Return the next message, or None where `nudge` was called."""
        return await self._queue.get()

    def nudge(self) -> None:
        """Wake the reader up: there is something else to look at."""
        self._queue.put_nowait(None)

    def take(self, message: Incoming) -> None:
        """Queue a message; one without an offset does not come from a stream."""
        offset = message.headers.get(OFFSET)
        if isinstance(offset, int):
            self._queue.put_nowait(Arrived(message, offset, self.attachment))


@asynccontextmanager
async def reading(
    link: RabbitLink, stream: str, *, start: Callable[[int], int | str], prefetch: int
) -> AsyncIterator[Arrivals]:
    """Attach to a stream at `start(1)`, and after n losses of the connection at `start(n + 1)`.

    Each message must be acknowledged, or no more than `prefetch` of them come. An offset below
    the oldest message means that one; one above the newest brings nothing until it is reached.
    """
    arrivals = Arrivals()

    def arguments() -> dict[str, int | str]:
        arrivals.attachment += 1
        return {OFFSET: start(arrivals.attachment)}

    subscription = link.subscribe(stream, arrivals.take, prefetch=prefetch, arguments=arguments)
    try:
        yield arrivals
    finally:
        await link.unsubscribe(subscription)


class WarnOnce:
    """Logs a warning for each kind of fault the first time that it is seen."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kinds: set[str] = set()

    def __call__(self, kind: str, text: str) -> None:
        """Warn, unless this kind was warned of before."""
        if kind not in self._kinds:
            self._kinds.add(kind)
            log.warning("%s: %s (the like is not told again)", self._name, text)
