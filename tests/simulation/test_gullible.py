"""Who believes a lie is found, and by the liars: other faults do not show it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.gullible import GULLIBLE

from infra.chaos.reproduction import Failure
from infra.chaos.shrinker import Budget, shrink
from infra.simulation.faults import Kind, Plan
from infra.simulation.ghost import Violation
from infra.simulation.liars.moments import MOMENTS
from infra.simulation.runner import run, run_until_broken
from infra.simulation.swarm import plan_of

SEEDS = 300
QUICK = ("votes twice", "one below the minimum", "a trainer twice", "another set")


def lying(seed: int) -> Plan | None:
    """Return the plan of a seed if anybody lies in it."""
    plan = plan_of(seed)
    lies = any(fault.kind in MOMENTS for fault in plan.faults)
    return plan if lies else None


def first_failure(seeds: range) -> tuple[int, Plan, tuple[Violation, ...]]:
    """Return the first lying seed that breaks a rule."""
    for seed in seeds:
        plan = lying(seed)
        if plan is not None and (violations := run_until_broken(plan, seed).violations):
            return seed, plan, violations
    raise AssertionError("no seed failed")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GULLIBLE],
)
def test_who_believes_a_lie_is_found_within_a_few_seeds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, rules = GULLIBLE[name]
    plant(monkeypatch)

    _, _, violations = first_failure(range(SEEDS))

    assert any(violation.rule in rules for violation in violations)


def test_without_the_lies_the_same_seed_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    GULLIBLE["votes twice"][0](monkeypatch)
    seed, plan, _ = first_failure(range(SEEDS))

    others = tuple(fault for fault in plan.faults if fault.kind not in MOMENTS)
    honest = run(replace(plan, faults=others), seed)

    assert honest.violations == ()


def test_the_lie_that_shows_a_bug_is_what_is_left_of_its_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    GULLIBLE["one below the minimum"][0](monkeypatch)
    seed, plan, violations = first_failure(range(SEEDS))
    failure = Failure.of(violations[0], plan)

    shrunk = shrink(plan, seed, failure, Budget(runs=80, cpu_s=60.0))

    assert shrunk is not None
    assert [fault.kind for fault in shrunk.plan.faults] == [Kind.LIE_SMALL_SET]
    assert shrunk.plan.faults[0].target == "coordinator"
