"""What a secure sum costs here and elsewhere, side by side in one run.

    python benchmarks/peers.py [--venv DIR] [--repeats 3] [--only sums rates ...] [--json FILE]

Peers are installed into an environment of their own (`--venv`, made if it is not there); this
project depends on none of them. Every figure comes from a process of its own, and what is compared
takes turns, `repeats` times; the table has medians. Only ratios mean anything on other machines.

`sums`: the processor seconds of all parties of one round that loses 30 % of its trainers, by
Flower's SecAgg+ (`peer_flower.py`) and by us (`peer_ours.py`): `pipeline` is the arithmetic alone,
from real vectors to the opened sum, which is nearest to what Flower's figure is of, as that has no
messages either; `round` has all actors, machines and messages in it, `trust` signatures and sealed
boxes besides. `small`: MPyC's secure sum of five clients. `rates`: integers a second that are
shared among five and opened by three. A peer that opens something wrong ends the run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from machine import description

HERE = Path(__file__).resolve().parent
PEERS = (
    "flwr==1.41.0",
    "mpyc==0.11",
    "tno.mpc.encryption_schemes.shamir==1.3.2",
    "tno.mpc.encryption_schemes.utils==0.12.3",
    "gmpy2>=2.2",  # which both MPyC and TNO's package advise for speed
)
WAYS = ("shamir", "shamir+seeds", "packed+seeds", "masked")
RATED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process that measures: who, what it prints the figure under, and its command."""

    group: str
    who: str
    words: tuple[str, ...]
    ours: bool = True
    figure: str = "cpu_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The median of a run; `ratio` says how many times better it is than the group's first."""

    group: str
    who: str
    median: float
    all: list[float]
    ratio: float


def sums_of(trainers: int, values: int, neighbours: tuple[str, ...], *, whole: bool) -> list[Run]:
    """Return what is compared for one size; the peer comes first."""
    lost = trainers * 3 // 10
    group = f"sum of {trainers} trainers, {values:,} values, {lost} lost: CPU s"
    size = (str(trainers), str(values), str(lost))
    what = f"Flower SecAgg+, {neighbours[0] if neighbours else trainers} neighbours"
    runs = [Run(group=group, who=what, words=("peer_flower.py", *size, *neighbours), ours=False)]
    for way in WAYS:
        words = ("peer_ours.py", "pipeline", way, *size)
        runs.append(Run(group=group, who=f"pipeline, {way}", words=words))
    for way in WAYS if whole else ():
        words = ("peer_ours.py", "round", way, *size)
        runs.append(Run(group=group, who=f"round, {way}", words=words))
        runs.append(Run(group=group, who=f"trust, {way}", words=(*words, "--trust")))
    return runs


def runs_of() -> dict[str, list[Run]]:
    """Return all that can be measured, by the name for `--only`."""
    small = "sum of 5 clients, 10,000 values: CPU s"
    rates = "shared and opened, 3 of 5: values per s"
    rated = partial(Run, group=rates, figure="values_per_s")
    return {
        "sums": sums_of(100, 100_000, ("33",), whole=True),
        "long": sums_of(16, 1_000_000, (), whole=True),
        "small": [
            Run(
                group=small,
                who="MPyC, 5 processes",
                words=("peer_mpyc.py", "sum", "5", "10000", "-M5"),
                ours=False,
            ),
            Run(
                group=small,
                who="pipeline, shamir",
                words=("peer_ours.py", "pipeline", "shamir", "5", "10000", "0"),
            ),
        ],
        "rates": [
            rated(who="TNO's Shamir package", words=("peer_tno.py", "20000"), ours=False),
            rated(who="MPyC", words=("peer_mpyc.py", "rate", "20000"), ours=False),
            rated(who="Quorate, p31", words=("peer_ours.py", "rate", str(RATED))),
        ],
    }


def environment(folder: Path) -> Path:
    """Return the Python of the peers' environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
    subprocess.run([python, *words], check=True, stderr=subprocess.DEVNULL)
    return python


def measured(run: Run, python: Path) -> float:
    """Run one process and return its figure."""
    script, *words = run.words
    command = [sys.executable if run.ours else str(python), str(HERE / script), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=HERE.parent)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return float(json.loads(lines[-1])[run.figure])


def figures_of(runs: list[Run], python: Path, repeats: int) -> list[Figure]:
    """Let all of a group take turns, and compare their medians with the first one's."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, seconds in zip(runs, found, strict=True):
            seconds.append(measured(run, python))
            print(f"  {run.who}: {seconds[-1]:.4g}", file=sys.stderr)
    medians = [statistics.median(one) for one in found]
    first = medians[0]
    return [
        Figure(
            group=run.group,
            who=run.who,
            median=median,
            all=one,
            ratio=first / median if run.figure == "cpu_s" else median / first,
        )
        for run, one, median in zip(runs, found, medians, strict=True)
    ]


def show(figures: list[Figure]) -> None:
    """Print a table for each group."""
    group = ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            print(f"\n{group}")
        print(f"  {figure.who:34} {figure.median:14,.3f} {figure.ratio:10.1f} times")


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, default=HERE.parent / ".venv-peers")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(runs_of()), default=list(runs_of()))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    python = environment(options.venv)
    figures = [
        figure
        for name in options.only
        for figure in figures_of(runs_of()[name], python, options.repeats)
    ]
    show(figures)
    if options.json:
        report = {
            "peers": PEERS,
            "repeats": options.repeats,
            "machine": description(),
            "figures": [asdict(figure) for figure in figures],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
