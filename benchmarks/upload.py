"""What a large upload costs a trainer: memory and time.

    python benchmarks/upload.py [--mb 100] [--holders 5] [--trainers 3] [--rounds 2] [--json FILE]

A federation of processes on a private broker sums known vectors; each trainer uploads a share of
`--mb` to each share-holder. Memory is the private memory of a trainer's process (RssAnon; code
comes on top, and is shared), seen twenty times a second: `idle` before the first round, `peak`
at any time later. A trainer holds its vector once, of a share's size, and may hold 64 MiB
besides. From the second round on the model state is as large as the vector. The owner's code
runs in a process of its own and is not counted. All processes share this machine's cores and
disk, so times are upper bounds. MB are 10^6 bytes; exit code 1 says that it was too much memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.casting import cast
from infra.chaos.real_stage import running
from infra.config import load_job
from infra.processes import ProcessFederation, Stage
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.private_node import PrivateNode
from protocols.reports import Event, RoundBegan, RoundComplete

ALLOWED_MIB = 64.0
VALUE_BYTES = 8  # of a share over the larger field, and of a float64
LOOK_S = 0.05

_JOB = """\
    [job]
    name = "upload"
    algorithm = "probe"
    max_rounds = {rounds}

    [probe]
    values = {values}

    [federation]
    broker = "amqp://127.0.0.1:{port}/"
    holders = {holders}
    threshold = {threshold}
    minimum = 3

    [limits]
    patience_s = 120.0
    round_s = 3600.0
    compute_s = 600.0
    """


@dataclass
class Watch:
    """Times of rounds, and private memory of processes before the first and at its largest."""

    began_s: dict[int, float] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    idle_mib: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)

    def emit(self, event: Event) -> None:
        match event:
            case RoundBegan():
                self.began_s[event.number] = time.monotonic()
            case RoundComplete():
                self.took_s.append(time.monotonic() - self.began_s[event.number])
            case _:
                return

    async def look(self, federation: ProcessFederation, names: Iterable[str]) -> None:
        """Look at these processes until cancelled."""
        while True:
            for name in names:
                pid = federation.pid(name)
                if pid is not None:
                    self._note(name, _private_mib(pid))
            await asyncio.sleep(LOOK_S)

    def _note(self, name: str, mib: float) -> None:
        if not self.began_s:
            self.idle_mib[name] = mib
        self.peak_mib[name] = max(mib, self.peak_mib.get(name, 0.0))


@dataclass(frozen=True)
class Figures:
    """One run: bytes, seconds, MiB; memory is that of the trainer which grew most."""

    share_bytes: int
    holders: int
    trainers: int
    round_s: list[float]
    idle_mib: float
    peak_mib: float

    @property
    def besides_mib(self) -> float:
        """What the trainer held besides its vector and what it holds when idle."""
        return self.peak_mib - self.idle_mib - self.share_bytes / 2**20


def _private_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # the process has ended
        return 0.0
    private = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
    return private[0] / 1024 if private else 0.0


async def measured(folder: Path, options: argparse.Namespace) -> Figures:
    """Run the federation and return what it cost."""
    values = int(options.mb * 1e6) // VALUE_BYTES - options.trainers
    owners = [f"site-{number}" for number in range(1, options.trainers + 1)]
    async with PrivateNode(folder / "broker") as node:
        text = textwrap.dedent(_JOB).format(
            rounds=options.rounds,
            values=values,
            port=node.port,
            holders=options.holders,
            threshold=options.holders // 2 + 1,
        )
        file = folder / "job.toml"
        file.write_text(text + "".join(f'\n[[owner]]\nname = "{name}"\n' for name in owners))
        job = load_job(file)
        stage = Stage(job, await cast(job), BrokerAddress.parse(node.url))
        watch = Watch()
        federation = ProcessFederation(stage, folder / "homes", watch)
        async with running(federation) as run:
            looking = asyncio.create_task(watch.look(federation, owners))
            await run
            looking.cancel()
    most = max(owners, key=lambda name: watch.peak_mib[name] - watch.idle_mib[name])
    return Figures(
        share_bytes=(values + options.trainers) * VALUE_BYTES,
        holders=options.holders,
        trainers=options.trainers,
        round_s=[round(seconds, 1) for seconds in watch.took_s],
        idle_mib=round(watch.idle_mib[most], 1),
        peak_mib=round(watch.peak_mib[most], 1),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=100, help="MB of a share to each holder")
    parser.add_argument("--holders", type=int, default=5)
    parser.add_argument("--trainers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), options))
    uploaded = figures.share_bytes * figures.holders * figures.trainers
    for seconds in figures.round_s:
        print(f"{uploaded / 1e6:.0f} MB in a round of {seconds:.1f} s")
    print(
        f"a trainer's private memory: {figures.idle_mib:.0f} MiB idle, {figures.peak_mib:.0f} at "
        f"most, {figures.besides_mib:.0f} besides its vector of {figures.share_bytes / 2**20:.0f}; "
        f"up to {ALLOWED_MIB:.0f} is allowed"
    )
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=2))
    return 1 if figures.besides_mib > ALLOWED_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
