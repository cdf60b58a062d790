"""How much payload goes through our transport, beside bare aio-pika on the same broker.

    python benchmarks/transport.py [--chunk-kb 1024] [--mb 512] [--repeats 5] [--ways WAY ...]
        [--json FILE]

A private RabbitMQ, a sender and a receiver process, one classic durable queue with the bounds of
a share-holder's, 8 chunks in flight, persistent and confirmed. Each way does what the one before
it does, and one thing more:

* `bare`: aio-pika publishes the chunk, the other side acknowledges each message;
* `link`: the same over our supervised link;
* `messages`: the chunk is a message to a share-holder, the same actor as in a federation, which
  reads it, decides on it and grants the next ones;
* `hashed`: it looks through the payload, hashes it, and in the end compares the share with its
  announced digest;
* `durable`: it acknowledges a chunk when that is on its disk (fsync, in groups);
* `signed`: messages and headers are signed and checked. That is all that a transport owes:
  confirms, chunks, acknowledgements of what is durable, hashing;
* `ours`: chunks travel in sealed boxes besides, which only their holder can open. That is how
  shares do travel.

`not-durable` is `ours` without the spool, to tell the disk's part in another way.

The rate is that of the receiver, from its first message to its last acknowledgement or, for ours,
until the whole share is checked. CPU time is that of a process from its first message on; the
broker's is that of the whole run. The ways are measured in turn in the same run; a share is the
median over the turns of a way's rate over the bare one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import aio_pika
from transport_share import (
    PREFETCH,
    RECEIVER,
    ROSTER,
    SENDER,
    Keeper,
    Load,
    Meter,
    Parts,
    Writer,
    load_of,
    open_round,
    ports_of,
)

from actors.ports import Lane
from infra.heap import settle_heap
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Topology, queue_name
from infra.rabbitmq.transport import RabbitTransport
from protocols.messages import ShareChunk

IN_FLIGHT = 8


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

        async def send(_: int) -> None:
            message = aio_pika.Message(load.payload, delivery_mode=2)
            await channel.default_exchange.publish(message, queue_name(RECEIVER, Lane.BULK))

        await in_flight(send, load.count)


async def bare_receiver(load: Load) -> Meter:
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
    return meter


async def link_sender(load: Load) -> None:
    settle_heap(spare=True)
    link = RabbitLink(SENDER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(SENDER, link, lanes=())
    link.start()

    async def send(_: int) -> None:
        await transport.send(RECEIVER, load.payload, lane=Lane.BULK)

    await in_flight(send, load.count)
    await transport.close()


async def link_receiver(load: Load) -> Meter:
    settle_heap(spare=True)
    link = RabbitLink(RECEIVER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(RECEIVER, link, prefetch=PREFETCH, lanes=(Lane.BULK,))
    link.start()
    meter = Meter(load)
    async for delivery in transport.deliveries():
        meter.arrived()
        await delivery.ack()
        meter.acknowledged()
        if meter.done.is_set():
            break
    await transport.close()
    return meter


async def our_sender(load: Load) -> None:
    settle_heap(spare=True)  # as a trainer's process does
    link = RabbitLink(SENDER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(SENDER, link, lanes=(Lane.CONTROL,))
    writer = Writer(load.parts)
    link.start()
    header = load.header

    async def send(number: int) -> None:
        chunk = ShareChunk(header=header, index=number, payload=load.payload)
        await transport.send(RECEIVER, await writer.written(chunk), lane=Lane.BULK)

    async def hear() -> None:
        async for delivery in transport.deliveries():  # what it is granted, and more
            await delivery.ack()

    hearing = asyncio.create_task(hear())
    await in_flight(send, load.count)
    await transport.close()
    await hearing


async def our_receiver(load: Load) -> Meter:
    settle_heap(spare=True)  # as a share-holder's process does
    meter = Meter(load)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=load.folder)))
        ports = await ports_of(load, folder, stack)
        await ports.journal.commit(open_round(load.config))
        keeper = Keeper(ports, meter, load.parts)
        keeping = asyncio.create_task(keeper.run())
        done = asyncio.create_task(meter.done.wait())
        await asyncio.wait([keeping, done], return_when=asyncio.FIRST_COMPLETED)
        keeper.stop()
        await keeping
    return meter


Sender = Callable[[Load], Coroutine[Any, Any, None]]
Receiver = Callable[[Load], Coroutine[Any, Any, Meter]]

BARE = "bare"
WAYS: dict[str, tuple[Sender, Receiver, Parts]] = {
    BARE: (bare_sender, bare_receiver, Parts()),
    "link": (link_sender, link_receiver, Parts()),
    "messages": (our_sender, our_receiver, Parts(False, False, False, False)),
    "hashed": (our_sender, our_receiver, Parts(True, False, False, False)),
    "durable": (our_sender, our_receiver, Parts(True, True, False, False)),
    "signed": (our_sender, our_receiver, Parts(True, True, True, False)),
    "ours": (our_sender, our_receiver, Parts()),
    "not-durable": (our_sender, our_receiver, Parts(durable=False)),
}
USUAL = (BARE, "signed", "ours")


@dataclass(frozen=True)
class Run:
    """One run of one way: bytes per second, and CPU seconds of each process."""

    rate: float
    sender_s: float
    receiver_s: float
    broker_s: float


def _send(sender: Sender, load: Load, tell: Connection) -> None:
    began_s = time.process_time()
    asyncio.run(sender(load))
    tell.send(time.process_time() - began_s)


def _receive(receiver: Receiver, load: Load, tell: Connection) -> None:
    meter = asyncio.run(receiver(load))
    tell.send((meter.rate, meter.cpu_s))


def run(way: str, load: Load, broker: int) -> Run:
    """Send it all once, through the broker with this process id."""
    sender, receiver, parts = WAYS[way]
    load = replace(load, parts=parts)
    context = multiprocessing.get_context("spawn")
    (heard_sent, tell_sent), (heard, tell) = context.Pipe(False), context.Pipe(False)
    taking = context.Process(target=_receive, args=(receiver, load, tell))
    sending = context.Process(target=_send, args=(sender, load, tell_sent))
    began_s = cpu_s(broker)
    taking.start()
    sending.start()
    sending.join()
    taking.join()
    if sending.exitcode or taking.exitcode:
        raise SystemExit(f"a process failed: {sending.exitcode}, {taking.exitcode}")
    rate, receiver_s = heard.recv()
    return Run(rate, heard_sent.recv(), receiver_s, cpu_s(broker) - began_s)


def cpu_s(pid: int) -> float:
    """Return how much CPU time a process has used so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One way, medians: bytes per second, its share of the bare rate, CPU seconds per GiB."""

    way: str
    bytes_per_s: float
    of_bare: float
    sender_s: float
    receiver_s: float
    broker_s: float


@dataclass(frozen=True)
class Plan:
    """What is measured: chunks of so many bytes, how many of them, how often, in which ways."""

    size: int
    count: int
    repeats: int
    ways: Sequence[str]


async def measured(folder: Path, plan: Plan) -> list[Figure]:
    """Measure the ways in turn on a broker of our own."""
    async with PrivateNode(folder / "broker") as node:
        await declare(BrokerAddress.parse(node.url), Topology(ROSTER))
        load = load_of(node.url, folder, plan.size, plan.count)
        found: dict[str, list[Run]] = {way: [] for way in plan.ways}
        for _ in range(plan.repeats):
            for way, runs in found.items():
                runs.append(await asyncio.to_thread(run, way, load, node.pid))
                of_bare = runs[-1].rate / found[BARE][-1].rate
                print(f"  {way}: {runs[-1].rate / 1e6:.0f} MB/s, {of_bare:.2f}", file=sys.stderr)
    size = plan.size * plan.count
    return [figure(way, runs, found[BARE], size) for way, runs in found.items()]


def figure(way: str, runs: Sequence[Run], bare: Sequence[Run], size: int) -> Figure:
    """Sum up the runs of a way, each beside the bare one of its turn, with `size` bytes in each."""
    gib = size / 2**30
    return Figure(
        way,
        median(run.rate for run in runs),
        median(run.rate / beside.rate for run, beside in zip(runs, bare, strict=True)),
        median(run.sender_s / gib for run in runs),
        median(run.receiver_s / gib for run in runs),
        median(run.broker_s / gib for run in runs),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunk-kb", type=int, default=1024, help="KiB of payload in a message")
    parser.add_argument("--mb", type=int, default=512, help="MiB in all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=[*WAYS, "all"], default=USUAL)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    size = options.chunk_kb * 1024
    count = options.mb * 2**20 // size
    wanted = set(WAYS if "all" in options.ways else options.ways) | {BARE}
    plan = Plan(size, count, options.repeats, [way for way in WAYS if way in wanted])
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), plan))
    print(f"{count} chunks of {options.chunk_kb} KiB, {IN_FLIGHT} in flight")
    for found in figures:
        print(
            f"{found.way:12} {found.bytes_per_s / 1e6:7.0f} MB/s {found.of_bare:6.2f} of bare; "
            f"CPU s per GiB: sender {found.sender_s:.2f}, receiver {found.receiver_s:.2f}, "
            f"broker {found.broker_s:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))


if __name__ == "__main__":
    main()
