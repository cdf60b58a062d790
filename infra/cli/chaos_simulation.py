"""`quorate chaos --seeds`: simulated federations in virtual time, one history for each seed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.chaos.campaign import Case, Failing, Tally, campaign
from infra.simulation.runner import run as run_history
from infra.simulation.swarm import plan_of

from .chaos_keeping import Keeping, keep, plain, silence
from .chaos_stage import say
from .display import print_json
from .session import DONE, FAILED, USAGE
from .signals import STOPPED
from .terminal import console, show_interrupted

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """Which seeds, on how many processes (None: one a core), where the trace of one goes.

    `keeping` says what becomes of failing seeds; `canary` runs one more history, which must fail.
    """

    first: int
    seeds: int
    jobs: int | None
    trace: Path | None
    keeping: Keeping
    canary: bool = False


@dataclass(frozen=True, slots=True)
class _Result:
    """What a campaign came to; `silence` is why the canary was not heard, None without one."""

    tally: Tally
    first: int
    silence: str | None

    @property
    def survived(self) -> bool:
        return not self.tally.failing and not self.silence


def run(request: SimulationRequest, output: str) -> int:
    """Run the histories and return the exit code."""
    if request.trace is not None and request.seeds != 1:
        say("--trace takes the history of one seed: say --seed K, without --seeds")
        return USAGE
    if request.trace is not None:
        history = run_history(plan_of(request.first), request.first, keep_trace=True)
        request.trace.write_text(history.trace)
    seeds = range(request.first, request.first + request.seeds)
    teller = _Teller(output)
    try:
        jobs = request.jobs or os.cpu_count() or 1
        tally = campaign(seeds, jobs, teller, with_canary=request.canary)
        written = keep(tally.reported, request.keeping, output)
        heard = silence(tally.canary, written, request.keeping) if request.canary else None
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    result = _Result(tally, request.first, heard)
    _show(result, output)
    return DONE if result.survived else FAILED


class _Teller:
    """Tells of each seed that broke a rule at once, and now and then how far it is."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._told: dict[Case, None] = {}

    def __call__(self, tally: Tally) -> None:
        for failing in tally.reported:
            if failing.case in self._told:
                continue
            self._told[failing.case] = None
            if self._output == "json":
                print_json({"kind": "violation", **_plain(failing)})
            else:
                say(f"! {failing.case.name}: {failing.text}")
        if self._output == "live" and tally.seeds % 200 < 8:
            say(f"{tally.seeds} seeds, {tally.rounds} rounds, {len(tally.failing)} failing")


def _plain(failing: Failing) -> dict[str, Any]:
    return {
        **plain(failing.case),
        "rule": failing.rule.value,
        "text": failing.text,
    }


def _show(result: _Result, output: str) -> None:
    tally, first = result.tally, result.first
    if output == "json":
        print_json(_summary(result))
        return
    if output == "live":
        table = Table("fault", "struck", "in seeds", box=None, padding=(0, 1, 0, 0))
        for name, count in sorted(tally.faults.items()):
            table.add_row(name, str(count), str(tally.seeds_with[name]))
        console.print(table)
    say(
        f"seeds {first} to {first + tally.seeds - 1}: {tally.rounds} rounds, {tally.completed} "
        f"complete, {tally.abandoned} abandoned; {tally.simulated_s / _HOUR_S:.1f} simulated "
        f"hours; {sum(tally.faults.values())} faults of {len(tally.faults)} kinds; "
        f"{tally.rounds / tally.cpu_s:.0f} rounds per CPU second, "
        f"{tally.simulated_s / tally.cpu_s:.0f} times real time"
    )
    if missing := tally.never():
        say(f"never struck: {', '.join(missing)}")
    if tally.failing:
        say(f"{len(tally.failing)} seeds broke a rule: quorate chaos replay FILE tells how")
    else:
        say("no rule was broken")
    if result.silence:
        say(f"! the alarm does not work: the canary was not reported: {result.silence}")
    elif result.silence is not None:
        say("canary: reported, kept, and failing again when replayed")


def _summary(result: _Result) -> dict[str, Any]:
    tally = result.tally
    return {
        "kind": "summary",
        "outcome": "survived" if result.survived else "failed",
        "first_seed": result.first,
        "seeds": tally.seeds,
        "rounds": tally.rounds,
        "completed": tally.completed,
        "abandoned": tally.abandoned,
        "simulated_hours": round(tally.simulated_s / _HOUR_S, 3),
        "messages": tally.messages,
        "faults": dict(sorted(tally.faults.items())),
        "seeds_with_fault": dict(sorted(tally.seeds_with.items())),
        "never": tally.never(),
        "violations": len(tally.failing),
        "failing_seeds": [failing.seed for failing in tally.failing],
        "canary": None if result.silence is None else result.silence or "reported",
        "cpu_seconds": round(tally.cpu_s, 1),
        "rounds_per_cpu_second": round(tally.rounds / tally.cpu_s, 1),
        "times_real_time": round(tally.simulated_s / tally.cpu_s),
        "digest": tally.digest,
    }
