"""Messages on their way out: sent, confirmed by the broker, and repeated until they are."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import uuid4

from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from pamqp.commands import Basic

from actors.ports import LinkLost

from .backoff import Backoff
from .errors import GONE, MessageTooLarge, NotPermitted, Unconfirmed, UnknownRecipient
from .patience import Patience
from .policy import LinkPolicy
from .topology import exchange_of, largest_message_bytes
from .window import Window, WindowSize
from .wire import publish

Header = str | int | bytes
Failed = Callable[[BaseException], None]

# With these the broker closes a channel for one message; the others on it are innocent.
UNWELCOME = (ChannelAccessRefused, ChannelPreconditionFailed)

_TOO_LARGE = re.compile(r"message size (\d+) is larger than .*max size (\d+)")
_PERSISTENT = 2
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 2.0  # for room in a full queue
_LONGEST_CONFIRM = 10  # times the first: a queue may lack a quorum for hours, and all else work


@dataclass(frozen=True, slots=True)
class Letter:
    """One message as the caller gave it."""

    key: str
    body: bytes = field(repr=False)
    headers: Mapping[str, Header] = field(default_factory=dict, repr=False)

    @property
    def recipient(self) -> str:
        """Who or what it is for, as people know it."""
        return self.key.partition(".")[2].removesuffix(".control").removesuffix(".bulk")

    def properties(self) -> Basic.Properties:
        """Return the properties of one attempt.

        The id is new each time: the library tells returned messages apart by it, and with one
        id twice under way it takes a returned message for a delivered one.
        """
        headers: dict[str, Any] = {
            name: bytearray(value) if isinstance(value, bytes) else value
            for name, value in self.headers.items()
        }
        return Basic.Properties(
            delivery_mode=_PERSISTENT, message_id=uuid4().hex, headers=headers or None
        )


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Since when a channel refuses a message."""

    channel: AbstractChannel
    since_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def lasts_s(self) -> float:
        return asyncio.get_running_loop().time() - self.since_s


class _Outcome(Enum):
    CONFIRMED = "confirmed"
    NO_ROOM = "no room"
    UNKNOWN = "unknown"


class Outlet:
    """One lane's way out. It outlives connections: each session lends it a channel.

    `name` is the actor's, for messages. A message that is not confirmed within the policy's
    `confirm_s` costs the session: a queue that lost its leader may have forgotten it for good,
    with the link open. One that is refused for `refused_s` costs the channel: RabbitMQ goes on to
    refuse what a channel sends to a queue that had no leader at first, for as long as the node of
    the old leader is away.
    """

    def __init__(self, name: str, size: WindowSize, policy: LinkPolicy) -> None:
        self.window = Window(size)
        self._name = name
        self._policy = policy
        self._channel: AbstractChannel | None = None
        self._failed: Failed = _nobody
        self._renew: Callable[[], None] = _nobody
        self._riding: Counter[AbstractChannel] = Counter()
        self._left = asyncio.Event()
        self._blocked = False
        self._ended = asyncio.Event()
        self._ready = asyncio.Event()

    async def publish(self, letter: Letter) -> None:
        """Return once the broker has confirmed the message; wait as long as that takes.

        Raises `UnknownRecipient`, `MessageTooLarge`, `NotPermitted`, and `LinkLost` once closed.
        """
        limit_bytes = largest_message_bytes(letter.key)
        if len(letter.body) > limit_bytes:
            raise MessageTooLarge(letter.recipient, len(letter.body), limit_bytes)
        room, confirm_s = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S), self._policy.confirm_s
        refusal: _Refusal | None = None
        while True:
            async with self.window.room(len(letter.body)):
                channel = await self._next_channel()
                with self._riding_on(channel), self._insisting(channel, letter, confirm_s):
                    outcome = await self._attempt(channel, letter)
            confirm_s = min(2 * confirm_s, _LONGEST_CONFIRM * self._policy.confirm_s)
            if outcome is _Outcome.CONFIRMED:
                return
            if outcome is _Outcome.NO_ROOM:
                if refusal is None or refusal.channel is not channel:
                    refusal = _Refusal(channel)
                self._doubt(refusal)
                # Without room in the window, so that messages to others pass meanwhile.
                await self._pause(room.next_s())

    # --- what the session tells -------------------------------------------------------

    def lend(self, channel: AbstractChannel, failed: Failed, renew: Callable[[], None]) -> None:
        """Let messages go out by this channel.

        `failed` is told when one found it broken, `renew` when it refuses messages for long.
        """
        self._channel, self._failed, self._renew = channel, failed, renew
        self._look()

    def withdraw(self) -> None:
        """Take the channel away: messages wait for another."""
        self._channel, self._failed, self._renew = None, _nobody, _nobody
        self._look()

    async def left(self, channel: AbstractChannel) -> None:
        """Wait until no message is under way on a channel that is lent no more."""
        while self._riding[channel]:
            self._left.clear()
            await self._left.wait()

    def block(self, blocked: bool) -> None:
        """Hold new messages back, or no longer; what is under way keeps waiting for its reply."""
        self._blocked = blocked
        self._look()

    def close(self) -> None:
        """End every publish, now and later, with `LinkLost`."""
        self._ended.set()
        self.withdraw()

    # --- one attempt ------------------------------------------------------------------

    def _insisting(self, channel: AbstractChannel, letter: Letter, limit_s: float) -> Patience:
        late = Unconfirmed(letter.recipient, limit_s)
        return Patience(limit_s, lambda: self._give_up(channel, late), lambda: self._blocked)

    @contextlib.contextmanager
    def _riding_on(self, channel: AbstractChannel) -> Iterator[None]:
        self._riding[channel] += 1
        try:
            yield
        finally:
            self._riding -= Counter({channel: 1})
            self._left.set()

    def _doubt(self, refusal: _Refusal) -> None:
        """Ask for another channel where one refuses a message for long."""
        if refusal.lasts_s() > self._policy.refused_s and refusal.channel is self._channel:
            renew, self._renew = self._renew, _nobody
            renew()

    async def _attempt(self, channel: AbstractChannel, letter: Letter) -> _Outcome:
        try:
            await publish(
                channel,
                letter.body,
                exchange=exchange_of(letter.key),
                routing_key=letter.key,
                properties=letter.properties(),
                mandatory=True,
            )
        except PublishError as error:
            raise UnknownRecipient(letter.recipient, letter.key) from error
        except DeliveryError:
            return _Outcome.NO_ROOM
        except UNWELCOME as error:
            self._give_up(channel, error)
            _raise_for_the_guilty(error, letter)
            return _Outcome.UNKNOWN
        except GONE as error:
            self._give_up(channel, error)
            return _Outcome.UNKNOWN
        return _Outcome.CONFIRMED

    def _give_up(self, channel: AbstractChannel, error: BaseException) -> None:
        if self._channel is channel:
            failed = self._failed
            self.withdraw()
            failed(error)

    async def _next_channel(self) -> AbstractChannel:
        while True:
            await self._ready.wait()
            if self._ended.is_set():
                raise LinkLost(
                    f"the link of {self._name!r} to the broker is closed; whether the last "
                    "message went out is unknown"
                )
            if self._channel is not None and not self._blocked:
                return self._channel

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the link."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _look(self) -> None:
        usable = self._channel is not None and not self._blocked
        if usable or self._ended.is_set():
            self._ready.set()
        else:
            self._ready.clear()


def _raise_for_the_guilty(error: Exception, letter: Letter) -> None:
    """Raise if the broker's refusal is about this message: all on the channel hear of it."""
    said = str(error)
    too_large = _TOO_LARGE.search(said)
    if too_large and int(too_large[1]) == len(letter.body):
        raise MessageTooLarge(letter.recipient, len(letter.body), int(too_large[2])) from error
    refused = isinstance(error, ChannelAccessRefused)
    if refused and (f"'{letter.key}'" in said or "topic" not in said):
        raise NotPermitted(letter.key, said) from error


def _nobody(*_: object) -> None:
    pass
