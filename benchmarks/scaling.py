"""What rounds of three sizes took beside what the formulas say: bytes by role, and CPU.

    python benchmarks/scaling.py [--sizes 5x20000 10x100000 20x400000]
        [--suites shamir packed masked] [--rounds 3] [--json FILE]

Whole rounds with the real actors on the memory bus in one process, with journals and spools on a
disk, signatures and sealed boxes: five share-holders, three open a sum, chunks of 256 KiB, no
round but the first counts. A size is trainers x values. Bytes are counted message by message as
the bus takes them, to and from each role, so they are exact; the formulas are those of
`protocols/costs`. CPU is that of the whole process, so of all parties together, and the formulas'
is N trainers', n holders' and the coordinator's. The opened sum must be right, or the run fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from trust_rig import CHUNK_BYTES, HOLDERS, THRESHOLD, Rig, Size, Variant

from infra.heap import settle_heap
from infra.memory_bus import MemoryBus
from infra.memory_queue import Sent
from protocols.costs.choice import Cost, size_text
from protocols.costs.setting import Setting
from protocols.round_config import MaskSet, SumSuite, majority
from protocols.secagg.coordinating import Plan
from protocols.secagg.masked.layout import Layout, chosen
from protocols.trust.sealing import HYBRID

FRACTION_BITS = 8
PACKING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One party's bytes, or the seconds of all, as counted and as the formulas have them."""

    suite: str
    trainers: int
    values: int
    what: str
    counted: float
    formula: float

    @property
    def off(self) -> float:
        """By what part the formula is off."""
        return self.formula / self.counted - 1


class CountingRig(Rig):
    """A federation of one suite that counts bytes to and from each role."""

    def __init__(self, suite: SumSuite, size: Size) -> None:
        super().__init__(Variant(name=suite, signatures=True, sealing=HYBRID), size, None)
        self.suite = suite
        self.bytes: Counter[str] = Counter()
        self._bus = MemoryBus(observer=self._count)

    @property
    def layout(self) -> Layout | None:
        """How values lie under the mask."""
        if self.suite != "masked":
            return None
        largest = (500 + self.size.trainers) * 2**FRACTION_BITS
        return chosen(self.size.trainers, largest)

    def setting(self) -> Setting:
        """Return the same round for the formulas."""
        return Setting(
            suite=self.suite,
            dimension=self.size.values,
            trainers=self.size.trainers,
            holders=HOLDERS,
            threshold=THRESHOLD,
            quorum=majority(HOLDERS),
            field="p31",
            packing=PACKING if self.suite == "packed" else 0,
            layout=self.layout,
            chunk_bytes=CHUNK_BYTES,
            sealing=HYBRID,
        )

    def _plan(self) -> Plan:
        layout = self.layout
        return replace(
            super()._plan(),
            suite=self.suite,
            field="p31",
            fraction_bits=FRACTION_BITS,
            packing=PACKING if self.suite == "packed" else 0,
            parameters="" if layout is None else cast(MaskSet, layout.parameters.name),
            slots=0 if layout is None else layout.slots,
        )

    def _count(self, sent: Sent) -> None:
        before = sum(self.watch.messages.values())
        self.watch.sent(sent)
        if sum(self.watch.messages.values()) == before:
            return  # of the first round, or a state
        self.bytes[f"{self.roster.role(sent.sender)} sends"] += len(sent.body)
        self.bytes[f"{self.roster.role(sent.recipient)} gets"] += len(sent.body)


def measured(suite: SumSuite, trainers: int, values: int, rounds: int) -> list[Figure]:
    """Run a federation, and return what it took in a round beside the formulas."""
    with tempfile.TemporaryDirectory() as folder:
        size = Size(
            trainers=trainers, values=values, field="p31", rounds=rounds + 1, disk=Path(folder)
        )
        rig = CountingRig(suite, size)
        asyncio.run(rig.run())
    cost = Cost.of(rig.setting())
    traffic, effort = cost.traffic, cost.effort
    formulas = {
        "trainer sends": traffic.trainer_up,
        "trainer gets": traffic.trainer_down,
        "holder sends": traffic.holder_out,
        "holder gets": traffic.holder_in,
        "coordinator sends": traffic.coordinator_out,
        "coordinator gets": traffic.coordinator_in,
    }
    of = {"trainer": trainers, "holder": HOLDERS, "coordinator": 1}
    counted = {
        what: rig.bytes[what] / len(rig.watch.cpu_s) / of[what.split()[0]] for what in formulas
    }
    counted["CPU s of all"] = statistics.median(rig.watch.cpu_s)
    formulas_s = {"CPU s of all": effort.total_s(cost.setting)}
    return [
        Figure(
            suite=suite,
            trainers=trainers,
            values=values,
            what=what,
            counted=counted[what],
            formula=formula,
        )
        for what, formula in {**formulas, **formulas_s}.items()
    ]


def show(figure: Figure) -> None:
    """Print a line."""
    text = f"{figure.counted:.3f}", f"{figure.formula:.3f}"
    if "CPU" not in figure.what:
        text = size_text(figure.counted), size_text(figure.formula)
    print(
        f"{figure.suite:8} {figure.trainers:>6} {figure.values:>9,}  {figure.what:18}"
        f"{text[0]:>10} {text[1]:>10} {100 * figure.off:+7.2f} %",
        flush=True,
    )


def size_of(text: str) -> tuple[int, int]:
    """Read trainers x values."""
    trainers, _, values = text.partition("x")
    return int(trainers), int(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [(5, 20_000), (10, 100_000), (20, 400_000)]
    parser.add_argument("--sizes", type=size_of, nargs="+", default=sizes)
    suites = ["shamir", "packed", "masked"]
    parser.add_argument("--suites", nargs="+", choices=suites, default=suites)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    settle_heap(spare=True)
    print(f"{'suite':8} {'N':>6} {'d':>9}  {'':18}{'counted':>10} {'formula':>10} {'off':>9}")
    figures = []
    for suite in options.suites:
        for trainers, values in options.sizes:
            for figure in measured(suite, trainers, values, options.rounds):
                show(figure)
                figures.append(figure)
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))


if __name__ == "__main__":
    main()
