"""A history that broke a rule in somebody's test: shrunk, kept, and told with how to replay it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infra.simulation.faults import Plan
from infra.simulation.ghost import Violation

from .reproduction import Failure, Reproduction
from .retelling import replayed, told
from .shrinker import Budget, shrink

_BUDGET = Budget(runs=150, cpu_s=20.0)  # somebody waits for the test
_MOST_TOLD = 3


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happened and how it first broke a rule."""

    name: str
    plan: Plan
    seed: int
    violation: Violation
    note: str = ""


def told_and_kept(mishaps: Sequence[Mishap], folder: Path) -> Iterator[str]:
    """Write a file for the first of each kind of failure, and tell it line by line.

    Of three kinds at most; the others are named.
    """
    kinds: dict[Failure, list[Mishap]] = {}
    for each in mishaps:
        kinds.setdefault(Failure.of(each.violation, each.plan), []).append(each)
    for place, (failure, alike) in enumerate(kinds.items()):
        first, *others = alike
        yield f"{first.name} broke a rule: {first.violation}"
        if others:
            yield f"and in the same way: {', '.join(each.name for each in others)}"
        if place < _MOST_TOLD:
            yield from _story(first, failure, folder)
        yield ""


def _story(mishap: Mishap, failure: Failure, folder: Path) -> Iterator[str]:
    kept = Reproduction.of(mishap.plan, mishap.seed, mishap.violation, mishap.note)
    if problems := kept.problems():
        yield f"too large for a file of its own: {problems[0]}"
        return
    shrunk = shrink(mishap.plan, mishap.seed, failure, _BUDGET)
    if shrunk is not None:
        note = mishap.note if shrunk.plan.size == mishap.plan.size else ""
        kept = replace(kept, plan=shrunk.plan, said=str(shrunk.violation), note=note)
    path = folder / f"{re.sub(r'[^0-9A-Za-z]+', '-', mishap.name)}.json"
    kept.write(path)
    yield from told(replayed(kept))
    yield f"again: {shlex.join(['quorate', 'chaos', 'replay', str(path)])}"
