"""The actors' `Transport` over a link to RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Collection
from functools import partial

from actors.ports import Delivery, Lane

from .link import Incoming, LinkState, RabbitLink
from .stall import Stall
from .topology import is_addressed_to, queue_name, routing_key, sender_of

log = logging.getLogger(__name__)


class RabbitDelivery:
    """One message in an actor's hands.

    `ack` lets the broker forget the message, and is of no effect once its connection is gone. It
    does not hold the body: who has read that can keep the one without the other.
    """

    def __init__(self, incoming: Incoming, lane: Lane) -> None:
        self.lane = lane
        self.ack = partial(incoming.intake.ack, incoming.tag)
        self._incoming = incoming

    @property
    def body(self) -> bytes:
        """The bytes as they were sent."""
        return self._incoming.body

    @property
    def redelivered(self) -> bool:
        """True where the broker handed the message out before."""
        return self._incoming.redelivered

    @property
    def sender(self) -> str | None:
        """Who sent it: the broker lets an account use its own name only."""
        return sender_of(self._incoming.key) or None


class RabbitTransport:
    """One actor's messages over its link; heals with it.

    `send` waits through lost connections, and what was not acknowledged before one comes again
    after it; `LinkLost` means closed. `lanes` names the queues that this actor has. The link is
    started by its owner, and ends with `close`.
    """

    def __init__(
        self,
        name: str,
        link: RabbitLink,
        *,
        prefetch: int = 32,
        lanes: Collection[Lane] = tuple(Lane),
    ) -> None:
        self._name = name
        self._link = link
        self._closed = False
        self._news = asyncio.Event()
        self._stall = Stall()
        self._lanes = list(lanes)
        self._waiting: dict[Lane, deque[Incoming]] = {lane: deque() for lane in lanes}
        for lane in lanes:
            link.subscribe(queue_name(name, lane), partial(self._take, lane), prefetch=prefetch)

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        """Return once the message is in the recipient's queue; wait while it is full.

        Raises `UnknownRecipient`, `MessageTooLarge`, `NotPermitted`, and `LinkLost` once closed.
        """
        with self._stall.sending(_now_s()):
            await self._link.publish(routing_key(self._name, to, lane), body, lane=lane)
            self._stall.answered(_now_s())

    def stalled_s(self) -> float:
        """Return for how long nothing could be sent to anybody; 0.0 while all is well.

        A broker that is stopped keeps its connections open: it counts as stalled when nothing
        that was sent in the meantime is confirmed.
        """
        return self._stall.lasts_s(_now_s(), is_open=self._link.state is LinkState.OPEN)

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Iterate over incoming messages; ends on `close`. Several iterations share them."""
        return self

    def __aiter__(self) -> RabbitTransport:
        """Iterate over this transport."""
        return self

    async def __anext__(self) -> Delivery:
        """Return the next message; a cancelled call takes none."""
        while not self._closed:
            found = self._next()
            if found is not None:
                lane, incoming = found
                if is_addressed_to(incoming.key, self._name, lane):
                    return RabbitDelivery(incoming, lane)
                log.warning("%s: dropped a copy of a message with key %s", self._name, incoming.key)
                await incoming.ack()
                continue
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Close the link; unacknowledged messages return to their queues."""
        self._closed = True
        self._news.set()
        await self._link.close()

    def _take(self, lane: Lane, incoming: Incoming) -> None:
        waiting = self._waiting[lane]
        # What a lost connection left here comes again; dropping it keeps the prefetch true.
        while waiting and waiting[0].stale:
            waiting.popleft()
        waiting.append(incoming)
        self._news.set()

    def _next(self) -> tuple[Lane, Incoming] | None:
        for lane in self._lanes:
            waiting = self._waiting[lane]
            while waiting:
                incoming = waiting.popleft()
                if incoming.stale:
                    continue
                # The lane that was served goes last: neither can starve the other.
                self._lanes.remove(lane)
                self._lanes.append(lane)
                return lane, incoming
        return None


def _now_s() -> float:
    return asyncio.get_running_loop().time()
