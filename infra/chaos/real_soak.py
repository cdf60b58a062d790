"""A whole soak on real processes: set up, run, and everything looked at that is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.rabbitmq.management import Management
from infra.rabbitmq.provisioning import Provisioning, State
from infra.rabbitmq.topology import Topology

from .blows import Rules, blows
from .census import BROKER, BrokerReading, Reading, count_open, read_broker, read_processes
from .drift import Drift, Limits
from .ledger import Ledger
from .real_stage import RealStage, Remains, beside, real_stage, remains, running
from .soak import Findings, Pace, Progress, Soak

Seen = tuple[list[Reading], BrokerReading | None]

_KINDS = ("queues", "exchanges", "bindings")  # accounts are the drill's own


@dataclass(frozen=True, slots=True)
class Wanted:
    """How long to soak, with which schedule, where."""

    pace: Pace
    seed: int
    folder: Path
    root: Path | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Report:
    """What a soak found; `problems` holds everything that makes it a failure."""

    broker: str
    seed: int
    rounds: dict[str, int]
    findings: Findings
    drifts: tuple[Drift, ...]
    spared: tuple[str, ...]
    remains: Remains
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


async def run_soak(wanted: Wanted, tell: Callable[[Progress], None]) -> Report:
    """Soak one federation; `tell` hears from time to time how it stands."""
    ledger, pace = Ledger(), wanted.pace
    async with real_stage(wanted.folder, ledger, root=wanted.root, management=True) as stage:
        rules = _rules(stage)
        samples = wanted.folder / "samples.jsonl"
        soak = Soak(
            stage,
            ledger,
            pace,
            look=lambda at_s: _kept(samples, _look(stage, at_s)),
            count=lambda: count_open(stage.node),
        )
        async with running(stage.federation) as run:
            findings = await beside(run, soak.run(blows(wanted.seed, rules), tell))
        orphans = await asyncio.to_thread(_orphans, stage)
        left = await remains(stage.node.url, stage.roster, wanted.folder)
        broker = stage.node.version
    problems = [
        *ledger.violations,
        *(f"ended by itself: {crash}" for crash in ledger.crashes),
        *findings.problems(pace, wanted.limits),
        *orphans,
        *left.problems(),
    ]
    if not findings.strikes:
        problems.append("nobody was hurt: let it run longer")
    return Report(
        broker=broker,
        seed=wanted.seed,
        rounds=ledger.rounds(),
        findings=findings,
        drifts=findings.drifts(pace),
        spared=rules.spared,
        remains=left,
        problems=tuple(problems),
    )


def _rules(stage: RealStage) -> Rules:
    roster, plan = stage.roster, stage.federation.casting.assignment.plan
    return Rules(
        roster,
        spared=(roster.trainers[0], roster.holders[0]),
        holders=len(roster.holders) - plan.threshold,
        trainers=len(roster.trainers) - plan.minimum,
    )


async def _kept(file: Path, look: Coroutine[None, None, Seen]) -> Seen:
    """Append what is seen to a file, for people who want to see a curve."""
    readings, broker = await look
    lines = [asdict(reading) for reading in readings] + ([asdict(broker)] if broker else [])
    with file.open("a") as samples:
        samples.writelines(json.dumps(line) + "\n" for line in lines)
    return readings, broker


async def _look(stage: RealStage, at_s: float) -> Seen:
    roster, federation = stage.roster, stage.federation
    names = (roster.coordinator, *roster.holders, *roster.trainers)
    pids = {name: pid for name in names if (pid := federation.pid(name)) is not None}
    readings = read_processes(pids, at_s)
    if not stage.node.runs:
        return readings, None
    # The broker's own helpers are no workers of ours.
    readings += [one for one in read_processes({BROKER: stage.node.pid}, at_s) if one.who == BROKER]
    return readings, await read_broker(stage.node, at_s)


def _orphans(stage: RealStage) -> list[str]:
    """Return what is on the broker and belongs to nobody."""
    api = Management(f"http://127.0.0.1:{stage.node.management_port}", "guest", "guest")
    found = Provisioning(api, Topology(stage.roster), "/").differences()
    return [
        f"left on the broker: {one.name}"
        for one in found
        if one.state is State.ORPHAN and one.section in _KINDS
    ]
