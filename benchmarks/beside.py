"""What a trainer costs among a thousand, in turn with trainers of a federation of ten.

    python benchmarks/beside.py [--suite masked] [--trainers 1000] [--values 1000000] [--json FILE]

Four federations of `rounds.py` live at the same time and do one round each: the large one and
three of ten trainers. Thirty trainers of the large one and all of the small ones have a process of
their own and come last: when all others have handed in and it is quiet, they begin one at a time,
one of the large federation and one of a small one in turn. So what a machine does at that moment
it does to both. What remains is the trainers' own work, and what a federation's size adds to it.
The ratio of processor time is the median of those of neighbours; its range is a bootstrap's, 95 %.

It says nothing of what a full machine does to a trainer: there, caches and the other half of a
core are shared, and each of a thousand uploads at once is granted fewer chunks at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from machine import description
from round_role import Case
from rounds import Turns, ran, row_of

FEW, SMALL = 10, 3  # trainers of a small federation, small federations
QUIET_S = 1.0


class Side(Turns):
    """Several federations that have one turn together."""

    def __init__(self, turns: Turns) -> None:
        self._turns, self._free = turns, asyncio.Lock()

    def heard(self) -> None:
        self._turns.heard()

    async def next(self) -> None:
        async with self._free:
            await self._turns.next()


async def all_of(large: Case, small: Case) -> list[dict[str, Any]]:
    """Return what was measured of the large federation and of each small one."""
    turns = Turns(QUIET_S)
    side = Side(turns)
    return await asyncio.gather(ran(large, turns), *(ran(small, side) for _ in range(SMALL)))


def trainers_of(run: dict[str, Any]) -> list[float]:
    """Return the CPU ms of each trainer that has a process of its own, in their order."""
    case = Case(**run["case"])
    return [run["processes"][name]["cpu_s"] * 1e3 for name in case.observed()]


def bytes_of(run: dict[str, Any]) -> float:
    """Return the kB that a trainer sent and received."""
    row = row_of(run)
    return float(row["trainer_sent_kb"] + row["trainer_received_kb"])


def compared(large: dict[str, Any], small: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of both kinds, the large one's first, and their ratios."""
    many, few = trainers_of(large), [ms for run in small for ms in trainers_of(run)]
    size_kb = [bytes_of(large), statistics.median(map(bytes_of, small))]
    ratios = np.array(many) / np.array(few)
    drawn = np.random.default_rng(1).choice(ratios, (10_000, len(ratios)))
    return {
        "trainers": [run["case"]["trainers"] for run in (large, small[0])],
        "cpu_ms": [statistics.median(many), statistics.median(few)],
        "cpu_ms_of_each": [many, few],
        "cpu_ratio": float(np.median(ratios)),
        "cpu_ratio_range": np.quantile(np.median(drawn, axis=1), (0.025, 0.975)).tolist(),
        "kb": size_kb,
        "kb_ratio": size_kb[0] / size_kb[1],
        "machine": description(),
    }


def options_of() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="masked")
    parser.add_argument("--trainers", type=int, default=1000)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = options_of()
    same = {"suite": options.suite, "values": options.values}
    large = Case(**same, trainers=options.trainers, apart=FEW * SMALL)
    runs = asyncio.run(all_of(large, Case(**same, trainers=FEW, apart=FEW)))
    found = compared(runs[0], runs[1:])
    many, few = (f"N = {count}" for count in found["trainers"])
    print(f"{options.suite}, d = {options.values:,}: one trainer's contribution")
    print(f"{'':8}{many:>12}{few:>12}{'ratio':>8}")
    for label, values, ratio in (("CPU ms", "cpu_ms", "cpu_ratio"), ("kB", "kb", "kb_ratio")):
        print(f"{label:8}{found[values][0]:12.1f}{found[values][1]:12.1f}{found[ratio]:8.3f}")
    low, high = found["cpu_ratio_range"]
    print(f"the ratio of CPU ms is from {low:.3f} to {high:.3f}, with 95 % confidence")
    for name, one in zip((many, few), found["cpu_ms_of_each"], strict=True):
        print(f"CPU ms of each, {name}: {' '.join(f'{ms:.0f}' for ms in one)}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
