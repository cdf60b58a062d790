"""Whole rounds, every role in a process of its own: memory, processor time, bytes and stalls.

    python benchmarks/rounds.py [--only lengths trainers large longest whole] [--repeats 1]
        [--json FILE] [--plots FOLDER]
    python benchmarks/rounds.py --case SUITE TRAINERS VALUES [ROUNDS] [--blame]

A coordinator, five share-holders, three trainers, and one process with all other trainers, each
with the real actor and machine, spools on a disk, journals, signatures and sealed boxes; the bus
is `round_hub.py`. A trainer's numbers are a window of one array, so that a thousand vectors are in
memory once. Every sum is compared with the right one, or the run fails.

Memory is resident memory at most above what the process had before the first message, imported
and compiled, in a heap that gives back what is free; "models" counts it in vectors of float64, and
"in all" is everything that a holder's process has. The coordinator's state, one vector, is there
before. CPU is of all threads, divided by contributions; a trainer's is the median of the three
that have a process of their own. Bytes are those of messages. Stalls are those of `stalls.py`,
beside a process that does nothing.

With --json figures are added to a file, in the place of the same case's before, each with the
machine that it is from; --plots draws all that the file has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from machine import description
from round_hub import Hub
from round_plots import draw
from round_role import Case, right_digest

from infra.memory_queue import Sent

HERE = Path(__file__).parent
SUITES = ("masked", "shamir", "packed")
_CASE = ("suite", "trainers", "values")
_LINE_BYTES = 2**24


class Turns:
    """Lets one trainer begin at a time, when none has said anything for a while."""

    def __init__(self, quiet_s: float) -> None:
        self._quiet_s, self._said, self._free = quiet_s, asyncio.Event(), asyncio.Lock()

    def heard(self) -> None:
        """Take note that somebody said something."""
        self._said.set()

    async def next(self) -> None:
        """Wait until it is quiet; who waits longest is next."""
        async with self._free:
            with suppress(TimeoutError):
                while True:
                    self._said.clear()
                    await asyncio.wait_for(self._said.wait(), self._quiet_s)
            await asyncio.to_thread(os.sync)  # what is written later costs whoever runs then


@dataclass
class Traffic:
    """Bytes and messages, by role."""

    roles: dict[str, str]
    turns: Turns | None
    sent_bytes: Counter[str] = field(default_factory=Counter)
    received_bytes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)

    def take(self, sent: Sent) -> None:
        """Take note of a message; model states, which go to `*`, are no part of a round's."""
        if self.turns is not None:
            self.turns.heard()
        if sent.recipient != "*":
            role = self.roles[sent.sender]
            self.sent_bytes[role] += len(sent.body)
            self.messages[role] += 1
            self.received_bytes[self.roles[sent.recipient]] += len(sent.body)


async def measured(case: Case, folder: Path, turns: Turns | None = None) -> dict[str, Any]:
    """Run one federation and return what was measured, by process.

    With `turns` the trainers that have a process of their own begin in turn, after all others.
    """
    roster = case.roster()
    everybody = (roster.coordinator, *roster.holders, *roster.trainers)
    traffic = Traffic({name: roster.role(name) or "" for name in everybody}, turns)
    hub, socket = Hub(everybody, traffic.take), folder / "hub"
    (folder / "right").write_text(right_digest(case))
    server = await hub.serve(socket)
    names = (*roster.holders, *case.observed(), "trainers", "idle", roster.coordinator)
    started = await asyncio.gather(*(_started(case, name, socket, folder) for name in names))
    processes = dict(zip(names, started, strict=True))
    try:
        for name in sorted(names, key=lambda name: name in case.observed()):
            if turns is not None and name in case.observed():
                await turns.next()
            await _line(processes[name], b"begin\n")
        told = {roster.coordinator: await _told(processes[roster.coordinator])}
        hub.gone.add(roster.coordinator)
        for name in names[:-1]:
            await _line(processes[name], b"stop\n")
        told |= {name: await _told(processes[name]) for name in names[:-1]}
    finally:
        for process in processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
        server.close()
    return {"case": asdict(case), "processes": told, **_traffic(traffic)}


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "sent_bytes": dict(traffic.sent_bytes),
        "received_bytes": dict(traffic.received_bytes),
        "messages": dict(traffic.messages),
    }


async def _started(case: Case, name: str, socket: Path, folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(HERE / "round_role.py"),
        *(str(socket), str(folder / name), name, json.dumps(asdict(case))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    if await _read(process) != b"ready\n":
        sys.exit(f"{name} did not start")
    return process


async def _line(process: asyncio.subprocess.Process, line: bytes) -> None:
    if process.stdin is not None:
        process.stdin.write(line)
        await process.stdin.drain()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    return b"" if process.stdout is None else await process.stdout.readline()


async def _told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    line = await _read(process)
    if not line:
        sys.exit("a process ended before its time: see its text above")
    await process.wait()
    told: dict[str, Any] = json.loads(line)
    return told


async def ran(case: Case, turns: Turns | None = None) -> dict[str, Any]:
    """Run one federation in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="rounds-"))
    try:
        return await measured(case, folder, turns)
    finally:
        shutil.rmtree(folder)


def series() -> dict[str, list[Case]]:
    """Return what can be measured, by the name for `--only`, the quickest first."""
    return {
        "lengths": [
            Case(suite=suite, trainers=10, values=values, rounds=3)
            for suite in SUITES
            for values in (10_000, 100_000, 1_000_000)
        ],
        "trainers": [
            Case(suite=suite, trainers=trainers, values=10_000, rounds=max(1, 100 // trainers))
            for suite in SUITES
            for trainers in (10, 100, 1000)
        ],
        "large": [
            Case(suite=suite, trainers=trainers, values=100_000)
            for suite in SUITES
            for trainers in (100, 1000)
        ],
        "longest": [Case(suite="masked", trainers=10, values=10_000_000)],
        "whole": [Case(suite="masked", trainers=1000, values=1_000_000)],
    }


def row_of(run: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run; what is of a trainer is a mean over all of them."""
    case, processes = Case(**run["case"]), run["processes"]
    holders = [one for name, one in processes.items() if name.startswith("holder")]
    coordinator, trainers = processes["coordinator"], processes["trainers"]
    observed = [processes[name]["cpu_s"] for name in case.observed()]
    contributions = case.trainers * case.rounds
    grown = {name: one["peak_bytes"] - one["idle_bytes"] for name, one in processes.items()}
    sent, got = run["sent_bytes"], run["received_bytes"]
    steps = {"coordinator": coordinator, "trainers": trainers, "idle": processes["idle"]}
    steps["holder"] = max(holders, key=lambda one: float(one["step_ms"]))
    return {
        **run["case"],
        "coordinator_mb": grown["coordinator"] / 1e6,
        "coordinator_mb_in": {
            step or "starting": (peak - coordinator["idle_bytes"]) / 1e6
            for step, peak in coordinator["peaks"].items()
        },
        "coordinator_models": grown["coordinator"] / (8 * case.values),
        "holder_mb": max(grown[one["name"]] for one in holders) / 1e6,
        "holder_peak_mb": max(one["peak_bytes"] for one in holders) / 1e6,
        "trainer_cpu_ms": statistics.median(observed) / case.rounds * 1e3,
        "holder_cpu_ms": statistics.mean(one["cpu_s"] for one in holders) / contributions * 1e3,
        "coordinator_cpu_ms": coordinator["cpu_s"] / contributions * 1e3,
        "trainer_sent_kb": sent["trainer"] / contributions / 1e3,
        "trainer_received_kb": got["trainer"] / contributions / 1e3,
        "holder_received_kb": got["holder"] / contributions / len(holders) / 1e3,
        "coordinator_received_kb": got["coordinator"] / contributions / 1e3,
        "wall_s": coordinator["wall_s"],
        "step_ms": {role: one["step_ms"] for role, one in steps.items()},
        "gap_ms": {role: one["gap_ms"] for role, one in steps.items()},
        "long_steps": {role: one["long_steps"] for role, one in steps.items()},
    }


def merged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of the same case, run several times."""
    whole = dict(rows[0])
    for key, value in rows[0].items():
        if isinstance(value, float):
            whole[key] = statistics.median(row[key] for row in rows)
        elif isinstance(value, dict):
            whole[key] = {k: statistics.median(row[key][k] for row in rows) for k in value}
    return whole


def show(rows: list[dict[str, Any]]) -> None:
    """Print the tables."""
    print("\nmemory above an idle process, MB; CPU ms and kB of one trainer's contribution")
    print(
        f"{'suite':8}{'N':>6}{'d':>10} | {'coord.':>8}{'models':>7}{'holder':>8}{'in all':>8} | "
        f"{'trainer':>8}{'holder':>8}{'coord.':>8} ms | {'sent':>9}{'holder':>9}{'coord.':>9} kB"
    )
    for row in rows:
        print(
            f"{row['suite']:8}{row['trainers']:6}{row['values']:10} | "
            f"{row['coordinator_mb']:8.1f}{row['coordinator_models']:7.1f}"
            f"{row['holder_mb']:8.1f}{row['holder_peak_mb']:8.1f} | "
            f"{row['trainer_cpu_ms']:8.1f}{row['holder_cpu_ms']:8.2f}"
            f"{row['coordinator_cpu_ms']:8.2f}    | {row['trainer_sent_kb']:9.1f}"
            f"{row['holder_received_kb']:9.1f}{row['coordinator_received_kb']:9.1f}"
        )
    print("\nevent loops: longest step in ms of processor time, and largest gap in ms of the clock")
    for row in rows:
        told = "  ".join(
            f"{role} {row['step_ms'][role]:.1f}, {row['gap_ms'][role]:.0f}"
            for role in ("coordinator", "holder", "trainers", "idle")
        )
        print(f"{row['suite']:8}{row['trainers']:6}{row['values']:10} | {told}")


def blamed(run: dict[str, Any]) -> None:
    """Print where long steps were seen."""
    for name, one in run["processes"].items():
        print(f"{name}: {one['step_ms']:.1f} ms in {one['step_of']}, {one['long_steps']} long")
        for where, count in one["stacks"].items():
            print(f"  {count:5} {where}")


def options_of() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(series()), default=["lengths"])
    parser.add_argument("--case", nargs="+", metavar="WORD", help="SUITE TRAINERS VALUES [ROUNDS]")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--blame", action="store_true", help="say where long steps were seen")
    parser.add_argument("--json", type=Path, help="write, or add to, this file")
    parser.add_argument("--plots", type=Path, help="draw what the file has into this folder")
    return parser.parse_args()


def cases_of(options: argparse.Namespace) -> list[Case]:
    """Return what is to be measured."""
    if options.case:
        suite, *numbers = options.case
        trainers, values, rounds, *_ = (*map(int, numbers), 1)
        one = Case(suite=suite, trainers=trainers, values=values, rounds=rounds)
        return [replace(one, blame=options.blame)]
    return [case for name in options.only for case in series()[name]]


def main() -> None:
    """Measure, print, write and draw."""
    options = options_of()
    machine, rows = description(), []
    for case in cases_of(options):
        runs = [asyncio.run(ran(case)) for _ in range(options.repeats)]
        rows.append(merged([row_of(run) for run in runs]) | {"machine": machine})
        print(f"  {case.suite} {case.trainers} x {case.values:,}: done", file=sys.stderr)
        if options.blame:
            blamed(runs[-1])
        if options.json:
            _add(options.json, rows[-1])
    print({key: machine[key] for key in ("processor", "cores", "python", "commit", "load")})
    show(rows)
    if options.plots:
        told = json.loads(options.json.read_text())["rows"] if options.json else rows
        draw(told, options.plots)


def _add(file: Path, row: dict[str, Any]) -> None:
    """Put a row in the place of the same case's, or after all others."""
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    kept = [one for one in rows if any(one[key] != row[key] for key in _CASE)]
    kept.append(row)
    kept.sort(key=lambda one: tuple(one[key] for key in _CASE))
    file.write_text(json.dumps({"rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
