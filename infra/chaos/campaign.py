"""Many simulated histories, spread over the cores of this machine, and what they add up to."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from infra.simulation.faults import Kind
from infra.simulation.ghost import Rule, Violation
from infra.simulation.runner import run, warm_up
from infra.simulation.swarm import plan_of

_AT_ONCE = 8  # seeds that a process is given at a time


@dataclass(frozen=True, slots=True)
class Failing:
    """A seed whose history broke a rule, and how it first did."""

    seed: int
    rule: Rule
    text: str
    violations: int
    first: Violation


@dataclass(slots=True)
class Tally:
    """What a number of histories add up to; `cpu_s` is what their processes spent on them."""

    seeds: int = 0
    completed: int = 0
    abandoned: int = 0
    simulated_s: float = 0.0
    messages: int = 0
    cpu_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    seeds_with: Counter[str] = field(default_factory=Counter)
    failing: list[Failing] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        """How many rounds ended."""
        return self.completed + self.abandoned

    @property
    def violations(self) -> int:
        """How often a rule was broken."""
        return sum(failing.violations for failing in self.failing)

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
        self.digests |= other.digests


def tally_of(seeds: Sequence[int]) -> Tally:
    """Run these seeds in this process."""
    warm_up()
    tally = Tally()
    began_s = time.process_time()
    for seed in seeds:
        history = run(plan_of(seed), seed)
        tally.seeds += 1
        tally.completed += history.completed
        tally.abandoned += history.abandoned
        tally.simulated_s += history.simulated_s
        tally.messages += history.messages
        tally.faults.update(history.fired)
        tally.seeds_with.update(history.fired.keys())
        tally.digests[seed] = history.digest
        if history.violations:
            first = history.violations[0]
            count = len(history.violations)
            tally.failing.append(Failing(seed, first.rule, str(first), count, first))
    tally.cpu_s = time.process_time() - began_s
    return tally


def campaign(seeds: range, jobs: int, tell: Callable[[Tally], None]) -> Tally:
    """Run all seeds on so many processes; `tell` hears the sum whenever some more are done."""
    total = Tally()
    for part in _parts(seeds, jobs):
        total.add(part)
        tell(total)
    return total


def _parts(seeds: range, jobs: int) -> Iterator[Tally]:
    pieces = [seeds[first : first + _AT_ONCE] for first in range(0, len(seeds), _AT_ONCE)]
    if jobs == 1:
        yield from map(tally_of, pieces)
        return
    # A fork would inherit threads of the kernels' compiler in the midst of something.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawned) as pool:
        yield from pool.map(tally_of, pieces)
