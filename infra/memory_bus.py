"""An in-memory transport as faithful as a broker: at least once, bounded, breakable at will."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from random import Random

from actors.ports import Lane, LinkLost, PortError, Transport
from infra.memory_blobs import BlobStore, MemoryBlobs
from infra.memory_queue import BusLimits, InTurn, LaneQueue, Parcel, Sent, Shuffled

Observer = Callable[[Sent], None]
Queues = dict[Lane, LaneQueue]


class UnknownRecipient(PortError):
    """No queue of this name was provisioned."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no queue is declared for {name!r} on the bus: declare({name!r}) first")
        self.name = name


class AlreadyConnected(PortError):
    """One name can have one live link."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} is connected to the bus already: close that link, or give this actor "
            "a name of its own"
        )
        self.name = name


class MessageTooLarge(PortError):
    """A message above the bus's limit; nothing was sent."""

    def __init__(self, to: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"a message of {size_bytes} bytes to {to!r} is above the bus's limit of "
            f"{limit_bytes}: send it in chunks"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class _State(Enum):
    OPEN = "open"
    CLOSED = "closed"
    BROKEN = "broken"


class MemoryDelivery:
    """One message in an actor's hands."""

    def __init__(self, link: MemoryLink, tag: int, parcel: Parcel) -> None:
        self._link = link
        self._tag = tag
        self._parcel = parcel

    @property
    def body(self) -> bytes:
        """The bytes as they were sent."""
        return self._parcel.sent.body

    @property
    def redelivered(self) -> bool:
        """True where the message was handed out before."""
        return self._parcel.redelivered

    @property
    def sender(self) -> str:
        """The name of the link that sent it."""
        return self._parcel.sent.sender

    async def ack(self) -> None:
        """Let the bus forget the message; of no effect a second time or on a dead link."""
        self._link.forget(self._tag)


class MemoryLink:
    """One actor's connection; made by `MemoryBus.connect` and good until it ends once."""

    def __init__(self, bus: MemoryBus, name: str, *, prefetch: int) -> None:
        self._bus = bus
        self._name = name
        self._prefetch = prefetch
        self._state = _State.OPEN
        self._news = asyncio.Event()
        self._lanes = list(Lane)
        self._tags = 0
        self._unacked: dict[Lane, dict[int, Parcel]] = {lane: {} for lane in Lane}
        self._turns: dict[asyncio.Future[None], LaneQueue] = {}

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        """Return once the message is in the recipient's queue; wait in line while it is full.

        Raises `LinkLost`, `UnknownRecipient`, `MessageTooLarge` or `SendersCrowded`. A
        cancelled send gives its place in the line up.
        """
        self._require_open()
        sent = Sent(sender=self._name, recipient=to, lane=lane, body=bytes(body))
        queue = self._bus.route(sent)
        turn = asyncio.get_running_loop().create_future()
        self._turns[turn] = queue
        try:
            queue.offer(sent, turn)
            await turn
            # A broker's confirmation always takes a while, and the link may break meanwhile.
            await asyncio.sleep(0)
        finally:
            del self._turns[turn]
            queue.withdraw(turn)
        self._require_open()

    def deliveries(self) -> MemoryLink:
        """Iterate over incoming messages; ends on `close`, raises `LinkLost` on a break."""
        return self

    def __aiter__(self) -> MemoryLink:
        """Iterate over this link; several iterations share its messages."""
        return self

    async def __anext__(self) -> MemoryDelivery:
        """Return the next message; a cancelled call takes none."""
        while True:
            if self._state is _State.CLOSED:
                raise StopAsyncIteration
            self._require_open()
            delivery = self._take()
            if delivery is not None:
                return delivery
            self._news.clear()
            await self._news.wait()

    def stalled_s(self) -> float:
        """Return 0.0: a queue in memory answers at once, and a broken link says so."""
        return 0.0

    async def close(self) -> None:
        """Give the link up; unacknowledged messages return to the front of their queues."""
        self._end(_State.CLOSED)

    def break_off(self) -> None:
        """End the link as a fault does: whoever uses it gets `LinkLost`."""
        self._end(_State.BROKEN)

    def wake(self) -> None:
        """Let a waiting iteration look again."""
        self._news.set()

    def forget(self, tag: int) -> None:
        """Drop an unacknowledged message; an unknown tag is an old one and means nothing."""
        for lane, parcels in self._unacked.items():
            parcel = parcels.pop(tag, None)
            if parcel is not None:
                self._bus.queues(self._name)[lane].forget(parcel)
                self.wake()

    def _take(self) -> MemoryDelivery | None:
        for lane in self._lanes:
            if len(self._unacked[lane]) >= self._prefetch:
                continue
            parcel = self._bus.queues(self._name)[lane].take()
            if parcel is not None:
                # The lane that was served goes last: neither can starve the other.
                self._lanes.remove(lane)
                self._lanes.append(lane)
                self._tags += 1
                self._unacked[lane][self._tags] = parcel
                return MemoryDelivery(self, self._tags, parcel)
        return None

    def _end(self, state: _State) -> None:
        if self._state is not _State.OPEN:
            return
        self._state = state
        for lane, parcels in self._unacked.items():
            self._bus.queues(self._name)[lane].give_back(parcels.values())
            parcels.clear()
        self._bus.release(self._name)
        for turn, queue in list(self._turns.items()):
            queue.withdraw(turn)
            if not turn.done():
                turn.set_result(None)
        self.wake()

    def _require_open(self) -> None:
        if self._state is not _State.OPEN:
            raise LinkLost(
                f"the link of {self._name!r} to the in-memory bus is {self._state.value}: connect "
                "again; whether the last message went out is unknown"
            )


class MemoryBus:
    """Queues that belong to names, and the links to them. For one event loop, no threads.

    `observer` is called for every accepted message and published blob, before the sender
    knows; it must not raise. `order` replaces the fair order of delivery by a seeded one.
    `duplicate` says which messages come twice (only where the queue has room for both).
    """

    def __init__(
        self,
        limits: BusLimits | None = None,
        observer: Observer | None = None,
        *,
        order: Random | None = None,
        duplicate: Callable[[Sent], bool] | None = None,
    ) -> None:
        self._limits = limits or BusLimits()
        self._observer = observer or (lambda _: None)
        self._order = order
        self._duplicate = duplicate or (lambda _: False)
        self._queues: dict[str, Queues] = {}
        self._links: dict[str, MemoryLink] = {}
        self._blobs = BlobStore(self._limits.blob_bytes, self._observer)

    def declare(self, name: str) -> None:
        """Provision the queues of a name; again is fine."""
        if name not in self._queues:
            self._queues[name] = {lane: self._lane_queue() for lane in Lane}

    def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        """Return a new link. At most `prefetch` messages of each lane are handed out at a time."""
        if prefetch < 1:
            raise ValueError(f"prefetch is {prefetch}: it must be at least 1")
        self.queues(name)
        if name in self._links:
            raise AlreadyConnected(name)
        self._links[name] = MemoryLink(self, name, prefetch=prefetch)
        return self._links[name]

    def disconnect(self, name: str) -> None:
        """Break the link of a name, as a fault does; of no effect where there is none."""
        link = self._links.get(name)
        if link is not None:
            link.break_off()

    def blobs(self, name: str) -> MemoryBlobs:
        """Return the blobs as this actor sees them; what it published outlives its process."""
        return MemoryBlobs(name, self._blobs)

    def depth(self, name: str, lane: Lane) -> int:
        """Return how many messages are queued or unacknowledged."""
        return self.queues(name)[lane].messages

    def queues(self, name: str) -> Queues:
        """Return the queues of a name. Raises `UnknownRecipient`."""
        try:
            return self._queues[name]
        except KeyError:
            raise UnknownRecipient(name) from None

    def route(self, sent: Sent) -> LaneQueue:
        """Return the queue for a message. Raises `UnknownRecipient` or `MessageTooLarge`."""
        queue = self.queues(sent.recipient)[sent.lane]
        if len(sent.body) > self._limits.message_bytes:
            raise MessageTooLarge(sent.recipient, len(sent.body), self._limits.message_bytes)
        return queue

    def release(self, name: str) -> None:
        """Free a name for its next link."""
        del self._links[name]

    def _lane_queue(self) -> LaneQueue:
        ready = InTurn() if self._order is None else Shuffled(self._order)
        return LaneQueue(
            self._limits, ready=ready, accepted=self._accepted, duplicate=self._duplicate
        )

    def _accepted(self, sent: Sent) -> None:
        self._observer(sent)
        link = self._links.get(sent.recipient)
        if link is not None:
            link.wake()
