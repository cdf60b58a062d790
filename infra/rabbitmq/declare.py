"""Make the queues of a federation over AMQP, or take them away again.

For tests, trials and runs on one's own broker: it needs an account that may configure. Accounts
and their rights are not AMQP's; they come from a definitions file or the management API.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from .address import BrokerAddress
from .errors import reason_of
from .topology import EXCHANGES, Queue, Topology

_CONNECT_S = 15.0
_CALL_S = 60.0  # a stream or quorum queue may wait for an election
_INEQUIVALENT = re.compile(r"inequivalent arg '(.+?)' for .*?: received (.+?) but current is (.+)")


class DeclareError(Exception):
    """The broker can't be given the topology; says for each queue why and what to do."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


async def declare(address: BrokerAddress, topology: Topology) -> None:
    """Make every exchange, queue and binding that is not there yet.

    Raises:
        DeclareError: the account may not, the broker can't be reached, or something is there
            already with other arguments; every such queue is named, the others are made.
    """
    async with connected(address) as connection:
        async with connection.channel() as channel:
            await declare_exchanges(channel)
        problems = [
            problem
            for queue in topology.queues()
            if (problem := await _declared(connection, queue)) is not None
        ]
    if problems:
        raise DeclareError(problems)


async def declare_exchanges(channel: AbstractChannel) -> None:
    """Make the exchanges that every federation has. Raises the library's errors."""
    for exchange in EXCHANGES:
        await channel.declare_exchange(
            exchange.name,
            aio_pika.ExchangeType(exchange.kind),
            durable=True,
            internal=exchange.internal,
            timeout=_CALL_S,
        )


async def remove(address: BrokerAddress, topology: Topology) -> None:
    """Delete the exchanges and queues of a topology with all they hold; missing ones are fine."""
    async with connected(address) as connection, connection.channel() as channel:
        for queue in topology.queues():
            await channel.queue_delete(queue.name, timeout=_CALL_S)
        for exchange in EXCHANGES:
            await channel.exchange_delete(exchange.name, timeout=_CALL_S)


async def purge(address: BrokerAddress, topology: Topology) -> None:
    """Empty every queue; streams can't be emptied and keep what they hold."""
    async with connected(address) as connection, connection.channel() as channel:
        for queue in topology.queues():
            if queue.kind != "stream":
                there = await channel.get_queue(queue.name, ensure=False)
                await there.purge(timeout=_CALL_S)


async def delete_if_empty(address: BrokerAddress, names: Iterable[str]) -> dict[str, str]:
    """Delete queues that hold nothing and that nobody consumes; return why others stay.

    Not for streams: what the broker says of their length is seconds old.
    """
    async with connected(address) as connection:
        reasons = {name: await _deleted_if_empty(connection, name) for name in names}
    return {name: reason for name, reason in reasons.items() if reason is not None}


@asynccontextmanager
async def connected(address: BrokerAddress) -> AsyncIterator[AbstractConnection]:
    """Connect to the first host that answers; translate what the broker refuses."""
    connection = await _connect(address)
    try:
        yield connection
    except ChannelAccessRefused as error:
        raise DeclareError([_without_rights(address, error)]) from None
    except (AMQPError, OSError, RuntimeError) as error:
        raise DeclareError([f"{address.shown()}: {reason_of(error)}"]) from error
    finally:
        await connection.close()


async def _connect(address: BrokerAddress) -> AbstractConnection:
    failures = []
    for host, port in address.hosts:
        try:
            return await aio_pika.connect(
                host=host,
                port=port,
                login=address.user,
                password=address.password,
                virtualhost=address.vhost,
                ssl=address.tls is not None,
                ssl_context=address.ssl_context(),
                timeout=_CONNECT_S,
            )
        except (AMQPError, OSError, RuntimeError) as error:
            failures.append(f"{host}:{port}: {reason_of(error)}")
    raise DeclareError(
        [
            f"no connection to {address.shown()} ({'; '.join(failures)}); check that the broker "
            f"runs, that the virtual host exists and that the account may use it"
        ]
    )


async def _declared(connection: AbstractConnection, queue: Queue) -> str | None:
    """Make one queue on a channel of its own, since a refusal closes it; return the problem."""
    try:
        async with connection.channel() as channel:
            made = await channel.declare_queue(
                queue.name, durable=True, arguments=dict(queue.arguments), timeout=_CALL_S
            )
            await made.bind(*queue.source, timeout=_CALL_S)
    except ChannelPreconditionFailed as error:
        return _drift(queue, reason_of(error))
    return None


async def _deleted_if_empty(connection: AbstractConnection, name: str) -> str | None:
    async with connection.channel() as channel:
        try:
            there = await channel.declare_queue(name, passive=True, timeout=_CALL_S)
        except ChannelNotFoundEntity:
            return None
        counts = there.declaration_result
        if counts.consumer_count:
            return "somebody consumes it; stop that first"
        if counts.message_count:
            return (
                f"it holds {counts.message_count} messages; let them be consumed, or delete it "
                f"with all it holds by --force"
            )
        await channel.queue_delete(name, timeout=_CALL_S)
    return None


def _drift(queue: Queue, reason: str) -> str:
    cure = "delete the queue once it is empty and run this again, or keep the job as it was"
    found = _INEQUIVALENT.search(reason)
    if found is None:
        return f"queue {queue.name}: the broker refuses it ({reason}); {cure}"
    argument, wanted, there = found[1], _value(found[2]), _value(found[3])
    return f"queue {queue.name}: {argument} is {there} on the broker and should be {wanted}; {cure}"


def _value(said: str) -> str:
    """Take the value out of RabbitMQ's words: "the value '5' of type 'long'", "none"."""
    quoted = re.search(r"'([^']*)'", said)
    return quoted[1] if quoted else said.strip()


def _without_rights(address: BrokerAddress, error: ChannelAccessRefused) -> str:
    return (
        f"{address.user} lacks a right on {address.shown()} ({reason_of(error)}); "
        f"use an account that may configure, write and read there"
    )
