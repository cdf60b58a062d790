"""Many simulated histories, spread over the cores of this machine, and what they add up to."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from infra.simulation.faults import Kind, Plan, Size
from infra.simulation.ghost import Rule, Violation
from infra.simulation.runner import History, run_until_broken, warm_up
from infra.simulation.swarm import plan_of

from . import canary

_AT_ONCE = 8  # histories that a process is given at a time


@dataclass(frozen=True, slots=True)
class Case:
    """One history of a campaign: what a seed draws, for a `size` if one is given; or the canary."""

    seed: int
    canary: bool = False
    size: Size | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return "canary" if self.canary else f"seed {self.seed}"

    def plan(self) -> Plan:
        """Return what happens."""
        return canary.canary_plan() if self.canary else plan_of(self.seed, size=self.size)


@dataclass(frozen=True, slots=True)
class Failing:
    """A case whose history broke a rule, and how it first did. It went on no further."""

    case: Case
    first: Violation

    @property
    def seed(self) -> int:
        """The seed of the history."""
        return self.case.seed

    @property
    def rule(self) -> Rule:
        """The rule that was broken."""
        return self.first.rule

    @property
    def text(self) -> str:
        """When it was broken, by whom and how."""
        return str(self.first)


@dataclass(slots=True)
class Tally:
    """What a number of histories add up to; `cpu_s` is what their processes spent on them.

    The canary counts nowhere but in `canary`, which is how it broke a rule, if it did.
    """

    seeds: int = 0
    completed: int = 0
    abandoned: int = 0
    simulated_s: float = 0.0
    messages: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    seeds_with: Counter[str] = field(default_factory=Counter)
    failing: list[Failing] = field(default_factory=list)
    canary: Failing | None = None
    digests: dict[int, str] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many rounds ended."""
        return self.completed + self.abandoned

    @property
    def reported(self) -> list[Failing]:
        """All that broke a rule, the canary too."""
        return [*self.failing, *([] if self.canary is None else [self.canary])]

    @property
    def digest(self) -> str:
        """The SHA-256 over all traces, by seed."""
        return sha256(
            "".join(self.digests[seed] for seed in sorted(self.digests)).encode()
        ).hexdigest()

    def never(self) -> list[str]:
        """Name the planned classes of fault that never struck."""
        return [kind.value for kind in Kind if not self.faults[kind.value]]

    def add(self, other: Tally) -> None:
        """Take in what others came to."""
        self.seeds += other.seeds
        self.completed += other.completed
        self.abandoned += other.abandoned
        self.simulated_s += other.simulated_s
        self.messages += other.messages
        self.cpu_s += other.cpu_s
        self.faults.update(other.faults)
        self.seeds_with.update(other.seeds_with)
        self.failing += other.failing
        self.canary = self.canary or other.canary
        self.digests |= other.digests


def tally_of(cases: Sequence[Case]) -> Tally:
    """Run these in this process, each up to the first rule that it breaks."""
    warm_up()
    tally = Tally()
    began_s = time.process_time()
    for case in cases:
        history = run_until_broken(case.plan(), case.seed)
        broken = next((Failing(case, first) for first in history.violations), None)
        if case.canary:
            tally.canary = broken
        else:
            _count(tally, history, broken)
    tally.cpu_s = time.process_time() - began_s
    return tally


def _count(tally: Tally, history: History, broken: Failing | None) -> None:
    tally.seeds += 1
    tally.completed += history.completed
    tally.abandoned += history.abandoned
    tally.simulated_s += history.simulated_s
    tally.messages += history.messages
    tally.faults.update(history.fired)
    tally.seeds_with.update(history.fired.keys())
    tally.digests[history.seed] = history.digest
    if broken is not None:
        tally.failing.append(broken)


def campaign(
    seeds: range, jobs: int, tell: Callable[[Tally], None], *, with_canary: bool = False
) -> Tally:
    """Run all seeds on so many processes; `tell` hears the sum whenever some more are done.

    With the canary one more history is run, as all others are.
    """
    cases = [Case(canary.SEED, canary=True)] if with_canary else []
    return all_of([*cases, *map(Case, seeds)], jobs, tell)


def all_of(cases: Sequence[Case], jobs: int, tell: Callable[[Tally], None]) -> Tally:
    """Run these on so many processes, as `campaign`."""
    total = Tally()
    for part in _parts(cases, jobs):
        total.add(part)
        tell(total)
    return total


def _parts(cases: Sequence[Case], jobs: int) -> Iterator[Tally]:
    pieces = [cases[first : first + _AT_ONCE] for first in range(0, len(cases), _AT_ONCE)]
    if jobs == 1:
        yield from map(tally_of, pieces)
        return
    # A fork would inherit threads of the kernels' compiler in the midst of something.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawned) as pool:
        yield from pool.map(tally_of, pieces)
