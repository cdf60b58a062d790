"""One lane of one recipient in memory: bounded, fair to waiting senders, honest on redelivery."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from actors.ports import Lane, PortError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message that a queue accepted; `recipient` is `*` for a blob."""

    sender: str
    recipient: str
    lane: Lane
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One copy of a message; it takes up room from its acceptance to its acknowledgement."""

    sent: Sent
    redelivered: bool = False


class SendersCrowded(PortError):
    """Too many senders wait for one queue at the same time."""

    def __init__(self, sent: Sent, limit: int) -> None:
        super().__init__(
            f"{limit} sends already wait for the {sent.lane.value} queue of {sent.recipient!r}: "
            "let fewer run at once or raise BusLimits.waiting_sends"
        )
        self.recipient = sent.recipient
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class BusLimits:
    """The bounds of the bus; those of a queue hold per recipient and lane."""

    queue_messages: int = 256
    queue_bytes: int = 64 << 20
    message_bytes: int = 16 << 20
    waiting_sends: int = 65_536
    # What one actor has published and not yet dropped by `retain`.
    blob_bytes: int = 4 << 30

    def __post_init__(self) -> None:
        for name in ("queue_messages", "message_bytes", "waiting_sends", "blob_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if self.queue_bytes < self.message_bytes:
            raise ValueError(
                f"queue_bytes {self.queue_bytes} is below message_bytes {self.message_bytes}: "
                "the largest message would wait for ever"
            )


class Ready(Protocol):
    """The parcels that wait for a consumer, and which of them goes next."""

    def add(self, parcel: Parcel) -> None:
        """Take in a new parcel."""
        ...

    def give_back(self, parcels: Iterable[Parcel]) -> None:
        """Take in what a consumer had and lost, in the order it was handed out."""
        ...

    def pop(self) -> Parcel | None:
        """Return the next parcel, if there is one."""
        ...


class InTurn:
    """Returned parcels first, then one of each sender in turn, each sender's in order."""

    def __init__(self) -> None:
        self._returned: deque[Parcel] = deque()
        self._by_sender: OrderedDict[str, deque[Parcel]] = OrderedDict()

    def add(self, parcel: Parcel) -> None:
        """Take in a new parcel."""
        self._by_sender.setdefault(parcel.sent.sender, deque()).append(parcel)

    def give_back(self, parcels: Iterable[Parcel]) -> None:
        """Put lost parcels before all others, in the order they were handed out."""
        self._returned.extendleft(reversed(list(parcels)))

    def pop(self) -> Parcel | None:
        """Return the next parcel, if there is one."""
        if self._returned:
            return self._returned.popleft()
        if not self._by_sender:
            return None
        sender, parcels = self._by_sender.popitem(last=False)
        parcel = parcels.popleft()
        if parcels:
            self._by_sender[sender] = parcels
        return parcel


class Shuffled:
    """Any parcel next, by a seeded generator: no order is what the port promises."""

    def __init__(self, order: Random) -> None:
        self._order = order
        self._parcels: list[Parcel] = []

    def add(self, parcel: Parcel) -> None:
        """Take in a new parcel."""
        self._parcels.append(parcel)

    def give_back(self, parcels: Iterable[Parcel]) -> None:
        """Take in what a consumer lost; it comes back at any time."""
        self._parcels.extend(parcels)

    def pop(self) -> Parcel | None:
        """Return any parcel, if there is one."""
        if not self._parcels:
            return None
        drawn = self._order.randrange(len(self._parcels))
        self._parcels[drawn], self._parcels[-1] = self._parcels[-1], self._parcels[drawn]
        return self._parcels.pop()


class LaneQueue:
    """One lane of one recipient. Room is taken on acceptance and given back on `forget`."""

    def __init__(
        self,
        limits: BusLimits,
        *,
        ready: Ready,
        accepted: Callable[[Sent], None],
        duplicate: Callable[[Sent], bool],
    ) -> None:
        self._limits = limits
        self._ready = ready
        self._accepted = accepted
        self._duplicate = duplicate
        self._waiting: OrderedDict[asyncio.Future[None], Sent] = OrderedDict()
        self._messages = 0
        self._bytes = 0

    @property
    def messages(self) -> int:
        """How many messages hold room here, those of a consumer included."""
        return self._messages

    def offer(self, sent: Sent, turn: asyncio.Future[None]) -> None:
        """Queue up for room; `turn` is done once the message is in the queue."""
        if len(self._waiting) >= self._limits.waiting_sends:
            raise SendersCrowded(sent, self._limits.waiting_sends)
        self._waiting[turn] = sent
        self._admit()

    def withdraw(self, turn: asyncio.Future[None]) -> None:
        """Give a waiting place up; of no effect once the message is in the queue."""
        if self._waiting.pop(turn, None) is not None:
            # The one who left may have been the large message that held the others up.
            self._admit()

    def take(self) -> Parcel | None:
        """Hand the next parcel out; it keeps its room."""
        return self._ready.pop()

    def forget(self, parcel: Parcel) -> None:
        """Free the room of an acknowledged parcel."""
        self._messages -= 1
        self._bytes -= len(parcel.sent.body)
        self._admit()

    def give_back(self, parcels: Iterable[Parcel]) -> None:
        """Take parcels back that were handed out and not acknowledged, in that order."""
        self._ready.give_back([replace(parcel, redelivered=True) for parcel in parcels])

    def _admit(self) -> None:
        while self._waiting:
            turn, sent = next(iter(self._waiting.items()))
            # A turn that is done while it waits was cancelled: its message was never sent.
            if not turn.done() and not self._has_room(sent):
                return
            del self._waiting[turn]
            if not turn.done():
                self._accept(sent)
                turn.set_result(None)

    def _accept(self, sent: Sent) -> None:
        self._hold(sent)
        if self._has_room(sent) and self._duplicate(sent):
            self._hold(sent)
        self._accepted(sent)

    def _hold(self, sent: Sent) -> None:
        self._messages += 1
        self._bytes += len(sent.body)
        self._ready.add(Parcel(sent=sent))

    def _has_room(self, sent: Sent) -> bool:
        return (
            self._messages < self._limits.queue_messages
            and self._bytes + len(sent.body) <= self._limits.queue_bytes
        )
