"""What `quorate chaos --seeds` does with a seed that broke a rule: shrink it, and keep it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from actors.software import SOFTWARE
from infra.chaos.campaign import Failing
from infra.chaos.reproduction import Failure, Reproduction
from infra.chaos.shrinker import Budget, Shrunk, shrink
from infra.simulation.swarm import plan_of

from .chaos_stage import say
from .display import print_json

_MOST_SHRUNK = 5  # kinds of failure in one campaign


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where failing seeds are kept, and whether they are shrunk first."""

    folder: Path
    shrink: bool
    budget: Budget = field(default_factory=Budget)

    def path(self, seed: int) -> Path:
        """Return the file of a seed."""
        return self.folder / f"seed-{seed}.json"


def keep(failing: Sequence[Failing], keeping: Keeping, output: str) -> None:
    """Write a file for each seed, then shrink the first one of each kind of failure.

    Who has no patience for the shrinking loses nothing: all plans are on the disk by then.
    """
    first: dict[Failure, Reproduction] = {}
    for case in sorted(failing, key=lambda one: one.seed):
        plan = plan_of(case.seed)
        failure = Failure.of(case.first, plan)
        like = first.get(failure)
        kept = Reproduction(
            software=SOFTWARE,
            note="" if like is None else f"fails like seed {like.seed}",
            seed=case.seed,
            failure=failure,
            said=str(case.first),
            plan=plan,
        )
        first.setdefault(failure, kept)
        path = keeping.path(case.seed)
        if _written(kept, path, output):
            _tell_kept(kept, path, output)
    if keeping.shrink:
        for kept in list(first.values())[:_MOST_SHRUNK]:
            _shrink(kept, keeping, output)


def _shrink(kept: Reproduction, keeping: Keeping, output: str) -> None:
    if output != "json":
        say(f"shrinking seed {kept.seed}")
    shrunk = shrink(kept.plan, kept.seed, kept.failure, keeping.budget)
    if shrunk is None:
        return
    shorter = replace(kept, plan=shrunk.plan, said=str(shrunk.violation))
    if _written(shorter, keeping.path(kept.seed), output):
        _tell_shrunk(shorter, len(kept.plan.faults), shrunk, output)


def _written(kept: Reproduction, path: Path, output: str) -> bool:
    """Write a file; tell it where that can't be done: the seed says as much as its file."""
    try:
        kept.write(path)
    except OSError as error:
        text = f"{path}: {error.strerror}"
        print_json({"kind": "not kept", "text": text}) if output == "json" else say(f"! {text}")
        return False
    return True


def _tell_kept(kept: Reproduction, path: Path, output: str) -> None:
    if output == "json":
        print_json({"kind": "kept", "seed": kept.seed, "file": str(path), "note": kept.note})
        return
    note = f" ({kept.note})" if kept.note else ""
    say(f"kept: quorate chaos replay {path}{note}")


def _tell_shrunk(kept: Reproduction, before: int, shrunk: Shrunk, output: str) -> None:
    after = len(kept.plan.faults)
    if output == "json":
        print_json(
            {
                "kind": "shrunk",
                "seed": kept.seed,
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
