"""Shrinks a failing history to a short one, within a budget."""

from __future__ import annotations

import time
from dataclasses import dataclass

from infra.simulation.faults import Plan
from infra.simulation.ghost import Violation
from infra.simulation.narrowing import narrowed
from infra.simulation.runner import run_until_broken

from .reproduction import Failure


@dataclass(frozen=True, slots=True)
class Budget:
    """How many histories may be run to shrink one, and for how much CPU time of this process."""

    runs: int = 600
    cpu_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """The shortest plan that was found, and how it breaks the rule.

    Attributes:
        runs: how many histories it took.
        cpu_s: the CPU time of this process.
        spent: whether the budget ended it, so that more might be left out.
    """

    plan: Plan
    violation: Violation
    runs: int
    cpu_s: float
    spent: bool


def shrink(plan: Plan, seed: int, failure: Failure, budget: Budget) -> Shrunk | None:
    """Return a shorter plan with the same kind of failure; None if this one does not show it."""
    trials = _Trials(seed, failure, budget)
    first = trials(plan)
    if first is None:
        return None
    shortest = narrowed(plan, trials)
    return Shrunk(
        plan=shortest,
        violation=trials.known[shortest] or first,
        runs=trials.runs,
        cpu_s=trials.cpu_s(),
        spent=trials.spent,
    )


class _Trials:
    """Runs plans, each once; once the budget is spent, no other plan breaks anything."""

    def __init__(self, seed: int, failure: Failure, budget: Budget) -> None:
        self.runs = 0
        self.spent = False
        self.known: dict[Plan, Violation | None] = {}
        self._seed = seed
        self._failure = failure
        self._budget = budget
        self._began_s = time.process_time()

    def cpu_s(self) -> float:
        """Return the CPU time so far."""
        return time.process_time() - self._began_s

    def __call__(self, plan: Plan) -> Violation | None:
        """Return how this plan shows the failure, if it does."""
        if plan in self.known:
            return self.known[plan]
        # The first one is always run: without it there is nothing to return.
        if self.runs and (self.runs >= self._budget.runs or self.cpu_s() >= self._budget.cpu_s):
            self.spent = True
            return None
        self.runs += 1
        violations = run_until_broken(plan, self._seed).violations
        same = (v for v in violations if Failure.of(v, plan) == self._failure)
        self.known[plan] = found = next(same, None)
        return found
