"""What an actor's account may do and what it must not, tried on the broker without any effect.

A consumer with a priority that is no number is refused by every queue, after the broker has
looked at the rights: nobody's message is touched and no single active consumer is replaced. A
message to a name that no actor can have reaches no queue.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    PublishError,
)

from actors.ports import Lane
from infra.rabbitmq.errors import APPLY, guarded
from infra.rabbitmq.topology import EXCHANGE, Account, Topology, routing_key, sender_of

from .finding import Finding, fine, problem
from .reach import within

NOBODY = "-doctor"  # no name begins with a dash
# What a message may hold beside its chunk: names, digests, signatures, the wrapping of a box.
_FRAME_BYTES = 64 * 1024
_OTHERS = 3


class Answer(Enum):
    """What a broker says to an attempt."""

    ALLOWED = auto()
    REFUSED = auto()
    REFUSED_TOPIC = auto()
    MISSING = auto()
    TOO_LARGE = auto()


@dataclass(frozen=True, slots=True)
class Rights:
    """An actor of a federation, logged in."""

    connection: aiormq.Connection
    topology: Topology
    name: str

    async def findings(self, chunk_bytes: int) -> AsyncIterator[Finding]:
        """Try everything; `chunk_bytes` is the size of the pieces in which shares travel.

        Reading comes first: a broker in alarm answers nothing more once something was sent.
        Raises the library's errors, `LinkLost`, and `TimeoutError` after 10 s without an answer.
        """
        looks = (
            self.own_queues,
            self.others_queues,
            self.making_queues,
            self.own_messages,
            self.others_messages,
            self.straight_to_queues,
        )
        for look in looks:
            yield await look()
        for finding in await self.chunks(chunk_bytes):
            yield finding

    async def own_queues(self) -> Finding:
        """Ask for each queue that the actor lives on."""
        check, names = "broker.queues", self._readable()
        answers = {name: await self._reading(name) for name in names}
        missing = [name for name in names if answers[name] is Answer.MISSING]
        refused = [name for name in names if answers[name] is Answer.REFUSED]
        if missing:
            return problem(check, f"not there: {', '.join(missing)}", APPLY)
        if refused:
            return problem(
                "broker.rights",
                f"{self._account.user} may not read {', '.join(refused)}",
                f"set its rights as planned: {APPLY}",
            )
        return fine(check, f"there, and readable for us: {', '.join(names)}")

    async def others_queues(self) -> Finding:
        """Ask for queues of others, which must be refused."""
        allowed = [
            name for name in self._forbidden() if await self._reading(name) is not Answer.REFUSED
        ]
        if not allowed:
            return fine("broker.rights", "we may not read what is for others")
        return self._too_much(f"may read {', '.join(allowed)}")

    async def own_messages(self) -> Finding:
        """Send as ourselves, to nobody."""
        answer = await self._sending(EXCHANGE, routing_key(self.name, NOBODY, Lane.CONTROL))
        if answer is Answer.MISSING:
            return problem("broker.queues", f"the exchange {EXCHANGE} is not there", APPLY)
        if answer is Answer.REFUSED:
            return problem(
                "broker.rights",
                f"{self._account.user} may not send through {EXCHANGE}",
                f"set its rights as planned: {APPLY}",
            )
        planned = re.match(self._account.topics, routing_key(self.name, NOBODY, Lane.CONTROL))
        if answer is Answer.ALLOWED and planned is None:
            return self._too_much("may send to whom it has nothing to say")
        if answer is Answer.REFUSED_TOPIC and planned is not None:
            return problem(
                "broker.rights",
                f"{self._account.user} may not send in the name of {self.name}",
                f"set its rights as planned: {APPLY}",
            )
        return fine("broker.rights", "we may send to whom we have to")

    async def others_messages(self) -> Finding:
        """Send as another actor, to nobody; must be refused."""
        other = next(name for name in self._everybody() if name != self.name)
        answer = await self._sending(EXCHANGE, routing_key(other, NOBODY, Lane.CONTROL))
        if answer is Answer.ALLOWED:
            return self._too_much("may send in the name of others")
        return fine("broker.rights", "we may not send in the name of others")

    async def straight_to_queues(self) -> Finding:
        """Send past the exchange that looks at names; must be refused."""
        if await self._sending("", NOBODY) is Answer.ALLOWED:
            return self._too_much("may send straight to queues, past the check of names")
        return fine("broker.rights", "we may send through our exchange only")

    async def making_queues(self) -> Finding:
        """Make a queue that would vanish with this connection; must be refused."""

        async def make(channel: AbstractChannel) -> None:
            await channel.queue_declare(NOBODY, exclusive=True)

        if await self._attempt(make) is Answer.ALLOWED:
            return self._too_much("may make queues")
        return fine("broker.rights", "we may not make or delete queues")

    async def chunks(self, chunk_bytes: int) -> list[Finding]:
        """Send as much as the largest message to nobody.

        Nothing is found where the broker looks at our rights before it looks at the size.
        """
        check, size = "broker.message_size", chunk_bytes + _FRAME_BYTES
        key = routing_key(self.name, NOBODY, Lane.CONTROL)
        answer = await self._sending(EXCHANGE, key, bytes(size))
        if answer is Answer.TOO_LARGE:
            return [
                problem(
                    check,
                    f"the broker refuses messages of {size} bytes",
                    f"set max_message_size = {16 * 2**20} in rabbitmq.conf, or a smaller "
                    f"limits.chunk_kb in the job",
                )
            ]
        return [fine(check, f"{size} bytes fit")] if answer is Answer.ALLOWED else []

    # --- whom it concerns -------------------------------------------------------------

    @property
    def _account(self) -> Account:
        user = self.topology.user(self.name)
        return next(account for account in self.topology.accounts() if account.user == user)

    def _everybody(self) -> tuple[str, ...]:
        roster = self.topology.roster
        return (roster.coordinator, *roster.holders, *roster.trainers)

    def _readable(self) -> list[str]:
        return [queue.name for queue in self.topology.queues() if self._may_read(queue.name)]

    def _may_read(self, queue: str) -> bool:
        return re.search(self._account.read, queue) is not None

    def _forbidden(self) -> list[str]:
        """Pick a few queues that are not ours: the dead letters, and one of each kind of actor."""
        return [name for name in self._candidates() if not self._may_read(name)]

    def _candidates(self) -> Iterator[str]:
        names = [queue.name for queue in self.topology.queues()]
        roster = self.topology.roster
        yield names[-1]
        for actors in ((roster.coordinator,), roster.holders, roster.trainers):
            other = next((actor for actor in actors if actor != self.name), None)
            yield from (name for name in names if other and sender_of(name) == other)

    def _too_much(self, what: str) -> Finding:
        return problem(
            "broker.rights",
            f"{self._account.user} {what}",
            f"take that right away, it breaks the separation of the parties: {APPLY}",
        )

    # --- attempts ---------------------------------------------------------------------

    async def _reading(self, queue: str) -> Answer:
        async def consume(channel: AbstractChannel) -> None:
            await channel.basic_consume(queue, _unheard, arguments={"x-priority": "none"})

        answer = await self._attempt(consume)
        return Answer.ALLOWED if answer is Answer.TOO_LARGE else answer

    async def _sending(self, exchange: str, key: str, body: bytes = b"") -> Answer:
        async def publish(channel: AbstractChannel) -> None:
            await channel.basic_publish(body, exchange=exchange, routing_key=key, mandatory=True)

        return await self._attempt(publish)

    async def _attempt(self, step: Callable[[AbstractChannel], Awaitable[None]]) -> Answer:
        """Make an attempt on a channel of its own: the broker closes it with a refusal."""
        channel = await within(guarded(self.connection.channel(on_return_raises=True)))
        answer = await _answer(step(channel))
        if not channel.is_closed:
            await within(channel.close())
        return answer


async def _answer(attempt: Awaitable[None]) -> Answer:
    try:
        await within(guarded(attempt))
    except ChannelAccessRefused as error:
        return Answer.REFUSED_TOPIC if "access to topic" in str(error) else Answer.REFUSED
    except ChannelNotFoundEntity:
        return Answer.MISSING
    except ChannelPreconditionFailed:
        return Answer.TOO_LARGE
    except PublishError:
        return Answer.ALLOWED
    return Answer.ALLOWED


async def _unheard(_: object) -> None:
    """Take nothing: no message is ever delivered to a consumer that was refused."""
