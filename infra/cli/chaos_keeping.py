"""What `quorate chaos --seeds` does with a seed that broke a rule: shrink it, and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.chaos.campaign import Case, Failing
from infra.chaos.reproduction import BadReproduction, Failure, Reproduction
from infra.chaos.retelling import replayed
from infra.chaos.shrinker import Budget, Shrunk, shrink

from .chaos_stage import say
from .display import print_json

_MOST_SHRUNK = 5  # kinds of failure in one campaign, beside the canary
_PLANTED = "the canary: a planted failure, beyond what the design survives"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where failing seeds are kept, and whether they are shrunk first."""

    folder: Path
    shrink: bool
    budget: Budget = field(default_factory=Budget)

    def path(self, case: Case) -> Path:
        """Return the file of a history."""
        return self.folder / f"{case.name.replace(' ', '-')}.json"


def keep(failing: Sequence[Failing], keeping: Keeping, output: str) -> tuple[Case, ...]:
    """Write a file for each of them, then shrink the first one of each kind of failure.

    Who has no patience for the shrinking loses nothing: all plans are on the disk by then.
    Returns of which there are files.
    """
    first: dict[Failure, tuple[Case, Reproduction]] = {}
    planted, written = [], []
    for one in sorted(failing, key=lambda one: (one.case.canary, one.seed)):
        case, plan = one.case, one.case.plan()
        like = None if case.canary else first.get(Failure.of(one.first, plan))
        note = f"fails like {like[0].name}" if like else _PLANTED if case.canary else ""
        kept = Reproduction.of(plan, case.seed, one.first, note)
        if case.canary:
            planted.append((case, kept))
        else:
            first.setdefault(kept.failure, (case, kept))
        path = keeping.path(case)
        if _written(kept, path, output):
            written.append(case)
            _tell_kept(case, kept, path, output)
    if keeping.shrink:
        for case, kept in [*list(first.values())[:_MOST_SHRUNK], *planted]:
            _shrink(case, kept, keeping, output)
    return tuple(written)


def silence(canary: Failing | None, written: Sequence[Case], keeping: Keeping) -> str:
    """Say why nobody would hear of the canary from what was written; nothing if all was heard."""
    if canary is None:
        return "its history broke no rule"
    path = keeping.path(canary.case)
    if canary.case not in written:
        return f"{path} was not written"
    try:
        kept = Reproduction.read(path)
    except BadReproduction as error:
        return str(error)
    if keeping.shrink and len(kept.plan.faults) >= len(canary.case.plan().faults):
        return f"{path} was not shrunk"
    outcome = replayed(kept).outcome
    return "" if outcome == "fails" else f"{path}, run again, is told as: {outcome}"


def _shrink(case: Case, kept: Reproduction, keeping: Keeping, output: str) -> None:
    if output != "json":
        say(f"shrinking {case.name}")
    shrunk = shrink(kept.plan, kept.seed, kept.failure, keeping.budget)
    if shrunk is None:
        return
    shorter = replace(kept, plan=shrunk.plan, said=str(shrunk.violation))
    if _written(shorter, keeping.path(case), output):
        _tell_shrunk(case, shorter, len(kept.plan.faults), shrunk, output)


def _written(kept: Reproduction, path: Path, output: str) -> bool:
    """Write a file; tell it where that can't be done: the seed says as much as its file."""
    try:
        kept.write(path)
    except OSError as error:
        text = f"{path}: {error.strerror}"
        print_json({"kind": "not kept", "text": text}) if output == "json" else say(f"! {text}")
        return False
    return True


def plain(case: Case) -> dict[str, Any]:
    """Return what names a history in JSON."""
    return {"seed": case.seed, **({"canary": True} if case.canary else {})}


def _tell_kept(case: Case, kept: Reproduction, path: Path, output: str) -> None:
    if output == "json":
        print_json({"kind": "kept", **plain(case), "file": str(path), "note": kept.note})
        return
    note = f" ({kept.note})" if kept.note else ""
    say(f"kept: quorate chaos replay {path}{note}")


def _tell_shrunk(case: Case, kept: Reproduction, before: int, shrunk: Shrunk, output: str) -> None:
    after = len(kept.plan.faults)
    if output == "json":
        print_json(
            {
                "kind": "shrunk",
                **plain(case),
                "faults_before": before,
                "faults": after,
                "runs": shrunk.runs,
                "cpu_seconds": round(shrunk.cpu_s, 1),
                "budget_spent": shrunk.spent,
            }
        )
        return
    more = "; the budget was spent" if shrunk.spent else ""
    say(f"  {before} faults > {after}, {shrunk.runs} runs, {shrunk.cpu_s:.1f} CPU s{more}")
