"""What it costs to trust nobody: whole rounds with and without signatures, boxes and decoding.

    python benchmarks/cost_of_trust.py [--trainers 100] [--values 100000] [--field p31]
        [--passes 2] [--rounds 3] [--memory] [--only bare all] [--json FILE]

A coordinator, five share-holders of whom three open a sum, and their trainers run in this
process on the memory bus, with journals and spools on the disk, or with --memory without: then
the bare round is as bare as can be. Every sum is compared with the right one, or the run fails.
What is left out is left out whole: without signatures no message is hashed for one, without
boxes no key is looked at. Decoding is to tell false answers from true ones, one holder being
allowed to lie, and to wait for five answers in place of three.

A figure is the processor time of all threads from the end of one round to the end of the next;
the first round of a run is not counted. The variants take turns, `passes` times, and the ratio is
that of the medians, so that neighbours on a busy machine change both sides alike. The parts are
those of one more run with all of it: processor time on the thread that does the work. Bytes are
those that a role hands to the bus in a round. What training takes is no part of any of this.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from machine import description
from trust_ports import Meter
from trust_rig import Rig, Size, Variant

from infra.heap import settle_heap
from protocols.trust.sealing import CLASSICAL, suites

BEST = suites()[0]
VARIANTS = (
    Variant(name="bare"),
    Variant(name="signatures", signatures=True),
    Variant(name="x25519", sealing=CLASSICAL),
    Variant(name="best", sealing=BEST),
    Variant(name="decoding", faults=1),
    Variant(name="all", signatures=True, sealing=BEST, faults=1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One variant; bytes and messages of one round, by role."""

    variant: str
    cpu_s: float
    ratio: float
    rounds_s: list[float]
    sent_bytes: dict[str, int]
    messages: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one kind of work takes in a round with all of it."""

    part: str
    cpu_s: float
    calls: float


def ran(variant: Variant, options: argparse.Namespace, meter: Meter | None = None) -> Rig:
    """Run a federation and return it."""
    with tempfile.TemporaryDirectory() as folder:
        size = Size(
            trainers=options.trainers,
            values=options.values,
            field=options.field,
            rounds=options.rounds,
            disk=None if options.memory else Path(folder),
        )
        rig = Rig(variant, size, meter)
        asyncio.run(rig.run())
    return rig


def figures_of(rigs: dict[str, list[Rig]]) -> list[Figure]:
    """Return the medians of what was measured; the first is what the others are compared with."""
    figures: list[Figure] = []
    for name, runs in rigs.items():
        rounds = [seconds for rig in runs for seconds in rig.watch.cpu_s]
        cpu_s = statistics.median(rounds)
        watch = runs[0].watch
        count = len(watch.cpu_s)
        figures.append(
            Figure(
                variant=name,
                cpu_s=cpu_s,
                ratio=cpu_s / figures[0].cpu_s if figures else 1.0,
                rounds_s=rounds,
                sent_bytes={role: sent // count for role, sent in watch.sent_bytes.items()},
                messages={role: sent / count for role, sent in watch.messages.items()},
            )
        )
    return figures


def parts_of(rig: Rig) -> list[Part]:
    """Return the parts of a round, the largest first, and what is left."""
    count = len(rig.watch.cpu_s)
    parts = [
        Part(part=name, cpu_s=seconds / count, calls=rig.meter.calls[name] / count)
        for name, seconds in sorted(rig.meter.seconds.items(), key=lambda one: -one[1])
    ]
    left_s = sum(rig.watch.cpu_s) / count - sum(part.cpu_s for part in parts)
    return [*parts, Part(part="everything else", cpu_s=left_s, calls=0)]


def show(figures: list[Figure], parts: list[Part]) -> None:
    """Print the tables."""
    print(f"{'':12} {'CPU s':>8} {'ratio':>6}   MB sent by trainers, holders, the coordinator")
    for figure in figures:
        sent = [figure.sent_bytes[role] / 1e6 for role in ("trainer", "holder", "coordinator")]
        print(
            f"{figure.variant:12} {figure.cpu_s:8.3f} {figure.ratio:6.2f} "
            f"{sent[0]:10.3f} {sent[1]:8.3f} {sent[2]:8.3f}"
        )
    if not parts:
        return
    whole_s = sum(part.cpu_s for part in parts)
    print(f"{'all of it':18} {'CPU s':>8} {'part':>6} {'calls':>8} {'us each':>8}")
    for part in parts:
        each = f"{part.cpu_s / part.calls * 1e6:8.0f}" if part.calls else " " * 8
        print(
            f"{part.part:18} {part.cpu_s:8.3f} {part.cpu_s / whole_s:6.0%} {part.calls:8.0f} {each}"
        )


def options_of() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainers", type=int, default=100)
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--field", choices=("p31", "p61"), default="p31")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="of each run, 2 or more")
    parser.add_argument("--memory", action="store_true", help="no disk")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--no-parts", action="store_true", help="measure no parts")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    options = options_of()
    settle_heap(spare=True)  # as a share-holder's process does
    wanted = [variant for variant in VARIANTS if variant.name in options.only]
    rigs: dict[str, list[Rig]] = {variant.name: [] for variant in wanted}
    for _ in range(options.passes):
        for variant in wanted:
            rigs[variant.name].append(ran(variant, options))
    parts = [] if options.no_parts else parts_of(ran(VARIANTS[-1], options, Meter()))
    figures = figures_of(rigs)
    storage = "without a disk" if options.memory else "on a disk"
    print(f"{options.trainers} trainers, {options.values:,} values over {options.field}, {storage}")
    show(figures, parts)
    if options.json:
        report = {
            "trainers": options.trainers,
            "values": options.values,
            "field": options.field,
            "disk": not options.memory,
            "best": BEST,
            "machine": description(),
            "figures": [asdict(figure) for figure in figures],
            "parts": [asdict(part) for part in parts],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
