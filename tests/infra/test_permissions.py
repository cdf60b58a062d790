"""Each kind of account can do what its actor does, and a real broker refuses all else.

`pytest tests/infra/test_permissions.py -s` prints the whole table.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from fakes.provisioned import Federation

from infra.rabbitmq.declare import DeclareError, connected
from infra.rabbitmq.management import Management, ManagementError
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    EXCHANGE,
    MODEL_EXCHANGE,
    MODEL_INDEX,
    MODEL_STREAM,
)

ACTORS = ("coordinator", "holder-1", "a-1")  # one of each kind; a-10 is there to be confused with
OWN = {"coordinator": ("control", "bulk"), "holder-1": ("control", "bulk"), "a-1": ("control",)}

Do = Callable[[AbstractChannel], Awaitable[Any]]


@dataclass(frozen=True)
class Attempt:
    """Something an actor tries, and which of `ACTORS` may."""

    what: str
    do: Do
    may: frozenset[str]


# --- what is tried ------------------------------------------------------------------------


async def settle(message: AbstractIncomingMessage) -> None:
    await message.ack()


def consuming(queue: str) -> Do:
    async def do(channel: AbstractChannel) -> None:
        await channel.set_qos(1)
        there = await channel.get_queue(queue, ensure=False)
        tag = await there.consume(settle, timeout=10)
        await there.cancel(tag)

    return do


def getting(queue: str) -> Do:
    async def do(channel: AbstractChannel) -> None:
        there = await channel.get_queue(queue, ensure=False)
        await there.get(fail=False, no_ack=False)

    return do


def publishing(exchange: str, key: str, **headers: Any) -> Do:
    async def do(channel: AbstractChannel) -> None:
        there = (
            await channel.get_exchange(exchange, ensure=False)
            if exchange
            else channel.default_exchange
        )
        await there.publish(aio_pika.Message(b"x", headers=headers), key, timeout=10)

    return do


def declaring(name: str, **how: Any) -> Do:
    return lambda channel: channel.declare_queue(name, durable=True, **how)


def binding(queue: str, key: str) -> Do:
    async def do(channel: AbstractChannel) -> None:
        there = await channel.get_queue(queue, ensure=False)
        await there.bind(EXCHANGE, key)

    return do


def unbinding(queue: str) -> Do:
    async def do(channel: AbstractChannel) -> None:
        there = await channel.get_queue(queue, ensure=False)
        await there.unbind(EXCHANGE, f"*.{queue}")

    return do


def purging(queue: str) -> Do:
    async def do(channel: AbstractChannel) -> None:
        there = await channel.get_queue(queue, ensure=False)
        await there.purge()

    return do


async def binding_exchanges(channel: AbstractChannel) -> None:
    there = await channel.get_exchange("amq.topic", ensure=False)
    await there.bind(EXCHANGE, "#")


def may(*names: str) -> frozenset[str]:
    return frozenset(names)


NOBODY = may()
EVERYBODY = may(*ACTORS)


def reading() -> Iterator[Attempt]:
    for name, lanes in OWN.items():
        for lane in lanes:
            yield Attempt(f"consume {name}.{lane}", consuming(f"{name}.{lane}"), may(name))
    for queue in ("holder-2.control", "holder-2.bulk", "a-10.control", DEAD_QUEUE):
        yield Attempt(f"consume {queue}", consuming(queue), NOBODY)
        yield Attempt(f"basic.get {queue}", getting(queue), NOBODY)
    readers = {MODEL_STREAM: may("coordinator", "a-1"), MODEL_INDEX: may("a-1")}
    for stream, allowed in readers.items():
        yield Attempt(f"consume {stream}", consuming(stream), allowed)


def writing() -> Iterator[Attempt]:
    for sender in ACTORS:
        for lane, allowed in SENDS[sender].items():
            key = f"{sender}.{lane}"
            yield Attempt(f"publish {key}", publishing(EXCHANGE, key), may(sender) & allowed)
    for key in ("a-10.coordinator.control", "holder-2.coordinator.bulk", "A-1.holder-1.control"):
        yield Attempt(f"publish {key}", publishing(EXCHANGE, key), NOBODY)
    for key in ("", "#", "*.*.*", "a-1", "a-1.coordinator.control.more"):
        yield Attempt(f"publish {key!r}", publishing(EXCHANGE, key), NOBODY)
    for name in ACTORS:
        key = f"{name}.control"
        yield Attempt(f"publish to default exchange, {key}", publishing("", key), NOBODY)
    for stream in (MODEL_STREAM, MODEL_INDEX):
        key = f"coordinator.{stream}"
        yield Attempt(
            f"publish {key} as a model", publishing(MODEL_EXCHANGE, key), may("coordinator")
        )
    for exchange in ("amq.topic", "amq.direct", "amq.fanout", "amq.headers", DEAD_EXCHANGE):
        key = "a-1.coordinator.control"
        yield Attempt(f"publish to {exchange}", publishing(exchange, key), NOBODY)


_TO_ALL = frozenset(ACTORS)
SENDS: dict[str, dict[str, frozenset[str]]] = {
    "coordinator": {
        "holder-1.control": _TO_ALL,
        "a-1.control": _TO_ALL,
        "model.stream": NOBODY,
        "model.index": NOBODY,
        "holder-1.bulk": NOBODY,
        "coordinator.bulk": NOBODY,
        "dead.letters": NOBODY,
    },
    "holder-1": {
        "coordinator.control": _TO_ALL,
        "coordinator.bulk": _TO_ALL,
        "a-1.control": _TO_ALL,
        "holder-1.control": NOBODY,
        "holder-2.control": NOBODY,
        "holder-2.bulk": NOBODY,
        "model.stream": NOBODY,
        "model.index": NOBODY,
    },
    "a-1": {
        "coordinator.control": _TO_ALL,
        "holder-1.control": _TO_ALL,
        "holder-2.bulk": _TO_ALL,
        "coordinator.bulk": _TO_ALL,
        "a-10.control": NOBODY,
        "a-1.control": NOBODY,
        "model.stream": NOBODY,
        "model.index": NOBODY,
    },
}


def changing() -> Iterator[Attempt]:
    for queue in ("a-1.control", "holder-1.bulk", "coordinator.control"):
        yield Attempt(f"declare {queue}", declaring(queue), NOBODY)
        yield Attempt(f"delete {queue}", lambda c, q=queue: c.queue_delete(q), NOBODY)
        yield Attempt(f"bind {queue} to more", binding(queue, "#"), NOBODY)
        yield Attempt(f"unbind {queue}", unbinding(queue), NOBODY)
    yield Attempt("declare a new queue", declaring("mine"), NOBODY)
    yield Attempt("declare an exclusive queue", declaring("mine", exclusive=True), NOBODY)
    yield Attempt("declare a queue without a name", declaring("", exclusive=True), NOBODY)
    for exchange in (EXCHANGE, "mine"):
        yield Attempt(
            f"declare exchange {exchange}", lambda c, e=exchange: c.declare_exchange(e), NOBODY
        )
    yield Attempt(f"delete exchange {EXCHANGE}", lambda c: c.exchange_delete(EXCHANGE), NOBODY)
    yield Attempt("bind one exchange to another", binding_exchanges, NOBODY)
    for queue in ("a-10.control", "holder-2.bulk", MODEL_STREAM, DEAD_QUEUE):
        yield Attempt(f"purge {queue}", purging(queue), NOBODY)


# What RabbitMQ has no right for. Not wanted, and written down in docs/broker.md.
def unpreventable(version: str) -> Iterator[Attempt]:
    for name in ACTORS:
        queue = f"{name}.control"
        yield Attempt(f"purge {queue}", purging(queue), may(name))
    yield Attempt(
        "look at the depth of a-10.control", declaring("a-10.control", passive=True), EVERYBODY
    )
    copies = may("a-1") if version.startswith("3.") else NOBODY
    for header in ("CC", "BCC"):
        yield Attempt(
            f"{header} to a-10.control",
            publishing(EXCHANGE, "a-1.coordinator.control", **{header: ["a-1.a-10.control"]}),
            copies,
        )


# --- trying it ----------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def federation(
    broker: PrivateNode, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Federation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUORATE_BROKER_ADMIN", "guest:guest")
        made = Federation.on(broker, tmp_path_factory.mktemp("federation"))
        await made.applied()
        yield made
        await asyncio.to_thread(made.remove)


async def works(federation: Federation, actor: str, attempt: Attempt) -> bool:
    """Try on a connection of its own; False if the broker refuses just this, else an error."""
    address = federation.address(actor)
    try:
        async with (
            connected(address) as connection,
            connection.channel(on_return_raises=True) as channel,
        ):
            await attempt.do(channel)
    except DeclareError as error:
        # The second is for what a kind of queue never does, whoever asks.
        if not re.search("ACCESS_REFUSED|NOT_IMPLEMENTED", str(error)):
            raise
        return False
    return True


async def check(federation: Federation, attempts: Iterator[Attempt]) -> None:
    wrong = []
    sys.stdout.write(f"\n{'':45}" + "".join(f"{actor:>13}" for actor in ACTORS) + "\n")
    for attempt in attempts:
        does = {actor: await works(federation, actor, attempt) for actor in ACTORS}
        cells = "".join(f"{'works' if does[actor] else 'refused':>13}" for actor in ACTORS)
        sys.stdout.write(f"{attempt.what:45}{cells}\n")
        wrong += [
            f"{actor}: {attempt.what}" for actor in ACTORS if does[actor] != (actor in attempt.may)
        ]
    assert wrong == []


async def test_an_account_reads_its_own_queues_only(federation: Federation) -> None:
    await check(federation, reading())


async def test_nobody_can_have_the_model_for_himself(federation: Federation) -> None:
    async with connected(federation.address("a-1")) as first, first.channel() as channel:
        await channel.set_qos(1)
        stream = await channel.get_queue(MODEL_STREAM, ensure=False)
        await stream.consume(settle, exclusive=True)

        assert await works(federation, "a-1", Attempt("", consuming(MODEL_STREAM), EVERYBODY))


async def test_an_account_writes_as_itself_to_whom_its_role_needs(federation: Federation) -> None:
    await check(federation, writing())


async def test_an_account_changes_nothing(federation: Federation) -> None:
    await check(federation, changing())


async def test_what_rabbitmq_has_no_right_for_is_as_the_documentation_says(
    federation: Federation,
) -> None:
    await check(federation, unpreventable(federation.node.version))


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_account_enters_no_other_virtual_host(federation: Federation, actor: str) -> None:
    own = federation.address(actor)
    elsewhere = type(own)(own.hosts, "/", own.user, own.password, None)

    with pytest.raises(DeclareError, match="refuses the virtual host"):
        async with connected(elsewhere):
            pass


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_account_is_not_let_into_the_management_api(
    federation: Federation, actor: str
) -> None:
    account = federation.address(actor)
    api = Management.parse(
        federation.management_url, credentials=f"{account.user}:{account.password}"
    )

    for call in (api.overview, api.users, lambda: api.queues(federation.name)):
        with pytest.raises(ManagementError) as raised:
            await asyncio.to_thread(call)
        assert raised.value.status in (401, 403)
