"""One queue of the simulated broker: durable, bounded, with one consumer at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.ports import Lane

DELIVERIES = 20  # of one message before it counts as poison


@dataclass(slots=True, eq=False)
class Parcel:
    """One message in a queue or on its way to a consumer. `safe_s`: when its taking is durable."""

    sender: str
    body: bytes = field(repr=False)
    kind: str
    safe_s: float
    deliveries: int = 0


@dataclass(slots=True, eq=False)
class SimQueue:
    """Ready parcels and those in the consumer's hands; both count for the limit."""

    name: str
    lane: Lane
    limit: int
    ready: deque[Parcel] = field(default_factory=deque)
    unacked: dict[int, Parcel] = field(default_factory=dict)
    most: int = 0

    @property
    def messages(self) -> int:
        """How many messages hold room here."""
        return len(self.ready) + len(self.unacked)

    def has_room(self) -> bool:
        """Return whether one more fits."""
        return len(self.ready) + len(self.unacked) < self.limit

    def take_in(self, parcel: Parcel) -> None:
        """Add a new parcel."""
        self.ready.append(parcel)
        messages = len(self.ready) + len(self.unacked)
        self.most = max(self.most, messages)

    def give_back(self) -> int:
        """Put what the consumer had before all others, in order.

        Returns how many messages had come back too often and are dropped.
        """
        dropped = 0
        for parcel in reversed(self.unacked.values()):
            if parcel.deliveries >= DELIVERIES:
                dropped += 1
            else:
                self.ready.appendleft(parcel)
        self.unacked.clear()
        return dropped

    def requeue(self, tag: int) -> None:
        """Put one parcel back whose acknowledgement never came."""
        parcel = self.unacked.pop(tag, None)
        if parcel is not None:
            self.ready.appendleft(parcel)

    def keep_only(self, kept: Callable[[Parcel], bool]) -> int:
        """Lose the ready parcels that are not to be kept; return how many."""
        before = len(self.ready)
        self.ready = deque(parcel for parcel in self.ready if kept(parcel))
        return before - len(self.ready)
