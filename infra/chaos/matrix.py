"""A whole drill on real processes: the stage set up, every cell run, what is left looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.rabbitmq.address import BrokerAddress

from .cells import Cell, Fault, Moment, Party
from .drill import Drill, Patience, Result
from .ledger import Ledger
from .real_stage import RealStage, Remains, beside, real_stage, remains, running
from .spy import Spy

_MARKS = {
    "complete": "sum",
    "abandoned": "none",
    "no sign": "NO SIGN",
    "stuck": "STUCK",
    "unhealed": "UNHEALED",
    "violation": "WRONG",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a drill found."""

    broker: str
    results: tuple[Result, ...]
    violations: tuple[str, ...]
    rounds: dict[str, int]
    remains: Remains
    seconds: float
    skipped: int = 0

    @property
    def passed(self) -> bool:
        """Whether every cell was run and ended as it may, and nothing is left behind."""
        clean = not (self.remains.problems() or self.violations)
        return clean and not self.skipped and all(result.passed for result in self.results)

    def table(self) -> list[tuple[str, ...]]:
        """Return a row for each party and fault, a column for each step, the head first."""
        found = {result.cell: _MARKS[result.outcome] for result in self.results}
        rows = [("", *(moment.value for moment in Moment))]
        for party in Party:
            for fault in Fault:
                cells = [found.get(Cell(party, moment, fault), "") for moment in Moment]
                if any(cells):
                    rows.append((f"{party.value} {fault.value}", *cells))
        return rows


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cells to run, where, and with whose patience."""

    cells: Sequence[Cell]
    folder: Path
    root: Path | None = None
    patience: Patience = field(default_factory=Patience)


async def run_matrix(wanted: Wanted, tell: Callable[[Result], None]) -> Report:
    """Run the cells one after another against one federation; `tell` hears of each."""
    began_s, ledger = time.monotonic(), Ledger()
    async with real_stage(wanted.folder, ledger, root=wanted.root) as stage:
        results = await _results(stage, ledger, wanted, tell)
        left = await remains(stage.node.url, stage.roster, wanted.folder)
        broker = stage.node.version
    return Report(
        broker=broker,
        results=results,
        violations=tuple(ledger.violations),
        rounds=ledger.rounds(),
        remains=left,
        seconds=time.monotonic() - began_s,
        skipped=len(wanted.cells) - len(results),
    )


async def _results(
    stage: RealStage, ledger: Ledger, wanted: Wanted, tell: Callable[[Result], None]
) -> tuple[Result, ...]:
    drill = Drill(stage, ledger, threshold=stage.threshold, patience=wanted.patience)
    address = BrokerAddress.parse(stage.node.url)
    async with running(stage.federation) as run, Spy(address, drill.see):
        return await beside(run, drill.run(wanted.cells, tell))
