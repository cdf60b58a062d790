"""How much payload goes through our transport, beside bare aio-pika on the same broker.

    python benchmarks/transport.py [--chunk-kb 1024] [--mb 512] [--repeats 5] [--json FILE]

A private RabbitMQ, a sender and a receiver process, one classic durable queue with the bounds of
a share-holder's, 8 chunks in flight, persistent and confirmed:

* bare: aio-pika publishes the chunk, the other side acknowledges each message;
* ours: the chunk travels in a sealed message through the supervised link to a share-holder, the
  same actor as in a federation, with its journal and spool: it opens and checks the message, looks
  through the payload and hashes it, writes it to disk (fsync, in groups), acknowledges, grants the
  next chunks, and in the end compares the share with its announced digest.

The rate is that of the receiver, from its first message to its last acknowledgement or, for ours,
until the whole share is checked. CPU time is that of a process from its first message on; the
broker's is that of the whole run. The ways are measured in turn in the same run; a share is the
median over the turns of ours over bare. `ours, not durable` leaves out the spool, to tell the
disk's part from the rest.
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
    in_a_box,
    load_of,
    open_round,
    ports_of,
    signed,
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


async def our_sender(load: Load) -> None:
    link = RabbitLink(SENDER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(SENDER, link, lanes=(Lane.CONTROL,))
    link.start()
    header = load.header

    async def send(number: int) -> None:
        body = signed(in_a_box(ShareChunk(header=header, index=number, payload=load.payload)))
        await transport.send(RECEIVER, body, lane=Lane.BULK)

    async def hear() -> None:
        async for delivery in transport.deliveries():  # what it is granted, and more
            await delivery.ack()

    hearing = asyncio.create_task(hear())
    await in_flight(send, load.count)
    await transport.close()
    await hearing


async def our_receiver(load: Load) -> Meter:
    settle_heap(keep=True)  # as a share-holder's process does
    meter = Meter(load)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=load.folder)))
        ports = await ports_of(load, folder, stack)
        await ports.journal.commit(open_round(load.config))
        keeper = Keeper(ports, meter)
        keeping = asyncio.create_task(keeper.run())
        done = asyncio.create_task(meter.done.wait())
        await asyncio.wait([keeping, done], return_when=asyncio.FIRST_COMPLETED)
        keeper.stop()
        await keeping
    return meter


Sender = Callable[[Load], Coroutine[Any, Any, None]]
Receiver = Callable[[Load], Coroutine[Any, Any, Meter]]

WAYS: dict[str, tuple[Sender, Receiver, bool]] = {
    "bare aio-pika": (bare_sender, bare_receiver, False),
    "ours": (our_sender, our_receiver, True),
    "ours, not durable": (our_sender, our_receiver, False),
}


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
    sender, receiver, durable = WAYS[way]
    load = replace(load, durable=durable)
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


async def measured(folder: Path, size: int, count: int, repeats: int) -> list[Figure]:
    """Measure all ways in turn on a broker of our own."""
    async with PrivateNode(folder / "broker") as node:
        await declare(BrokerAddress.parse(node.url), Topology(ROSTER))
        load = load_of(node.url, folder, size, count)
        found: dict[str, list[Run]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way, runs in found.items():
                runs.append(await asyncio.to_thread(run, way, load, node.pid))
                of_bare = runs[-1].rate / found["bare aio-pika"][-1].rate
                print(f"  {way}: {runs[-1].rate / 1e6:.0f} MB/s, {of_bare:.2f}", file=sys.stderr)
    return [figure(way, runs, found["bare aio-pika"], size * count) for way, runs in found.items()]


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
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    size = options.chunk_kb * 1024
    count = options.mb * 2**20 // size
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), size, count, options.repeats))
    print(f"{count} chunks of {options.chunk_kb} KiB, {IN_FLIGHT} in flight")
    for found in figures:
        print(
            f"{found.way:20} {found.bytes_per_s / 1e6:7.0f} MB/s {found.of_bare:6.2f} of bare; "
            f"CPU s per GiB: sender {found.sender_s:.2f}, receiver {found.receiver_s:.2f}, "
            f"broker {found.broker_s:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))


if __name__ == "__main__":
    main()
