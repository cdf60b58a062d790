"""The `Transport` of a simulated host: heals as a link to RabbitMQ does, repeats what is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from actors.ports import Delivery, Lane, LinkLost, PortError

from .broker import SimBroker, Taken
from .draws import exponential, fraction, hop_s
from .faults import Point
from .hosts import Life
from .network import Session
from .queues import Parcel
from .stage import Stage
from .watch import Watch

_REPEAT_S = 1.0  # until a sender notices that nothing came back
_NO_ROOM_S = 0.1
_RECONNECT_S = (0.05, 4.0)


@dataclass(slots=True, eq=False)
class _Publish:
    """A message that is not confirmed yet."""

    to: str
    lane: Lane
    body: bytes = field(repr=False)
    kind: str
    number: int
    waiter: asyncio.Future[None]
    attempt: int = 0


class SimDelivery:
    """One message in an actor's hands."""

    __slots__ = (
        *("body", "kind", "lane", "redelivered", "sender", "session"),
        *("_tag", "_transport"),
    )

    def __init__(
        self, transport: SimTransport, session: Session, lane: Lane, tag: int, parcel: Parcel
    ) -> None:
        self.lane = lane
        self.session = session
        self.redelivered = parcel.deliveries > 1
        self._transport = transport
        self._tag = tag
        self.body = parcel.body
        self.sender = parcel.sender
        self.kind = parcel.kind

    async def ack(self) -> None:
        """Let the broker forget the message."""
        self._transport.ack(self, self._tag)


class SimTransport:
    """One life's messages. `send` waits through lost connections; `LinkLost` means ended."""

    def __init__(
        self, life: Life, broker: SimBroker, stage: Stage, watch: Watch, *, prefetch: int = 32
    ) -> None:
        self._life = life
        self._broker = broker
        self._path = broker.paths[life.host]
        self._stage = stage
        self._watch = watch
        self._prefetch = prefetch
        self._session: Session | None = None
        self._closed = False
        self._broken = False
        self._news: asyncio.Future[None] | None = None
        self._incoming: deque[SimDelivery] = deque()
        self._outstanding: dict[int, _Publish] = {}
        self._published = 0
        self._tries = 0
        self._lost_s = stage.loop.now_s
        self._connect()

    # --- the port ---------------------------------------------------------------------

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        """Return once the broker has confirmed the message."""
        if self._closed or self._broken:
            raise self._lost()
        kind = self._watch.sending(self._life, to, body, lane)
        if self._stage.awaits(self._life.host):
            await self._stage.passed(self._life, Point.BEFORE_SEND, kind)
        self._published += 1
        waiter: asyncio.Future[None] = self._stage.loop.create_future()
        publish = _Publish(to, lane, bytes(body), kind, self._published, waiter)
        self._outstanding[publish.number] = publish
        try:
            self._attempt(publish)
            if self._stage.awaits(self._life.host):
                await self._stage.passed(self._life, Point.AFTER_SEND, kind)
            await waiter
        finally:
            self._outstanding.pop(publish.number, None)
        if self.closed:  # meanwhile
            raise self._lost()

    def stalled_s(self) -> float:
        """Return for how long there has been no connection; 0.0 while there is one."""
        connected = self._session is not None and not self._session.ended
        return 0.0 if connected else self._stage.loop.now_s - self._lost_s

    @property
    def closed(self) -> bool:
        """Whether it has ended for good."""
        return self._closed or self._broken

    def deliveries(self) -> SimTransport:
        """Iterate over incoming messages; ends on `close`, raises `LinkLost` on a break."""
        return self

    def __aiter__(self) -> SimTransport:
        """Iterate over this transport."""
        return self

    async def __anext__(self) -> Delivery:
        """Return the next message; a cancelled call takes none."""
        while True:
            if self._closed:
                raise StopAsyncIteration
            if self._broken:
                raise self._lost()
            while self._incoming:
                delivery = self._incoming.popleft()
                if delivery.session is not self._session:
                    continue  # it comes again on the connection after
                if self._stage.awaits(self._life.host):
                    await self._stage.passed(self._life, Point.RECEIVED, delivery.kind)
                return delivery
            self._news = self._stage.loop.create_future()
            try:
                await self._news
            finally:
                self._news = None

    async def close(self) -> None:
        """End the link; unacknowledged messages return to their queues."""
        self._closed = True
        self._end(severed=False)

    def ack(self, delivery: SimDelivery, tag: int) -> None:
        """Acknowledge a delivery, unless that is lost."""
        session, lane, rates = delivery.session, delivery.lane, self._stage.rates
        if self._life.alive:
            self._watch.acked(self._life.host, delivery.body, delivery.kind)
        if session.ended:
            return
        if self._path.out.closed:
            self._path.out.held.append((self._broker.acked, (session, lane, tag)))
            return
        if rates.unacked:
            bits = self._stage.draw(f"ack {self._life.host} {lane.value}", tag)
            if fraction(bits, 0) < rates.unacked:
                self._stage.fired["unacked"] += 1
                wait_s = _REPEAT_S * exponential(bits, 16)
                self._stage.loop.after(wait_s, self._broker.redeliver, session, lane, tag)
                return
        self._broker.acked(session, lane, tag)

    # --- what the world does ----------------------------------------------------------

    def break_off(self) -> None:
        """End the link for good, as a client that gives up: its user gets `LinkLost`."""
        self._broken = True
        self._end(severed=True)

    def lose_connection(self, *, severed: bool = True) -> None:
        """Lose the connection, and make another after a while."""
        if self._session is not None:
            self._drop_session(severed=severed)
            self._try_later()

    def die(self) -> None:
        """Go with the host: what it had written before still arrives."""
        self._drop_session(severed=False)

    def go_on(self) -> None:
        """Publish again what waits, as something that held it up is over."""
        for publish in list(self._outstanding.values()):
            self._attempt(publish)

    # --- connecting -------------------------------------------------------------------

    def _connect(self) -> None:
        if self._closed or self._broken or not self._life.alive or self._session is not None:
            return
        if not (self._path.whole and self._broker.up and self._life.held is None):
            self._try_later()
            return
        self._tries = 0
        self._session = Session(self._life, self._prefetch, self._deliver)
        self._broker.attach(self._session)
        self.go_on()

    def _try_later(self) -> None:
        self._tries += 1
        first_s, longest_s = _RECONNECT_S
        bits = self._stage.draw(f"reconnect {self._life.host}", self._tries)
        wait_s = min(longest_s, first_s * 2.0 ** min(self._tries, 16)) * (0.5 + fraction(bits, 0))
        self._stage.loop.after(wait_s, self._connect)

    def _drop_session(self, *, severed: bool) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._lost_s = self._stage.loop.now_s
            self._broker.detach(session, severed=severed)

    def _end(self, *, severed: bool) -> None:
        self._drop_session(severed=severed)
        for publish in self._outstanding.values():
            if not publish.waiter.done():
                publish.waiter.set_result(None)
        self._wake()

    def _lost(self) -> LinkLost:
        return LinkLost(f"the link of {self._life.host!r} has ended")

    # --- publishing -------------------------------------------------------------------

    def _attempt(self, publish: _Publish) -> None:
        session = self._session
        if session is None or session.ended or self._path.muted or self._broker.blocked:
            return  # `go_on` comes when that is over
        rates = self._stage.rates
        life, lane = self._life, "bulk" if publish.lane is Lane.BULK else "control"
        name = f"{life.host}>{publish.to}/{lane}/{life.number}"
        bits = self._stage.draw(name, publish.number + (publish.attempt << 32))
        publish.attempt += 1
        delay_s = hop_s(rates.hop_s, bits, 0)
        in_order = not rates.overtaken or fraction(bits, 24) >= rates.overtaken
        if rates.delayed and fraction(bits, 40) < rates.delayed:
            self._stage.fired["delayed"] += 1
            delay_s += rates.delay_s * exponential(bits, 56)
        self._path.carry(self._path.out, delay_s, in_order, self._arrive, session, publish, bits)

    def _arrive(self, session: Session, publish: _Publish, bits: int) -> None:
        if session.severed:
            return  # `_connect` publishes it again
        rates, fate = self._stage.rates, fraction(bits, 8)
        if fate < rates.lost:
            self._stage.fired["lost"] += 1
            self._stage.loop.after(_REPEAT_S, self._again, publish)
            return
        fate -= rates.lost
        safe_s = self._broker.safe_s(exponential(bits, 48))
        parcel = Parcel(self._life.host, publish.body, publish.kind, safe_s)
        twice = rates.unconfirmed <= fate < rates.unconfirmed + rates.doubled
        taken = self._broker.take(publish.to, publish.lane, parcel, twice=twice)
        told = "yes" if taken is Taken.YES else taken.value
        self._stage.tell(
            f"{self._life.host}>{publish.to} {publish.kind} {len(publish.body)} {told}"
        )
        if taken is Taken.YES and fate < rates.unconfirmed:
            self._stage.fired["unconfirmed"] += 1
            self._stage.loop.after(_REPEAT_S, self._again, publish)
            return
        delay_s = safe_s - self._stage.loop.now_s + hop_s(rates.hop_s, bits, 32)
        self._path.carry(self._path.back, delay_s, False, self._answered, session, publish, taken)

    def _answered(self, session: Session, publish: _Publish, taken: Taken) -> None:
        if session.ended or publish.waiter.done():
            return
        match taken:
            case Taken.YES:
                publish.waiter.set_result(None)
            case Taken.NO_ROOM:
                self._stage.loop.after(_NO_ROOM_S, self._again, publish)
            case Taken.NOBODY:
                publish.waiter.set_exception(UnknownRecipient(publish.to))
            case Taken.GONE:
                pass  # so is the session

    def _again(self, publish: _Publish) -> None:
        if publish.number in self._outstanding and not publish.waiter.done():
            self._attempt(publish)

    # --- consuming --------------------------------------------------------------------

    def _deliver(self, session: Session, lane: Lane, tag: int, parcel: Parcel) -> None:
        if session.ended or session is not self._session:
            return
        self._stage.tell(f"{self._life.host}<{parcel.sender} {parcel.kind}")
        self._incoming.append(SimDelivery(self, session, lane, tag, parcel))
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class UnknownRecipient(PortError):
    """No queue of this name was provisioned."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no queue is declared for {name!r}")
        self.name = name
