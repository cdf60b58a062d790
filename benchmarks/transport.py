"""How much payload goes through our transport, beside bare aio-pika on the same broker.

    python benchmarks/transport.py [--chunk-kb 1024] [--mb 512] [--repeats 5] [--json FILE]

A private RabbitMQ, a sender and a receiver process, one classic durable queue with the bounds of
a share-holder's, 8 chunks in flight, persistent and confirmed:

* bare: aio-pika publishes the chunk, the other side acknowledges each message;
* ours: the chunk travels in a sealed message through the supervised link; the receiver opens and
  checks the message, hashes the payload, writes it to its spool on disk (fsync, in groups) and
  then acknowledges. This is what a share does on its way.

The rate is that of the receiver, from its first message to its last acknowledgement. The ways are
measured in turn in the same run; a share is the median over the turns of ours over bare.
`ours, not durable` leaves out the spool, to tell the disk's part from the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aio_pika

from actors.ports import Delivery, Lane
from infra.file_spool import FileSpool
from infra.heap import settle_heap
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Topology, queue_name
from infra.rabbitmq.transport import RabbitTransport
from protocols.codec import seal
from protocols.messages import ContributionHeader, ShareChunk, read
from protocols.round_config import Roster

SENDER, RECEIVER = "ann", "holder-1"
ROSTER = Roster(
    federation="rate",
    coordinator="coordinator",
    holders=("holder-1", "holder-2", "holder-3"),
    trainers=("ann", "bob", "cid"),
)
IN_FLIGHT = 8
PREFETCH = 32


@dataclass(frozen=True)
class Load:
    """What is sent: `count` chunks of `size` bytes, to the broker at `url`."""

    url: str
    size: int
    count: int
    folder: Path
    durable: bool


class Meter:
    """Counts at the receiver; `rate` is in bytes per second."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._seen = 0
        self._began_s = 0.0
        self.rate = 0.0
        self.done = asyncio.Event()

    def arrived(self) -> None:
        self._began_s = self._began_s or time.perf_counter()

    def acknowledged(self) -> None:
        self._seen += 1
        if self._seen == self._load.count:
            took_s = time.perf_counter() - self._began_s
            self.rate = self._load.size * self._load.count / took_s
            self.done.set()


async def in_flight(send: Callable[[int], Coroutine[Any, Any, None]], count: int) -> None:
    """Send all with so many under way."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await send(number)

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))


async def bare_sender(load: Load) -> None:
    async with await aio_pika.connect(load.url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        payload = os.urandom(load.size)

        async def send(_: int) -> None:
            message = aio_pika.Message(payload, delivery_mode=2)
            await channel.default_exchange.publish(message, queue_name(RECEIVER, Lane.BULK))

        await in_flight(send, load.count)


async def bare_receiver(load: Load) -> float:
    async with await aio_pika.connect(load.url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.get_queue(queue_name(RECEIVER, Lane.BULK), ensure=False)
        meter = Meter(load)

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            meter.arrived()
            await message.ack()
            meter.acknowledged()

        await queue.consume(take)
        await meter.done.wait()
    return meter.rate


async def our_sender(load: Load) -> None:
    link = RabbitLink(SENDER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(SENDER, link, lanes=())
    link.start()
    payload = os.urandom(load.size)
    header = ContributionHeader(
        cid=bytes(32),
        trainer=SENDER,
        share_bytes=load.size * load.count,
        share_digests=(bytes(32),),
    )

    async def send(number: int) -> None:
        body = seal(SENDER, ShareChunk(header=header, index=number, payload=payload))
        await transport.send(RECEIVER, body, lane=Lane.BULK)

    await in_flight(send, load.count)
    await transport.close()


async def our_receiver(load: Load) -> float:
    settle_heap(keep=True)  # as a share-holder's process does
    link = RabbitLink(RECEIVER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(RECEIVER, link, prefetch=PREFETCH, lanes=(Lane.BULK,))
    link.start()
    spool = FileSpool(load.folder / "spool")
    meter = Meter(load)

    async def keep(delivery: Delivery) -> None:
        _, message = read(delivery.body)
        if not isinstance(message, ShareChunk):
            raise TypeError(type(message))
        if load.durable:
            await spool.put("share", message.index, message.payload)
        await asyncio.to_thread(hashlib.sha256, message.payload)
        await delivery.ack()
        meter.acknowledged()

    async def keep_all() -> None:
        async with asyncio.TaskGroup() as keeping:  # no more than the prefetch at a time
            async for delivery in transport.deliveries():
                meter.arrived()
                keeping.create_task(keep(delivery))

    keeping = asyncio.create_task(keep_all())
    await meter.done.wait()
    await transport.close()
    await keeping
    await spool.erase("share")
    await spool.close()
    return meter.rate


Sender = Callable[[Load], Coroutine[Any, Any, None]]
Receiver = Callable[[Load], Coroutine[Any, Any, float]]

WAYS: dict[str, tuple[Sender, Receiver, bool]] = {
    "bare aio-pika": (bare_sender, bare_receiver, False),
    "ours": (our_sender, our_receiver, True),
    "ours, not durable": (our_sender, our_receiver, False),
}


def _send(sender: Sender, load: Load) -> None:
    asyncio.run(sender(load))


def _receive(receiver: Receiver, load: Load, tell: Connection) -> None:
    tell.send(asyncio.run(receiver(load)))


def rate(way: str, load: Load) -> float:
    """Return bytes per second of one way."""
    sender, receiver, durable = WAYS[way]
    load = replace(load, durable=durable)
    context = multiprocessing.get_context("spawn")
    heard, tell = context.Pipe(duplex=False)
    taking = context.Process(target=_receive, args=(receiver, load, tell))
    sending = context.Process(target=_send, args=(sender, load))
    taking.start()
    sending.start()
    sending.join()
    taking.join()
    if sending.exitcode or taking.exitcode:
        raise SystemExit(f"a process failed: {sending.exitcode}, {taking.exitcode}")
    return float(heard.recv())


@dataclass(frozen=True)
class Figure:
    """One way: median bytes per second, and the median of its share of the bare rate."""

    way: str
    bytes_per_s: float
    of_bare: float


async def measured(folder: Path, size: int, count: int, repeats: int) -> list[Figure]:
    """Measure all ways in turn on a broker of our own."""
    async with PrivateNode(folder / "broker") as node:
        await declare(BrokerAddress.parse(node.url), Topology(ROSTER))
        load = Load(node.url, size, count, folder, durable=True)
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way, rates in found.items():
                rates.append(await asyncio.to_thread(rate, way, load))
                print(f"  {way}: {rates[-1] / 1e6:.0f} MB/s", file=sys.stderr)
    bare = found["bare aio-pika"]
    return [
        Figure(
            way,
            statistics.median(rates),
            statistics.median(a / b for a, b in zip(rates, bare, strict=True)),
        )
        for way, rates in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunk-kb", type=int, default=1024, help="KiB of payload in a message")
    parser.add_argument("--mb", type=int, default=512, help="MiB in all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    size = options.chunk_kb * 1024
    count = options.mb * 2**20 // size
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), size, count, options.repeats))
    print(f"{count} chunks of {options.chunk_kb} KiB, {IN_FLIGHT} in flight")
    for figure in figures:
        print(f"{figure.way:20} {figure.bytes_per_s / 1e6:7.0f} MB/s {figure.of_bare:6.2f} of bare")
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))


if __name__ == "__main__":
    main()
