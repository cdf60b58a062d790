"""How fast one model state reaches all trainers, and what it costs them.

    python benchmarks/model_fanout.py [--way stream|http|https] [--mb 400] [--trainers 20]
        [--tmp FOLDER] [--json FILE]

`stream` goes over a private broker; with `http` and `https` the trainers pull from the
coordinator, whose process is then the server, too. Broker, coordinator and every trainer are
processes of their own on this machine, so they share its cores and its disk: rates are lower
bounds. All trainers ask before the model is published; one that pulls asks again
after one second and a random time that grows.
A trainer's peak memory is the kernel's figure for its whole life (VmHWM); it holds the model
once, and may hold 64 MiB besides. MB are 10^6 bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actors.ports import Blobs
from infra.heap import settle_heap
from infra.http_blobs import (
    BlobServer,
    PullBlobs,
    Pulling,
    PullPolicy,
    ServedFolder,
    Serving,
)
from infra.rabbitmq.address import BrokerAddress, Tls
from infra.rabbitmq.blobs import RabbitBlobs
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Sizes, Topology
from protocols.pieces import Pieces
from protocols.round_config import Roster

ALLOWED_MIB = 64
COORDINATOR = "coordinator"
TOKEN = "a-token-of-the-benchmark"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run; seconds, bytes, CPU seconds."""

    way: str
    model_bytes: int
    trainers: int
    publish_s: float
    first_s: float
    last_s: float
    idle_rss: int
    peak_rss: int
    publisher_peak_rss: int
    trainer_cpu_s: float
    server_cpu_s: float


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="One model state to many trainers.")
    parser.add_argument("--way", choices=["stream", "http", "https"], default="stream")
    parser.add_argument("--mb", type=int, default=400)
    parser.add_argument("--trainers", type=int, default=20)
    parser.add_argument("--tmp", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--as-trainer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_trainer:
        asyncio.run(trainer(json.loads(options.as_trainer)))
        return

    with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
        run = Run(options.way, Path(folder), options.mb * 1_000_000, options.trainers)
        figures = asyncio.run(measured(run))
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if figures.peak_rss > figures.model_bytes + ALLOWED_MIB * 2**20:
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class Run:
    """What is measured, and where its files go."""

    way: str
    folder: Path
    size: int
    trainers: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the coordinator publishes, which process does the work, and where trainers look."""

    blobs: Blobs
    server: int
    url: str


async def measured(run: Run) -> Figures:
    """Publish to all trainers once."""
    way = streaming(run) if run.way == "stream" else serving(run)
    async with way as place:
        blob = os.urandom(run.size)
        task = {"way": run.way, "url": place.url, "folder": str(run.folder), "size": run.size}
        task["digest"] = hashlib.sha256(blob).hexdigest()
        children = [await begun({"name": f"t{n}", **task}) for n in range(run.trainers)]
        idle = [json.loads(await child.stdout.readline()) for child in children if child.stdout]

        server_cpu = cpu_s(place.server)
        start = time.monotonic()
        await place.blobs.publish(Pieces.of(blob))
        publish_s = time.monotonic() - start
        ends = [json.loads(await child.stdout.readline()) for child in children if child.stdout]
        server_cpu = cpu_s(place.server) - server_cpu
        await asyncio.gather(*(child.wait() for child in children))
    return Figures(
        way=run.way,
        model_bytes=run.size,
        trainers=run.trainers,
        publish_s=publish_s,
        first_s=min(end["at"] for end in ends) - start,
        last_s=max(end["at"] for end in ends) - start,
        idle_rss=max(told["peak"] for told in idle),
        peak_rss=max(end["peak"] for end in ends),
        publisher_peak_rss=peak_rss(),
        trainer_cpu_s=sum(end["cpu"] for end in ends) / run.trainers,
        server_cpu_s=server_cpu,
    )


@asynccontextmanager
async def streaming(run: Run) -> AsyncIterator[Place]:
    """Give a private broker."""
    async with PrivateNode(run.folder / "broker") as node:
        roster = Roster(federation="bench", coordinator=COORDINATOR, holders=(), trainers=())
        address = BrokerAddress.parse(node.url)
        await declare(address, Topology(roster, Sizes(model_bytes=run.size)))
        link = RabbitLink(COORDINATOR, address)
        link.start()
        await link.opened()
        blobs = RabbitBlobs(COORDINATOR, link, run.folder / COORDINATOR)
        yield Place(blobs, node.pid, node.url)
        await blobs.close()
        await link.close()


@asynccontextmanager
async def serving(run: Run) -> AsyncIterator[Place]:
    """Serve from this process."""
    tls = None
    if run.way == "https":
        from infra.tls_material import TlsFolder  # noqa: PLC0415  # trainers need none of it

        TlsFolder(run.folder, now=datetime.now(UTC)).issue(["127.0.0.1"], [])
        tls = Tls(cert_file=run.folder / "server.pem", key_file=run.folder / "server.key")
    folder = ServedFolder(run.folder / "served")
    server = BlobServer(folder, Serving.parse("127.0.0.1:0", token=TOKEN, tls=tls))
    server.start()
    policy = PullPolicy(limit_bytes=run.size)
    blobs = PullBlobs(COORDINATOR, run.folder, Pulling(urls=()), policy, served=folder)
    yield Place(blobs, os.getpid(), str(server.url))
    await blobs.close()
    server.close()


async def begun(task: dict[str, Any]) -> asyncio.subprocess.Process:
    """Start one trainer."""
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--as-trainer", json.dumps(task), stdout=subprocess.PIPE
    )


async def trainer(task: dict[str, Any]) -> None:
    """Fetch one model state; tell that we wait, then when it is here and at what cost."""
    settle_heap(spare=True)  # as a trainer's process does
    async with listening(task) as blobs:
        print(json.dumps({"peak": peak_rss()}), flush=True)
        await blobs.fetch(bytes.fromhex(task["digest"]))
        at, usage = time.monotonic(), os.times()
        told = {"at": at, "peak": peak_rss(), "cpu": usage.user + usage.system}
        print(json.dumps(told), flush=True)


@asynccontextmanager
async def listening(task: dict[str, Any]) -> AsyncIterator[Blobs]:
    """Give a trainer's blobs."""
    folder = Path(task["folder"])
    if task["way"] == "stream":
        link = RabbitLink(task["name"], BrokerAddress.parse(task["url"]))
        link.start()
        await link.opened()
        streamed = RabbitBlobs(task["name"], link, folder / task["name"])
        yield streamed
        await streamed.close()
        await link.close()
        return
    tls = Tls(folder / "ca.pem") if task["way"] == "https" else None
    ways = Pulling.parse([task["url"]], token=TOKEN, tls=tls)
    policy = PullPolicy(limit_bytes=task["size"])
    pulled = PullBlobs(task["name"], folder / task["name"], ways, policy)
    yield pulled
    await pulled.close()


def peak_rss() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel tells no VmHWM: this benchmark needs Linux")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(figures: Figures) -> None:
    """Print what was measured."""
    size, peak = figures.model_bytes, figures.peak_rss
    server = "broker" if figures.way == "stream" else "server"
    each, together = size / figures.publish_s, size * figures.trainers / figures.last_s
    lines = {
        "published in": f"{figures.publish_s:.1f} s, {each / 1e6:.0f} MB/s",
        "first trainer after": f"{figures.first_s:.1f} s",
        "last trainer after": f"{figures.last_s:.1f} s, {together / 1e6:.0f} MB/s for all",
        "CPU of a trainer": f"{figures.trainer_cpu_s:.1f} s",
        f"CPU of the {server}": f"{figures.server_cpu_s:.1f} s",
        "trainer before": f"{figures.idle_rss / 2**20:.0f} MiB",
        "trainer's peak": f"{peak / 2**20:.0f} MiB, the model and {(peak - size) / 2**20:.0f} MiB "
        f"of the {ALLOWED_MIB} allowed",
        "publisher's peak": f"{figures.publisher_peak_rss / 2**20:.0f} MiB, model included",
    }
    print(
        f"{size / 1e6:.0f} MB to {figures.trainers} trainers, {figures.way}, {os.cpu_count()} cores"
    )
    for name, value in lines.items():
        print(f"  {name:20} {value}")


if __name__ == "__main__":
    main()
