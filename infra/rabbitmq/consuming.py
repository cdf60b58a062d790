"""Messages on their way in: a subscription outlives connections, an intake is its part of one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.commands import Basic

from .errors import APPLY, GONE, NoReplica, guarded, lacks_replica, reason_of
from .wire import Wire

Lose = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """One message from a queue, held by the broker until it is acknowledged.

    `key` is the routing key, whose first word the broker vouches for.
    """

    body: bytes = field(repr=False)
    key: str
    headers: Mapping[str, Any] = field(repr=False)
    redelivered: bool
    tag: int = field(repr=False)
    intake: Intake = field(repr=False)

    @property
    def stale(self) -> bool:
        """Whether its connection is gone: the broker has taken the message back."""
        return self.intake.ended

    async def ack(self) -> None:
        """Let the broker forget the message; of no effect where it is stale or acked already."""
        await self.intake.ack(self.tag)


@dataclass(frozen=True, slots=True, eq=False)
class Subscription:
    """What to consume, on this connection and on every later one.

    `take` gets each message at once and must only hand it on. `arguments` is asked anew for
    each connection.
    """

    queue: str
    take: Callable[[Incoming], None]
    prefetch: int
    arguments: Callable[[], dict[str, Any]] | None = None


class Intake:
    """One subscription on one connection: its channel, and what is not acknowledged yet."""

    def __init__(self, subscription: Subscription, lose: Lose) -> None:
        self.ended = False
        self._subscription = subscription
        self._lose = lose
        self._channel: AbstractChannel | None = None
        self._wire: Wire | None = None
        self._unacked: set[int] = set()
        self._tag = ""

    async def open(self, wire: Wire) -> None:
        """Begin to consume. Raises the library's errors and `NoReplica`."""
        asked = self._subscription
        channel = await wire.channel()
        self._channel, self._wire = channel, wire
        channel.closing.add_done_callback(self._closed)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        await guarded(channel.basic_qos(prefetch_count=asked.prefetch))
        try:
            consuming = await guarded(
                channel.basic_consume(
                    asked.queue,
                    self._take,
                    arguments=asked.arguments() if asked.arguments else None,
                )
            )
        except ChannelPreconditionFailed as error:
            if lacks_replica(error):
                self.end()
                raise NoReplica(asked.queue) from error
            raise
        self._tag = consuming.consumer_tag or ""

    async def ack(self, tag: int) -> None:
        """Acknowledge a message that is still ours; any other tag would close the channel."""
        if self.ended or self._channel is None or tag not in self._unacked:
            return
        self._unacked.discard(tag)
        # Where the connection is going just now, the message comes again: the port says so.
        with contextlib.suppress(*GONE):
            await guarded(self._channel.basic_ack(tag, wait=False))

    async def cancel(self) -> None:
        """Take no more; returns when the broker has seen all acknowledgements so far."""
        self.ended = True
        if self._channel is not None and self._tag:
            await guarded(self._channel.basic_cancel(self._tag))

    async def close(self) -> None:
        """Take no more and give back what is not acknowledged."""
        await self.cancel()
        self._forget()
        channel = self._channel
        if channel is not None:
            await guarded(channel.close())
            # The library stops waiting by itself and says nothing; what still comes on such a
            # channel would hold up all others for ever.
            if channel.connection.channels.get(channel.number) is channel:
                self._lose(
                    f"closing the channel of queue {self._subscription.queue} was not answered"
                )

    def end(self) -> None:
        """Know that the connection is gone."""
        self.ended = True
        self._unacked.clear()
        self._forget()

    def _forget(self) -> None:
        """Let go of the bodies of what was delivered and is not taken any more."""
        if self._wire is not None and self._channel is not None:
            self._wire.forget(self._channel.number)

    async def _take(self, message: DeliveredMessage) -> None:
        wire = self._wire
        if self.ended or wire is None or message.delivery_tag is None:
            return
        self._unacked.add(message.delivery_tag)
        headers = message.header.properties.headers or {}
        self._subscription.take(
            Incoming(
                body=wire.body(message),
                key=message.routing_key or "",
                headers={
                    name: bytes(value) if isinstance(value, bytearray) else value
                    for name, value in headers.items()
                },
                redelivered=bool(message.redelivered),
                tag=message.delivery_tag,
                intake=self,
            )
        )

    def _closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        if not lacks_replica(error):  # of that `open` tells
            self._stopped("the lost connection" if closing.cancelled() else reason_of(error))

    def _cancelled(self, frame: Basic.Cancel) -> None:
        self._stopped(f"the broker ended the subscription, as when the queue is deleted: {APPLY}")

    def _stopped(self, why: str) -> None:
        if not self.ended:
            self.end()
            self._lose(f"queue {self._subscription.queue}: {why}")
