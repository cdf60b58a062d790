"""A federation's queues on a real broker, and links to them that a test can break."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import aiormq
from brokers import Vhost

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.cuttable import CuttableLink
from infra.rabbitmq.link import LinkChange, LinkPolicy, LinkState, RabbitLink
from infra.rabbitmq.topology import EXCHANGES, Queue, Sizes, Topology
from infra.rabbitmq.transport import RabbitTransport
from protocols.round_config import Roster

# Waits are short, so that a test that breaks a connection ten times takes seconds.
POLICY = LinkPolicy(first_wait_s=0.02, longest_wait_s=0.5)

TIMEOUT_S = 30.0

_AHEAD = 500  # how far senders may be ahead of a receiver that hears nothing


class LinkLog:
    """Hears the changes of a link, and lets a test wait for one."""

    def __init__(self) -> None:
        self.changes: list[LinkChange] = []
        self._heard = asyncio.Event()

    def __call__(self, change: LinkChange) -> None:
        self.changes.append(change)
        self._heard.set()

    def states(self) -> list[LinkState]:
        return [change.state for change in self.changes]

    async def until(self, wanted: Callable[[LinkChange], bool], *, after: int = 0) -> LinkChange:
        """Return the first wanted change behind the first `after` ones."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                self._heard.clear()
                for change in self.changes[after:]:
                    if wanted(change):
                        return change
                await self._heard.wait()

    async def becomes(self, state: LinkState, *, after: int = 0) -> LinkChange:
        return await self.until(lambda change: change.state is state, after=after)


def lanes_of(name: str, sizes: Sizes) -> list[Queue]:
    """Return the two queues of a share-holder."""
    roster = Roster(federation="test", coordinator=f"{name}-0", holders=(name,), trainers=())
    own = [f"{name}.{lane.value}" for lane in Lane]
    return [queue for queue in Topology(roster, sizes).queues() if queue.name in own]


async def declare_lanes(url: str, names: Iterable[str], sizes: Sizes | None = None) -> None:
    """Make the exchanges and both lanes of each name."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        for exchange in EXCHANGES:
            await channel.exchange_declare(
                exchange.name,
                exchange_type=exchange.kind,
                durable=True,
                internal=exchange.internal,
            )
        for name in names:
            for queue in lanes_of(name, sizes or Sizes()):
                await channel.queue_declare(
                    queue.name, durable=True, arguments=dict(queue.arguments)
                )
                source, key = queue.source
                await channel.queue_bind(queue.name, source, key)


class RabbitRig:
    """Links of several actors in one virtual host, each through a cuttable line of its own."""

    def __init__(self, vhost: Vhost, sizes: Sizes | None = None) -> None:
        self.vhost = vhost
        self.logs: dict[str, LinkLog] = {}
        self.links: dict[str, RabbitLink] = {}
        self.lines: dict[str, CuttableLink] = {}
        self._sizes = sizes
        self._declared: set[str] = set()

    async def declare(self, names: Sequence[str]) -> None:
        """Provision both lanes of names that are new."""
        new = [name for name in names if name not in self._declared]
        if new:
            await declare_lanes(self.vhost.url, new, self._sizes)
            self._declared.update(new)

    async def link(
        self, name: str, *, url: str | None = None, policy: LinkPolicy = POLICY
    ) -> RabbitLink:
        """Return a new link, not started; its line is `lines[name]`."""
        if name not in self.lines:
            self.lines[name] = CuttableLink(self.vhost.node.port)
            await self.lines[name].heal()
        there, here = f":{self.vhost.node.port}/", f":{self.lines[name].port}/"
        address = BrokerAddress.parse((url or self.vhost.url).replace(there, here))
        log = self.logs[name] = LinkLog()
        self.links[name] = RabbitLink(name, address, policy=policy, notice=log)
        return self.links[name]

    async def transport(
        self,
        name: str,
        *,
        prefetch: int = 16,
        url: str | None = None,
        policy: LinkPolicy = POLICY,
        lanes: Sequence[Lane] = tuple(Lane),
    ) -> RabbitTransport:
        """Return an open transport of a name with its queues."""
        await self.declare([name])
        link = await self.link(name, url=url, policy=policy)
        transport = RabbitTransport(name, link, prefetch=prefetch, lanes=lanes)
        link.start()
        async with asyncio.timeout(TIMEOUT_S):
            await link.opened()
        return transport

    async def cut(self, name: str) -> None:
        """Reset the connections of a name; return once its link has noticed."""
        seen = len(self.logs[name].changes)
        await self.lines[name].reset()
        await self.logs[name].becomes(LinkState.LOST, after=seen)

    async def remove(self) -> None:
        """Delete the queues of all names, for a virtual host that others use after us."""
        async with aiormq.connect(self.vhost.url) as connection:
            channel = await connection.channel()
            for name in self._declared:
                for lane in Lane:
                    await channel.queue_delete(f"{name}.{lane.value}")

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self.links.values()))
        await asyncio.gather(*(line.cut() for line in self.lines.values()))


class Traffic:
    """Several senders who never stop, and a receiver who acknowledges all."""

    def __init__(self, sender: RabbitTransport, to: str, receiver: RabbitTransport) -> None:
        self.confirmed: set[bytes] = set()
        self.received: Counter[bytes] = Counter()
        self._sender, self._to, self._receiver = sender, to, receiver
        self._more = True
        self._news = asyncio.Event()
        self._came = asyncio.Event()
        self._sending = [
            asyncio.create_task(self._send(lane, number)) for lane in Lane for number in range(4)
        ]
        self._receiving = asyncio.create_task(self._receive())

    async def flows(self, count: int = 40) -> None:
        """Wait until `count` more messages were confirmed and as many came."""
        confirmed, received = len(self.confirmed), len(self.received)
        async with asyncio.timeout(TIMEOUT_S):
            while len(self.confirmed) < confirmed + count or len(self.received) < received + count:
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        """Let all sends end well and everything confirmed arrive; nothing may be lost."""
        self._more = False
        self._came.set()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*self._sending)
            while self.confirmed - set(self.received):
                self._news.clear()
                await self._news.wait()
        self._receiving.cancel()
        await asyncio.gather(self._receiving, return_exceptions=True)

    @property
    def doubled(self) -> int:
        return self.received.total() - len(self.received)

    async def _send(self, lane: Lane, number: int) -> None:
        count = 0
        while self._more:
            body = f"{lane.value} {number} {count}".encode()
            await self._sender.send(self._to, body, lane=lane)
            self.confirmed.add(body)
            self._news.set()
            count += 1
            while self._more and len(self.confirmed) - len(self.received) > _AHEAD:
                await self._came.wait()
                self._came.clear()

    async def _receive(self) -> None:
        async for delivery in self._receiver.deliveries():
            self.received[delivery.body] += 1
            self._news.set()
            self._came.set()
            await delivery.ack()


async def receive(transport: RabbitTransport, count: int) -> list[bytes]:
    """Take and acknowledge so many."""
    bodies: list[bytes] = []
    async with asyncio.timeout(TIMEOUT_S):
        async for delivery in transport.deliveries():
            bodies.append(delivery.body)
            await delivery.ack()
            if len(bodies) == count:
                break
    return bodies
