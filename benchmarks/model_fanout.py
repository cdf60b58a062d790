"""How fast one model state reaches all trainers over a private broker, and what it costs them.

    python benchmarks/model_fanout.py [--mb 400] [--trainers 20] [--tmp FOLDER] [--json FILE]

Broker, coordinator and every trainer are processes of their own on this machine, so they share
its cores and its disk: rates are lower bounds. All trainers ask before the model is published.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.blobs import RabbitBlobs
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Sizes, Topology
from protocols.round_config import Roster

ALLOWED_MIB = 64
COORDINATOR = "coordinator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run; seconds, bytes, CPU seconds."""

    model_bytes: int
    trainers: int
    publish_s: float
    first_s: float
    last_s: float
    idle_rss: int
    peak_rss: int
    publisher_peak_rss: int
    trainer_cpu_s: float
    broker_cpu_s: float


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="One model state to many trainers.")
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
        figures = asyncio.run(measured(Path(folder), options.mb * 1_000_000, options.trainers))
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    if figures.peak_rss > figures.model_bytes + ALLOWED_MIB * 2**20:
        sys.exit(1)


async def measured(folder: Path, size: int, trainers: int) -> Figures:
    """Run broker, coordinator and trainers once."""
    async with PrivateNode(folder / "broker") as node:
        roster = Roster(federation="bench", coordinator=COORDINATOR, holders=(), trainers=())
        address = BrokerAddress.parse(node.url)
        await declare(address, Topology(roster, Sizes(model_bytes=size)))
        blob = os.urandom(size)
        digest = hashlib.sha256(blob).hexdigest()
        link = RabbitLink(COORDINATOR, address)
        link.start()
        blobs = RabbitBlobs(COORDINATOR, link, folder / COORDINATOR)
        children = [
            await begun({"name": f"t{n}", "url": node.url, "digest": digest, "folder": str(folder)})
            for n in range(trainers)
        ]
        idle = [json.loads(await child.stdout.readline()) for child in children if child.stdout]
        await link.opened()

        broker_cpu = cpu_s(node.pid)
        start = time.monotonic()
        await blobs.publish(blob)
        publish_s = time.monotonic() - start
        ends = [json.loads(await child.stdout.readline()) for child in children if child.stdout]
        broker_cpu = cpu_s(node.pid) - broker_cpu
        await asyncio.gather(*(child.wait() for child in children))
        await blobs.close()
        await link.close()
    return Figures(
        model_bytes=size,
        trainers=trainers,
        publish_s=publish_s,
        first_s=min(end["at"] for end in ends) - start,
        last_s=max(end["at"] for end in ends) - start,
        idle_rss=max(told["peak"] for told in idle),
        peak_rss=max(end["peak"] for end in ends),
        publisher_peak_rss=peak_rss(),
        trainer_cpu_s=sum(end["cpu"] for end in ends) / trainers,
        broker_cpu_s=broker_cpu,
    )


async def begun(task: dict[str, str]) -> asyncio.subprocess.Process:
    """Start one trainer."""
    return await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--as-trainer", json.dumps(task), stdout=subprocess.PIPE
    )


async def trainer(task: dict[str, str]) -> None:
    """Fetch one model state; tell that we wait, then when it is here and at what cost."""
    link = RabbitLink(task["name"], BrokerAddress.parse(task["url"]))
    link.start()
    await link.opened()
    blobs = RabbitBlobs(task["name"], link, Path(task["folder"]) / task["name"])
    print(json.dumps({"peak": peak_rss()}), flush=True)
    await blobs.fetch(bytes.fromhex(task["digest"]))
    at, usage = time.monotonic(), os.times()
    told = {"at": at, "peak": peak_rss(), "cpu": usage.user + usage.system}
    print(json.dumps(told), flush=True)
    await blobs.close()
    await link.close()


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
    each, together = size / figures.publish_s, size * figures.trainers / figures.last_s
    lines = {
        "published in": f"{figures.publish_s:.1f} s, {each / 1e6:.0f} MB/s",
        "first trainer after": f"{figures.first_s:.1f} s",
        "last trainer after": f"{figures.last_s:.1f} s, {together / 1e6:.0f} MB/s for all",
        "CPU of a trainer": f"{figures.trainer_cpu_s:.1f} s",
        "CPU of the broker": f"{figures.broker_cpu_s:.1f} s",
        "trainer before": f"{figures.idle_rss / 2**20:.0f} MiB",
        "trainer's peak": f"{peak / 2**20:.0f} MiB, the model and {(peak - size) / 2**20:.0f} MiB "
        f"of the {ALLOWED_MIB} allowed",
        "publisher's peak": f"{figures.publisher_peak_rss / 2**20:.0f} MiB, model included",
    }
    print(f"{size / 1e6:.0f} MB to {figures.trainers} trainers, {os.cpu_count()} cores")
    for name, value in lines.items():
        print(f"  {name:20} {value}")


if __name__ == "__main__":
    main()
