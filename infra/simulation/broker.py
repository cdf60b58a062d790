"""The simulated broker: durable queues for names and lanes, confirms, redelivery, no promises more.

It is held to what `infra/rabbitmq` relies on: a message whose taking was confirmed is kept; what
a consumer did not acknowledge before its connection ended is delivered again; a full queue
refuses; an unknown recipient is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain

from actors.ports import Lane

from .draws import fraction, hop_s
from .network import Path, Session
from .queues import Parcel, SimQueue
from .stage import Stage

_SAFE_S = 0.002  # until what was taken is durable on average


class Taken(Enum):
    """What became of a message at the broker."""

    YES = "yes"
    NO_ROOM = "no room"
    NOBODY = "nobody"
    GONE = "gone"


class SimBroker:
    """Queues and the sessions that consume them."""

    def __init__(self, stage: Stage, queue_messages: int) -> None:
        self.up = True
        self.blocked = False
        # By name, for control and for bulk: to look a lane up takes longer than to compare it.
        self._queues: dict[str, tuple[SimQueue, SimQueue]] = {}
        self.sessions: dict[str, Session] = {}
        self.paths: dict[str, Path] = {}
        self.overheard: Callable[[str, Lane, Parcel], None] | None = None
        self._stage = stage
        self._limit = queue_messages
        self._consuming: dict[str, bool] = {}
        self._deliveries = 0

    def declare(self, name: str) -> None:
        """Provision the queues of a name; again is fine."""
        if name not in self.paths:
            self.paths[name] = Path(self._stage.loop)
            self._queues[name] = (
                SimQueue(name, Lane.CONTROL, self._limit),
                SimQueue(name, Lane.BULK, self._limit),
            )

    def queue(self, name: str, lane: Lane) -> SimQueue:
        """Return a queue that was declared."""
        return self._queues[name][lane is Lane.BULK]

    def queues(self) -> Iterator[SimQueue]:
        """Return all queues."""
        return chain.from_iterable(self._queues.values())

    def take(self, to: str, lane: Lane, parcel: Parcel, *, twice: bool = False) -> Taken:
        """Take a message in, if there is room."""
        if not self.up:
            return Taken.GONE
        queues = self._queues.get(to)
        if queues is None:
            return Taken.NOBODY
        queue = queues[lane is Lane.BULK]
        if not queue.has_room():
            self._stage.fired["queue full"] += 1
            return Taken.NO_ROOM
        queue.take_in(parcel)
        if self.overheard is not None:
            self.overheard(to, lane, parcel)
        if twice and queue.has_room():
            self._stage.fired["doubled"] += 1
            queue.take_in(Parcel(parcel.sender, parcel.body, parcel.kind, parcel.safe_s))
        self._dispatch(queue)
        return Taken.YES

    def safe_s(self, waiting: float) -> float:
        """Return when what is taken now will be durable, given an exponential draw."""
        return self._stage.loop.now_s + _SAFE_S * waiting

    # --- consumers --------------------------------------------------------------------

    def attach(self, session: Session) -> None:
        """Let a session consume the queues of its name; an older one is shut out."""
        name = session.life.host
        older = self.sessions.get(name)
        if older is not None:
            self.detach(older, severed=True)
        self.sessions[name] = session
        self._consuming[name] = True
        for lane in Lane:
            self.dispatch(name, lane)

    def detach(self, session: Session, *, severed: bool) -> None:
        """End a session: what it did not acknowledge goes back."""
        if session.ended:
            return
        session.ended, session.severed = True, severed
        name = session.life.host
        if self.sessions.get(name) is session:
            del self.sessions[name]
        for lane in Lane:
            self._stage.fired["dead letter"] += self.queue(name, lane).give_back()

    def cancel_consumer(self, name: str) -> bool:
        """Stop delivering to a session that stays; return whether there was one."""
        session = self.sessions.get(name)
        if session is None:
            return False
        self._consuming[name] = False
        # Tags that are on their way or in hands belong to nothing any more.
        session.tags += 1 << 32
        for lane in Lane:
            self._stage.fired["dead letter"] += self.queue(name, lane).give_back()
        return True

    def consume_again(self, name: str) -> None:
        """Deliver again after a cancelled consumer."""
        self._consuming[name] = True
        for lane in Lane:
            self.dispatch(name, lane)

    def dispatch(self, name: str, lane: Lane) -> None:
        """Hand out what is ready, as far as the prefetch goes."""
        self._dispatch(self.queue(name, lane))

    def _dispatch(self, queue: SimQueue) -> None:
        session = self.sessions.get(queue.name)
        if session is None or not self._consuming[queue.name]:
            return
        ready, unacked, lane = queue.ready, queue.unacked, queue.lane
        while ready and len(unacked) < session.prefetch:
            parcel = ready.popleft()
            parcel.deliveries += 1
            session.tags += 1
            unacked[session.tags] = parcel
            self._hand_out(session, lane, session.tags, parcel)

    def _hand_out(self, session: Session, lane: Lane, tag: int, parcel: Parcel) -> None:
        name, rates = session.life.host, self._stage.rates
        self._deliveries += 1
        bits = self._stage.draw(f"deliver {name}", self._deliveries)
        in_order = not rates.overtaken or fraction(bits, 16) >= rates.overtaken
        delay_s = hop_s(rates.hop_s, bits, 0)
        path = self.paths[name]
        path.carry(path.back, delay_s, in_order, session.deliver, session, lane, tag, parcel)

    def acked(self, session: Session, lane: Lane, tag: int) -> None:
        """Forget a message; of no effect for one that went back meanwhile."""
        queue = self.queue(session.life.host, lane)
        if not session.ended and queue.unacked.pop(tag, None) is not None:
            self._dispatch(queue)

    def redeliver(self, session: Session, lane: Lane, tag: int) -> None:
        """Deliver a message again whose acknowledgement was lost."""
        if not session.ended:
            self.queue(session.life.host, lane).requeue(tag)
            self.dispatch(session.life.host, lane)

    # --- the end of the broker --------------------------------------------------------

    def go_down(self) -> None:
        """Stop; all sessions end."""
        self.up = False
        for session in list(self.sessions.values()):
            self.detach(session, severed=True)

    def lose_unconfirmed(self) -> int:
        """Lose what was taken and is not durable yet; return how many."""
        now_s, lost = self._stage.loop.now_s, 0
        for queue in self.queues():
            lost += queue.keep_only(lambda parcel: parcel.safe_s <= now_s)
        return lost

    def lose_all(self) -> int:
        """Lose every message; return how many."""
        return sum(queue.keep_only(lambda _: False) for queue in self.queues())
