"""Messages that could not be delivered: look at them, send them again, or drop them.

Everything is taken from the queue without an acknowledgement, which comes only once a message
has been dealt with. Whatever interrupts that, the rest returns to the queue; at worst a message
was sent again and is still there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import DeliveryError, PublishError

from .address import BrokerAddress
from .declare import connected
from .topology import DEAD_QUEUE, EXCHANGE

_CALL_S = 30.0
_LOOKED_AT = 20_000  # messages held at once; the queue's bound in bytes is far below memory
_LOOK_S = 0.02
_LOOKS = 250
_EXPIRED = "expired"

# What the broker wrote onto a dead letter; CC and BCC would send it to others again.
_OF_THE_BROKER = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "CC", "BCC")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known of a message without its body.

    `queue` is where it died, `key` what it was sent with, `count` how often it died there. The
    `reason` is RabbitMQ's: `delivery_limit` (handed out 21 times, or its reader rejected it
    each time), `rejected` (the reader wants it never again) or `expired`.
    """

    died: datetime | None
    queue: str
    key: str
    reason: str
    size_bytes: int
    count: int

    @property
    def sender(self) -> str:
        """Who wrote it; the broker holds each account to its own name."""
        return self.key.partition(".")[0]

    @property
    def recipient(self) -> str:
        """Whom it was for, or empty for a key that is none of ours."""
        return self.key.partition(".")[2].rpartition(".")[0]

    @property
    def lane(self) -> str:
        """The last word of its key."""
        return self.key.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant; those that only grew old, if they are asked for."""

    queue: str | None = None
    reason: str | None = None
    expired: bool = False
    limit: int = 1000

    def takes(self, letter: DeadLetter) -> bool:
        """Say whether a letter is meant."""
        if self.queue is not None and letter.queue != self.queue:
            return False
        if self.reason is not None:
            return letter.reason == self.reason
        return self.expired or letter.reason != _EXPIRED


@dataclass(frozen=True, slots=True)
class Stuck:
    """A letter that could not be sent again and why; it is where it was."""

    letter: DeadLetter
    reason: str


async def listed(address: BrokerAddress, choice: Choice) -> list[DeadLetter]:
    """Return the chosen letters, oldest first; all stay in the queue."""
    async with _visit(address) as visit:
        return [letter async for letter, _ in visit.letters(choice)]


async def drop(address: BrokerAddress, choice: Choice, done: Callable[[DeadLetter], None]) -> None:
    """Delete the chosen letters for good and call `done` for each."""
    async with _visit(address) as visit:
        async for letter, message in visit.letters(choice):
            await visit.remove(message)
            done(letter)


async def redrive(
    address: BrokerAddress, choice: Choice, done: Callable[[DeadLetter | Stuck], None]
) -> None:
    """Send the chosen letters again to whom they were for, and delete those that arrived.

    Calls `done` for each letter; one whose queue is full or gone stays and is `Stuck`.
    """
    async with (
        _visit(address) as visit,
        visit.connection.channel(on_return_raises=True) as channel,
    ):
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        async for letter, message in visit.letters(choice):
            try:
                again = _afresh(message)
                await exchange.publish(again, letter.key, mandatory=True, timeout=_CALL_S)
            except DeliveryError as error:
                done(Stuck(letter, _why_stuck(error)))
            else:
                await visit.remove(message)
                done(letter)


@asynccontextmanager
async def _visit(address: BrokerAddress) -> AsyncIterator[_Visit]:
    async with connected(address) as connection:
        channel = await connection.channel()
        visit = _Visit(connection, channel)
        try:
            yield visit
        finally:
            await visit.put_back()


class _Visit:
    """Takes letters out to look at them, and puts back those that were not removed."""

    def __init__(self, connection: AbstractConnection, channel: AbstractChannel) -> None:
        self.connection = connection
        self._channel = channel
        self._taken = 0
        self._expected = 0

    async def letters(
        self, choice: Choice
    ) -> AsyncIterator[tuple[DeadLetter, AbstractIncomingMessage]]:
        """Yield the chosen letters, looking once at each that was there at the beginning."""
        queue = await self._queue()
        self._expected = queue.declaration_result.message_count or 0
        chosen = 0
        for _ in range(min(self._expected, _LOOKED_AT)):
            if chosen == choice.limit:
                return
            message = await queue.get(fail=False, timeout=_CALL_S)
            if message is None:
                return
            self._taken += 1
            letter = _letter(message)
            if choice.takes(letter):
                chosen += 1
                yield letter, message

    async def remove(self, message: AbstractIncomingMessage) -> None:
        """Delete a letter."""
        await message.ack()
        self._expected -= 1

    async def put_back(self) -> None:
        """Return what was taken, and wait a while until the next visitor can see it."""
        if not self._taken:
            return
        underlay = await self._channel.get_underlay_channel()
        await underlay.basic_nack(0, multiple=True, requeue=True)
        for _ in range(_LOOKS):
            if await self._visible() >= self._expected:
                return
            await asyncio.sleep(_LOOK_S)

    async def _visible(self) -> int:
        queue = await self._queue()
        return queue.declaration_result.message_count or 0

    async def _queue(self) -> AbstractQueue:
        return await self._channel.declare_queue(DEAD_QUEUE, passive=True, timeout=_CALL_S)


def _letter(message: AbstractIncomingMessage) -> DeadLetter:
    death = _death(message.headers)
    died, count = death.get("time"), death.get("count")
    return DeadLetter(
        died=died if isinstance(died, datetime) else None,
        queue=str(death.get("queue", "?")),
        # Not the key in the headers: a sender can write those, and here we may use any key.
        key=message.routing_key or "",
        reason=str(death.get("reason", "?")),
        size_bytes=len(message.body),
        count=count if isinstance(count, int) else 1,
    )


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last death; senders can write such a header too, so it may be anything."""
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths else {}
    return death if isinstance(death, Mapping) else {}


def _afresh(message: AbstractIncomingMessage) -> aio_pika.Message:
    """Return the message as it was sent, without what the broker noted on it."""
    headers = {
        name: value
        for name, value in message.headers.items()
        if not name.startswith(_OF_THE_BROKER)
    }
    return aio_pika.Message(
        message.body,
        headers=headers,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        correlation_id=message.correlation_id,
        type=message.type,
        timestamp=message.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _why_stuck(error: DeliveryError) -> str:
    if isinstance(error, PublishError):
        return "no queue takes it any more; if the actor is gone for good, drop it"
    return "its queue is full; try again when its reader has caught up"
