"""`quorate chaos --minutes`: hurt a federation at random for long and see what grows."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.chaos.drift import Drift
from infra.chaos.percentiles import percentile
from infra.chaos.real_soak import Report, Wanted, run_soak
from infra.chaos.soak import Pace, Progress

from .chaos_stage import Place, play, say
from .display import print_json
from .terminal import console


@dataclass(frozen=True, slots=True)
class SoakRequest:
    """How long, and with which schedule."""

    minutes: float
    seed: int


def run(request: SoakRequest, place: Place, output: str) -> int:
    """Soak and return the exit code."""
    pace = Pace(total_s=60 * request.minutes)

    async def soak(folder: Path) -> Report:
        wanted = Wanted(pace, request.seed, folder, place.root)
        return await run_soak(wanted, lambda progress: _tell(progress, output))

    return play(place, output, soak, lambda report: _show(report, output))


def _tell(progress: Progress, output: str) -> None:
    if output == "json":
        print_json({"kind": "progress", **asdict(progress)})
    elif output == "live":
        waiting = "?" if progress.waiting is None else progress.waiting
        say(
            f"{progress.at_s / 60:6.1f} min  {_rounds(progress.rounds)}, {progress.strikes} "
            f"strikes, {progress.violations} violations; {waiting} messages wait; largest: "
            f"{progress.largest} {progress.largest_mib:.0f} MiB"
        )


def _show(report: Report, output: str) -> bool:
    if output == "json":
        for drift in report.drifts:
            print_json({"kind": "process", **asdict(drift), "spared": drift.who in report.spared})
        print_json(_summary(report))
        return report.passed
    _show_processes(report)
    findings = report.findings
    times = findings.recoveries_s
    say(f"RabbitMQ {report.broker}, seed {report.seed}: {_rounds(report.rounds)}")
    say("strikes: " + ", ".join(f"{n} {what}" for what, n in sorted(findings.strikes.items())))
    say(
        f"all back after: half within {_s(percentile(times, 0.5))} s, 99 % within "
        f"{_s(percentile(times, 0.99))} s, {len(times)} blows"
    )
    for problem in report.problems:
        say(f"! {problem}")
    return report.passed


def _show_processes(report: Report) -> None:
    head = ("", "lives", "MiB first", "last", "most", "MiB/h", "%/h", "this life", "whole", "files")
    table = Table(*head, box=None, padding=(0, 1, 0, 0))
    for drift in report.drifts:
        table.add_row(*_row(drift, spared=drift.who in report.spared))
    console.print(table)
    say("* never killed; first, MiB/h and %/h after the warm-up, or over its lives at equal age")


def _row(drift: Drift, *, spared: bool) -> tuple[str, ...]:
    return (
        drift.who + " *" * spared,
        str(drift.lives),
        *(f"{value:.0f}" for value in (drift.first_mib, drift.last_mib, drift.largest_mib)),
        *map(_s, (drift.mib_per_h, drift.percent_per_h, drift.this_life, drift.whole)),
        f"{drift.handles_grew:+d}",
    )


def _summary(report: Report) -> dict[str, Any]:
    findings = report.findings
    times = findings.recoveries_s
    return {
        "kind": "summary",
        "outcome": "survived" if report.passed else "failed",
        "problems": list(report.problems),
        "broker": report.broker,
        "seed": report.seed,
        "rounds": report.rounds,
        "strikes": dict(findings.strikes),
        "blows": len(times),
        "recovery_p50_s": percentile(times, 0.5),
        "recovery_p99_s": percentile(times, 0.99),
        "recovery_max_s": max(times, default=math.nan),
        "most_waiting": dict(findings.deepest),
        "calm": [asdict(reading) for reading in findings.calm],
        "messages_left": report.remains.messages,
        "shares_left": report.remains.shares,
        "spared": list(report.spared),
    }


def _rounds(rounds: dict[str, int]) -> str:
    return f"{rounds['complete']} rounds complete, {rounds['abandoned']} abandoned"


def _s(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
