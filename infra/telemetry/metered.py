"""A transport that counts: what goes in and out, how long it takes, who was heard of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from actors.ports import Delivery, Lane, Transport

from .traffic import Inbox, Traffic


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a metered transport tells what it saw.

    `heard` gets the name that the transport vouches for; `opened` and `closed` frame the time
    in which an actor receives.
    """

    traffic: Traffic
    inbox: Inbox
    heard: Callable[[str], None]
    opened: Callable[[], None]
    closed: Callable[[], None]


class MeteredDelivery:
    """A message whose stay in the actor's hands is measured."""

    def __init__(self, inner: Delivery, inbox: Inbox) -> None:
        self._inner = inner
        self._inbox = inbox
        self._number = inbox.take()

    @property
    def body(self) -> bytes:
        """The bytes as they were sent."""
        return self._inner.body

    @property
    def sender(self) -> str | None:
        """The name that the transport vouches for, None where it vouches for none."""
        return _sender(self._inner)

    @property
    def redelivered(self) -> bool:
        """True where the transport knows that it delivered this message before."""
        return self._inner.redelivered

    async def ack(self) -> None:
        """Let the transport forget the message."""
        await self._inner.ack()
        self._inbox.done(self._number)


class MeteredTransport:
    """Passes everything on as it is, and keeps what the inner transport promises."""

    def __init__(self, inner: Transport, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        """Send, and measure how long that took."""
        with self._watch.traffic.sending(lane, len(body)):
            await self._inner.send(to, body, lane=lane)

    def deliveries(self) -> AsyncIterator[Delivery]:
        """Iterate over the inner transport's messages."""
        self._watch.opened()
        return _Deliveries(self._inner.deliveries(), self._watch)

    def stalled_s(self) -> float:
        """Return for how long the inner transport could send nothing."""
        return self._inner.stalled_s()

    async def close(self) -> None:
        """Close the inner transport."""
        try:
            await self._inner.close()
        finally:
            self._watch.inbox.clear()
            self._watch.closed()


class _Deliveries:
    """No generator: one of those would end for good when a step is cancelled."""

    def __init__(self, inner: AsyncIterator[Delivery], watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    def __aiter__(self) -> _Deliveries:
        return self

    async def __anext__(self) -> Delivery:
        delivery = await anext(self._inner)
        watch = self._watch
        lane = getattr(delivery, "lane", None)
        watch.traffic.received(
            lane if isinstance(lane, Lane) else None,
            len(delivery.body),
            redelivered=delivery.redelivered,
        )
        sender = _sender(delivery)
        if sender is not None:
            watch.heard(sender)
        return MeteredDelivery(delivery, watch.inbox)


def _sender(delivery: Delivery) -> str | None:
    # Not every transport knows who sent a message.
    sender = getattr(delivery, "sender", None)
    return sender if isinstance(sender, str) else None
