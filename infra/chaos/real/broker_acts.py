"""What is done to the broker: stopped, killed, emptied, blocked, and talked nonsense to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import purge
from infra.rabbitmq.topology import EXCHANGE, Topology, routing_key
from infra.simulation.faults import Fault, Kind
from protocols.codec import seal
from protocols.messages import Working

from .crew import Acts, Crew

_BABBLE_S = 0.05  # between two strange messages


class BrokerActs:
    """Brings them about, one after the other: there is only one broker."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self._turn = asyncio.Lock()

    def acts(self) -> Acts:
        """Return what to do for each kind."""
        node = self.crew.stage.node
        return {
            Kind.BROKER_RESTART: lambda fault: self._restart(fault, node.stop, node.start),
            # What a power cut takes is what was not yet confirmed.
            Kind.BROKER_LOSES_UNCONFIRMED: lambda fault: self._restart(
                fault, node.kill, node.start
            ),
            Kind.BROKER_WIPED: self._wipe,
            Kind.BROKER_BLOCKED: self._block,
            Kind.BABBLE: self._babble,
        }

    async def _restart(
        self,
        fault: Fault,
        end: Callable[[], Awaitable[None]],
        begin: Callable[[], Awaitable[None]],
    ) -> None:
        async with self._turn:
            self.crew.struck(fault)
            try:
                await end()
                await asyncio.sleep(fault.duration_s)
            finally:
                await begin()

    async def _wipe(self, fault: Fault) -> None:
        """Kill the broker, and empty its queues before anybody sees it again.

        Its streams of model states stay, as in virtual time.
        """
        node = self.crew.stage.node
        lines = self.crew.stage.lines.values()

        async def end() -> None:
            await node.kill()
            await asyncio.gather(*(line.cut() for line in lines))

        async def begin() -> None:
            await node.start()
            await purge(BrokerAddress.parse(node.url), Topology(self.crew.stage.roster))
            for line in lines:
                await line.reopen()

        await self._restart(fault, end, begin)

    async def _block(self, fault: Fault) -> None:
        async with self._turn:
            node = self.crew.stage.node
            try:
                await node.fill()
                self.crew.struck(fault)
                await asyncio.sleep(fault.duration_s)
            finally:
                await node.relieve()

    async def _babble(self, fault: Fault) -> None:
        """Send garbage and strange messages to everybody in the name of an actor."""
        draw, name = self.crew.draws(fault), fault.target
        async with await aio_pika.connect(self.crew.stage.node.url) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(EXCHANGE, ensure=False)
            self.crew.struck(fault)
            for _ in range(int(fault.amount)):
                body = draw.randbytes(32)
                if draw.random() < 0.5:
                    body = seal(name, Working(cid=body))
                lane = draw.choice((Lane.CONTROL, Lane.BULK))
                key = routing_key(name, draw.choice(self.crew.everybody), lane)
                await exchange.publish(aio_pika.Message(body), key, mandatory=False)
                await asyncio.sleep(_BABBLE_S)
