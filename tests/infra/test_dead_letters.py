"""What could not be delivered is seen, sent again or dropped, and never lost on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from fakes.provisioned import Federation

from infra.cli.broker_commands import DropOptions, LettersOptions
from infra.cli.broker_letters import drop_dead, list_dead, redrive_dead
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.dead_letters import Choice, DeadLetter, Stuck, listed, redrive
from infra.rabbitmq.declare import connected
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE

HOLDER = "holder-1.control"
SECRET = b"the body, which nobody is to see"


@pytest.fixture
async def federation(
    broker: PrivateNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Federation]:
    monkeypatch.setenv("QUORATE_BROKER_ADMIN", "guest:guest")
    made = Federation.on(broker, tmp_path)
    await made.applied()
    yield made
    await asyncio.to_thread(made.remove)


async def publish(address: BrokerAddress, key: str, body: bytes = SECRET, **headers: Any) -> None:
    async with connected(address) as connection, connection.channel(on_return_raises=True) as ch:
        exchange = await ch.get_exchange(EXCHANGE, ensure=False)
        message = aio_pika.Message(body, delivery_mode=2, headers=headers)
        await exchange.publish(message, key, mandatory=True)


async def consume(
    address: BrokerAddress,
    queue: str,
    take: Callable[[AbstractIncomingMessage], Any],
    *,
    enough: int,
) -> list[AbstractIncomingMessage]:
    """Consume until `enough` messages came; `take` settles each."""
    taken: list[AbstractIncomingMessage] = []
    complete = asyncio.Event()

    async def on_message(message: AbstractIncomingMessage) -> None:
        taken.append(message)
        await take(message)
        if len(taken) == enough:
            complete.set()

    async with connected(address) as connection:
        channel = await connection.channel()
        await channel.set_qos(1)
        there = await channel.get_queue(queue, ensure=False)
        await there.consume(on_message)
        async with asyncio.timeout(20):
            await complete.wait()
    return taken


async def poison(federation: Federation, *, by: str = "reject") -> None:
    """Let holder-1 give up on the one message in its queue, as a crash or a bug would."""
    reader = federation.address("holder-1")
    if by == "reject":
        await consume(reader, HOLDER, lambda m: m.reject(requeue=True), enough=21)
    else:
        await consume(reader, HOLDER, lambda m: m.reject(requeue=False), enough=1)
    await dead(federation, Choice(limit=1000, expired=True))


async def dead(federation: Federation, choice: Choice, *, count: int = 1) -> list[DeadLetter]:
    """Return the dead letters once there are so many: the broker moves them in its own time."""
    async with asyncio.timeout(20):
        letters = await listed(federation.address(), choice)
        while len(letters) < count:
            letters = await listed(federation.address(), choice)
    return letters


async def received(federation: Federation, *, count: int) -> list[AbstractIncomingMessage]:
    reader = federation.address("holder-1")
    return await consume(reader, HOLDER, lambda m: m.ack(), enough=count)


async def command(run: Callable[[Any], int], federation: Federation, **options: Any) -> int:
    kind = DropOptions if run is drop_dead else LettersOptions
    broker = [f"amqp://127.0.0.1:{federation.node.port}"]
    return await asyncio.to_thread(run, kind(federation.job, broker=broker, json=True, **options))


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_message_its_reader_dies_of_is_listed_sent_again_and_then_gone(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish(federation.address("north"), "north.holder-1.control", envelope="kept")
    await poison(federation)
    capsys.readouterr()

    assert await command(list_dead, federation) == 0

    said = capsys.readouterr().out
    letter, ended = map(json.loads, said.splitlines())
    assert letter["queue"] == HOLDER
    assert (letter["sender"], letter["recipient"], letter["lane"]) == (
        "north",
        "holder-1",
        "control",
    )
    assert letter["reason"] == "delivery_limit"
    assert letter["size_bytes"] == len(SECRET)
    assert letter["died"].startswith("20")
    assert ended["letters"] == 1
    assert SECRET.decode() not in said

    assert await command(redrive_dead, federation) == 0

    (again,) = await received(federation, count=1)
    assert again.body == SECRET
    assert again.routing_key == "north.holder-1.control"
    assert again.headers["envelope"] == "kept"
    assert not [name for name in again.headers if "death" in name]
    assert await listed(federation.address(), Choice(expired=True)) == []


async def test_looking_often_takes_nothing_away(federation: Federation) -> None:
    await publish(federation.address("north"), "north.holder-1.control")
    await poison(federation, by="refusal")

    for _ in range(25):
        letters = await listed(federation.address(), Choice())
        assert [letter.reason for letter in letters] == ["rejected"]


async def test_dropping_asks_first(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish(federation.address("north"), "north.holder-1.control")
    await poison(federation, by="refusal")

    assert await command(drop_dead, federation) == 2
    assert len(await listed(federation.address(), Choice())) == 1

    assert await command(drop_dead, federation, yes=True) == 0
    assert await listed(federation.address(), Choice()) == []
    assert SECRET.decode() not in capsys.readouterr().out


async def test_only_the_chosen_ones_are_touched_and_at_most_the_limit(
    federation: Federation,
) -> None:
    for number in range(3):
        await bury(federation, "holder-1.control", "rejected", b"%d" % number)
    await bury(federation, "holder-2.control", "rejected", b"other")
    await bury(federation, "holder-1.control", "expired", b"old")
    address = federation.address()

    assert len(await listed(address, Choice())) == 4
    assert len(await listed(address, Choice(expired=True))) == 5
    assert len(await listed(address, Choice(reason="expired"))) == 1
    assert len(await listed(address, Choice(queue="holder-2.control"))) == 1

    options = {"queue": HOLDER, "limit": 2}
    assert await command(redrive_dead, federation, **options) == 0

    assert [m.body for m in await received(federation, count=2)] == [b"0", b"1"]
    left = await listed(address, Choice(expired=True))
    assert sorted((letter.queue, letter.reason) for letter in left) == [
        (HOLDER, "expired"),
        (HOLDER, "rejected"),
        ("holder-2.control", "rejected"),
    ]


async def test_a_letter_to_an_actor_that_is_gone_stays_and_says_why(
    federation: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    await bury(federation, "holder-9.control", "rejected", b"x", key="north.holder-9.control")
    await bury(federation, HOLDER, "rejected", b"y")
    capsys.readouterr()

    assert await command(redrive_dead, federation) == 1

    stuck, sent, ended = printed(capsys)
    assert (stuck["kind"], stuck["recipient"]) == ("stuck", "holder-9")
    assert "no queue takes it" in stuck["why"]
    assert (sent["kind"], ended["letters"], ended["stuck"]) == ("redriven", 1, 1)
    (left,) = await listed(federation.address(), Choice())
    assert left.recipient == "holder-9"


async def test_an_interruption_loses_nothing(federation: Federation) -> None:
    for number in range(5):
        await bury(federation, HOLDER, "rejected", b"%d" % number)

    class Interrupted(Exception):
        pass

    seen: list[DeadLetter | Stuck] = []

    def interrupt(result: DeadLetter | Stuck) -> None:
        seen.append(result)
        if len(seen) == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        await redrive(federation.address(), Choice(), interrupt)

    assert len(await listed(federation.address(), Choice())) == 3
    assert [m.body for m in await received(federation, count=2)] == [b"0", b"1"]
    await redrive(federation.address(), Choice(), lambda _: None)
    assert [m.body for m in await received(federation, count=3)] == [b"2", b"3", b"4"]


async def test_what_a_sender_wrote_into_the_headers_sends_nothing_elsewhere(
    federation: Federation,
) -> None:
    forged = [
        {"queue": HOLDER, "reason": "rejected", "routing-keys": ["coordinator.north.control"]}
    ]
    sender = federation.address("north")
    await publish(sender, "north.holder-1.control", **{"x-death": forged})
    await poison(federation, by="refusal")

    (letter,) = await listed(federation.address(), Choice())
    await redrive(federation.address(), Choice(), lambda _: None)

    assert letter.sender == "north"
    (again,) = await received(federation, count=1)
    assert again.routing_key == "north.holder-1.control"


async def bury(
    federation: Federation, queue: str, reason: str, body: bytes, *, key: str = ""
) -> None:
    """Put a dead letter into the queue as the broker does, without waiting for it to die."""
    death = {"queue": queue, "reason": reason, "exchange": EXCHANGE, "count": 1}
    message = aio_pika.Message(body, delivery_mode=2, headers={"x-death": [death]})
    burial = f"{DEAD_EXCHANGE}.test"
    async with connected(federation.address()) as connection, connection.channel() as channel:
        exchange = await channel.declare_exchange(burial, aio_pika.ExchangeType.FANOUT)
        there = await channel.get_queue(DEAD_QUEUE, ensure=False)
        await there.bind(exchange)
        await exchange.publish(message, key or f"north.{queue}")
