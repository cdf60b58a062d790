"""Breaks a link's connections thousands of times under traffic and watches what stays behind.

    python benchmarks/reconnects.py --reconnects 10000

Two share-holders send to each other over a RabbitMQ of this machine, each through a line that is
reset again and again, one side after the other. Every sample says what this process holds: memory,
tasks, library objects; and what the broker holds for it. At the end every confirmed message must
have arrived, and each have counted once. Exit code 1 says that something was lost or has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import aiormq
import psutil

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.cuttable import CuttableLink
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import LinkChange, LinkPolicy, LinkState, RabbitLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Topology
from infra.rabbitmq.transport import RabbitTransport
from protocols.round_config import Roster

NAMES = ("ann", "bob")
SENDERS = 3  # of each actor and lane
BODY_BYTES = 2048
HASTY = LinkPolicy(first_wait_s=0.005, longest_wait_s=0.02)
LAST_WORDS_S = 60.0


@dataclass
class Counting:
    """What came of one sender: all numbers up to `whole`, and some above; the rest is repeats."""

    whole: int = -1
    above: set[int] = field(default_factory=set)
    repeats: int = 0

    def take(self, number: int) -> None:
        if number <= self.whole or number in self.above:
            self.repeats += 1
            return
        self.above.add(number)
        while self.whole + 1 in self.above:
            self.whole += 1
            self.above.discard(self.whole)


class Actor:
    """One share-holder that sends to the other and counts what it gets."""

    def __init__(self, name: str, link: RabbitLink, line: CuttableLink) -> None:
        self.name = name
        self.line = line
        self.link = link
        self.transport = RabbitTransport(name, link)
        self.confirmed: dict[str, int] = {}
        self.heard: dict[str, Counting] = {}
        self.more = True
        self._open = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def notice(self, change: LinkChange) -> None:
        if change.state is LinkState.OPEN:
            self._open.set()
        else:
            self._open.clear()

    def start(self, other: str) -> None:
        self.link.start()
        self._tasks = [asyncio.create_task(self._receive())]
        self._tasks += [
            asyncio.create_task(self._send(other, lane, f"{self.name} {lane.value} {number}"))
            for lane in Lane
            for number in range(SENDERS)
        ]

    async def broken_and_back(self) -> None:
        """Reset both connections and wait until the link has healed."""
        before = self.link.reconnects
        await self.line.reset()
        while self.link.reconnects == before:
            self._open.clear()
            await self._open.wait()

    async def last_words(self) -> None:
        """Let every send end."""
        self.more = False
        await asyncio.gather(*self._tasks[1:])

    async def close(self) -> None:
        await self.transport.close()
        await asyncio.gather(*self._tasks)

    async def _send(self, other: str, lane: Lane, who: str) -> None:
        number = 0
        while self.more:
            body = f"{who}/{number}/".encode().ljust(BODY_BYTES)
            await self.transport.send(other, body, lane=lane)
            self.confirmed[who] = number
            number += 1

    async def _receive(self) -> None:
        async for delivery in self.transport.deliveries():
            who, number, _ = delivery.body.decode().split("/")
            self.heard.setdefault(who, Counting()).take(int(number))
            await delivery.ack()


@dataclass(frozen=True)
class Sample:
    reconnects: int
    seconds: float
    messages: int
    repeats: int
    rss_mib: float
    tasks: int
    library_connections: int
    library_channels: int
    objects: int
    broker_consumers: int
    broker_channels: int


async def sample(node: PrivateNode, actors: list[Actor], done: int, began_s: float) -> Sample:
    consumers = await node.ctl("list_consumers", "queue_name")
    channels = await node.ctl("list_channels", "pid")
    gc.collect()
    things = gc.get_objects()
    kinds = ("Connection.", "Channel._reader", "Pulse.", "RabbitLink.")
    tasks = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    counts = [counting for actor in actors for counting in actor.heard.values()]
    return Sample(
        reconnects=done,
        seconds=round(time.monotonic() - began_s, 1),
        messages=sum(counting.whole + 1 for counting in counts),
        repeats=sum(counting.repeats for counting in counts),
        rss_mib=round(psutil.Process().memory_info().rss / 2**20, 1),
        tasks=sum(name.startswith(kinds) for name in tasks),
        library_connections=sum(isinstance(thing, aiormq.Connection) for thing in things),
        library_channels=sum(isinstance(thing, aiormq.Channel) for thing in things),
        objects=len(things),
        broker_consumers=sum(line.startswith(NAMES) for line in consumers.splitlines()),
        broker_channels=sum(line.startswith("<") for line in channels.splitlines()),
    )


@asynccontextmanager
async def stage() -> AsyncIterator[tuple[PrivateNode, list[Actor]]]:
    """A broker, and two actors who talk already."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        node = await stack.enter_async_context(PrivateNode(Path(folder)))
        roster = Roster(federation="reconnects", coordinator="c", holders=NAMES, trainers=())
        await declare(BrokerAddress.parse(node.url), Topology(roster))
        actors = []
        for name in NAMES:
            line = await stack.enter_async_context(CuttableLink(node.port))
            address = BrokerAddress.parse(node.url.replace(str(node.port), str(line.port)))
            changes: list[Actor] = []
            link = RabbitLink(
                name,
                address,
                policy=HASTY,
                notice=partial(_tell, changes),
            )
            changes.append(Actor(name, link, line))
            actors += changes
            stack.push_async_callback(link.close)
        for actor, other in zip(actors, reversed(NAMES), strict=True):
            actor.start(other)
        await asyncio.gather(*(actor.link.opened() for actor in actors))
        yield node, actors


async def run(reconnects: int, every: int, *, as_json: bool) -> tuple[list[Sample], int]:
    """Return the samples and how many confirmed messages did not arrive."""
    samples = []
    async with stage() as (node, actors):
        began_s = time.monotonic()
        for done in range(reconnects + 1):
            if done % every == 0 or done == reconnects:
                samples.append(await sample(node, actors, done, began_s))
                show(samples[-1], as_json=as_json)
            if done < reconnects:
                await actors[done % 2].broken_and_back()
        async with asyncio.timeout(LAST_WORDS_S):
            await asyncio.gather(*(actor.last_words() for actor in actors))
        lost = await missing(actors)
        await asyncio.gather(*(actor.close() for actor in actors))
    return samples, lost


def _tell(actors: list[Actor], change: LinkChange) -> None:
    for actor in actors:
        actor.notice(change)


async def missing(actors: list[Actor]) -> int:
    """Return how many confirmed messages are not there a while after the last was sent."""
    give_up_s = time.monotonic() + LAST_WORDS_S
    while True:
        heard = {who: count for actor in actors for who, count in actor.heard.items()}
        said = {who: last for actor in actors for who, last in actor.confirmed.items()}
        lost = sum(last - heard.get(who, Counting()).whole for who, last in said.items())
        if lost == 0 or time.monotonic() > give_up_s:
            return lost
        await asyncio.sleep(0.1)


def show(sample: Sample, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(sample)), flush=True)
        return
    if sample.reconnects == 0:
        print("  ".join(asdict(sample)))
    print("  ".join(str(value).rjust(len(name)) for name, value in asdict(sample).items()))


def grown(samples: list[Sample]) -> list[str]:
    """Say what is more at the end than early on: memory a little may be, the others not at all."""
    first, last = samples[min(1, len(samples) - 1)], samples[-1]
    names = ("tasks", "library_connections", "library_channels", "broker_consumers")
    found = [name for name in names if getattr(last, name) > getattr(first, name)]
    if last.rss_mib > 1.2 * first.rss_mib + 5:
        found.append("rss_mib")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reconnects", type=int, default=1000)
    parser.add_argument("--every", type=int, help="reconnects between two samples")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = parser.parse_args()
    # Every reset is worth a traceback to the library.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    every = asked.every or max(1, asked.reconnects // 20)
    samples, lost = asyncio.run(run(asked.reconnects, every, as_json=asked.json))
    more = grown(samples)
    verdict = {"kind": "summary", "lost": lost, "grown": more}
    print(json.dumps(verdict) if asked.json else f"lost: {lost}, grown: {more or 'nothing'}")
    return 1 if lost or more else 0


if __name__ == "__main__":
    sys.exit(main())
