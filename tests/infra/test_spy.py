"""An operator's look at every message on a real broker."""

from __future__ import annotations

import asyncio
import logging

import aio_pika
import pytest
from brokers import Vhost
from fakes.rabbit_rig import TIMEOUT_S

from actors.ports import Lane
from infra.chaos.sightings import Sighting
from infra.chaos.spy import Spy
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import connected, declare_exchanges
from infra.rabbitmq.topology import EXCHANGE, routing_key
from protocols.codec import seal
from protocols.messages import Goodbye


async def test_messages_of_actors_are_told_and_a_drills_beat_is_none(
    vhost: Vhost, caplog: pytest.LogCaptureFixture
) -> None:
    address, seen = BrokerAddress.parse(vhost.url), asyncio.Queue[Sighting]()
    bodies = {
        routing_key("beat", "beat", Lane.CONTROL): b"",
        routing_key("ann", "bob", Lane.CONTROL): b"no message",
        routing_key("ann", "coordinator", Lane.CONTROL): seal("ann", Goodbye()),
    }

    with caplog.at_level(logging.INFO, logger="infra.chaos.spy"):
        async with connected(address) as connection, connection.channel() as channel:
            await declare_exchanges(channel)
            exchange = await channel.get_exchange(EXCHANGE)
            async with Spy(address, seen.put_nowait):
                for key, body in bodies.items():
                    await exchange.publish(aio_pika.Message(body), key, mandatory=True)
                told = await asyncio.wait_for(seen.get(), TIMEOUT_S)

    assert told == Sighting("ann", "coordinator", Goodbye())
    assert seen.empty()
    assert [record.getMessage() for record in caplog.records] == [
        "a message of ann to bob can't be read"
    ]
