"""A failing plan is narrowed in every respect, and stays one that a seed could have drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulation.faults import ANYBODY, Aim, Fault, Kind, Plan, Point, Rates, Size
from infra.simulation.ghost import Rule, Violation
from infra.simulation.job import roster_of
from infra.simulation.narrowing import Breaks, narrowed, without
from infra.simulation.swarm import plan_of
from protocols.round_config import majority, threshold_faults

SEEDS = st.integers(0, 10_000)
CRASH = Fault(
    kind=Kind.CRASH,
    at_s=12.345,
    target="h4",
    duration_s=7.5,
    aim=Aim(point=Point.BEFORE_SEND, what="Vote", nth=3),
)
PAUSE = Fault(kind=Kind.PAUSE, at_s=3.0, target="t07", duration_s=2.0)
LATE = Fault(kind=Kind.DISK_FULL, at_s=40.0, target="t02", duration_s=2.0)
PLAN = Plan(
    size=Size(holders=5, trainers=9, threshold=3, minimum=5, queue_messages=24),
    rates=Rates(lost=0.1, doubled=0.2, hop_s=0.03, delay_s=5.0),
    faults=(PAUSE, CRASH, LATE),
    faulty_s=60.0,
    healed_s=240.0,
    core=("coordinator", "h1", "h2", "h4", "t01", "t02", "t03", "t07", "t09"),
)


def breaks_if(condition: Callable[[Plan], bool], at_s: float = 20.0) -> Breaks:
    violation = Violation(Rule.DURABLE, at_s, "h1", "voted")
    return lambda plan: violation if condition(plan) else None


def has(plan: Plan, kind: Kind) -> bool:
    return any(fault.kind is kind for fault in plan.faults)


def test_what_does_not_matter_is_left_out() -> None:
    plan = narrowed(PLAN, breaks_if(lambda plan: has(plan, Kind.CRASH)))

    (fault,) = plan.faults
    assert fault == Fault(
        kind=Kind.CRASH,
        at_s=0.0,
        target=fault.target,
        duration_s=0.1,
        aim=Aim(point=Point.BEFORE_SEND, what="Vote", nth=1),
    )
    assert fault.target in ("h1", "h2", "h3")
    assert (plan.size.holders, plan.size.trainers, plan.size.minimum) == (3, 3, 3)
    assert (plan.size.queue_messages, plan.size.training_s) == (2000, 0.2)
    assert plan.rates == Rates()
    assert (plan.faulty_s, plan.healed_s, plan.core) == (20.001, 0.0, ())


def test_what_matters_stays() -> None:
    def fails(plan: Plan) -> bool:
        return has(plan, Kind.PAUSE) and plan.rates.doubled > 0 and plan.size.trainers >= 6

    plan = narrowed(PLAN, breaks_if(fails))

    assert [fault.kind for fault in plan.faults] == [Kind.PAUSE]
    assert (plan.rates.lost, plan.rates.doubled) == (0.0, 0.2)
    assert (plan.size.holders, plan.size.trainers) == (3, 6)


@pytest.mark.parametrize("needs_healing", [True, False])
def test_the_healed_phase_is_kept_whole_or_left_out(needs_healing: bool) -> None:
    broken = breaks_if(lambda plan: plan.healed_s > 0 or not needs_healing, at_s=300.0)
    tried: list[Plan] = []

    def breaks(plan: Plan) -> Violation | None:
        tried.append(plan)
        return broken(plan)

    plan = narrowed(PLAN, breaks)

    assert {one.healed_s for one in tried} == {240.0, 0.0}
    assert {one.healed_rounds for one in tried} == {3}
    assert plan.healed_s == (240.0 if needs_healing else 0.0)


class Tired:
    """Finds a crash to be the failure, so many times at most."""

    def __init__(self, enough: int) -> None:
        self.failing = [PLAN]
        self._left = enough

    def __call__(self, plan: Plan) -> Violation | None:
        self._left -= 1
        if self._left < 0 or not has(plan, Kind.CRASH):
            return None
        self.failing.append(plan)
        return Violation(Rule.DURABLE, 20.0, "h1", "voted")


@pytest.mark.parametrize("enough", range(30))
def test_one_that_has_had_enough_gets_the_best_so_far(enough: int) -> None:
    tired = Tired(enough)

    assert narrowed(PLAN, tired) in tired.failing


def test_those_after_one_that_goes_take_the_names_before_theirs() -> None:
    fewer = without(PLAN, "h3")
    assert fewer is not None
    assert [fault.target for fault in fewer.faults] == ["t07", "h3", "t02"]
    assert fewer.core == ("coordinator", "h1", "h2", "h3", "t01", "t02", "t03", "t07", "t09")
    assert (fewer.size.holders, fewer.size.threshold) == (4, 3)

    fewer = without(replace(PLAN, core=()), "t02")
    assert fewer is not None
    assert [fault.target for fault in fewer.faults] == ["t06", "h4"]
    assert (fewer.size.trainers, fewer.core) == (8, ())


def test_who_is_waited_for_is_renamed_too_and_the_fault_goes_with_it() -> None:
    by = Aim(point=Point.BEFORE_SEND, what="Vote", by="h4", nth=2)
    lie = Fault(kind=Kind.LIE_SMALL_SET, at_s=1.0, target="coordinator", aim=by)
    anybodys = replace(lie, aim=replace(by, by=ANYBODY))
    plan = replace(PLAN, faults=(lie, anybodys), core=())

    fewer, without_it = without(plan, "h3"), without(plan, "h4")

    assert fewer is not None
    assert without_it is not None
    assert fewer.faults == (replace(lie, aim=replace(by, by="h3")), anybodys)
    assert without_it.faults == (anybodys,)

    least = narrowed(
        replace(plan, faults=(anybodys,)), breaks_if(lambda plan: has(plan, Kind.LIE_SMALL_SET))
    )
    assert [one.aim for one in least.faults] == [replace(by, by=ANYBODY, nth=1)]


def test_nobody_goes_whom_the_core_or_a_round_needs() -> None:
    assert without(PLAN, "h1") is None
    assert without(replace(PLAN, size=Size(holders=3, trainers=9), core=()), "h1") is None
    assert without(replace(PLAN, size=Size(holders=5, trainers=3), core=()), "t01") is None


@settings(deadline=None)
@given(seed=SEEDS, data=st.data())
def test_a_smaller_cast_is_one_that_a_seed_could_have(seed: int, data: st.DataObject) -> None:
    plan: Plan | None = plan_of(seed)
    while plan is not None:
        size, roster = plan.size, roster_of(plan.size)
        everybody = (roster.coordinator, *roster.holders, *roster.trainers)
        n, f = size.holders, size.faults
        assert size.holders >= 3
        assert 3 <= size.minimum <= max(3, size.trainers - 2)
        assert not threshold_faults(
            holders=n,
            faults=f,
            threshold=size.threshold,
            quorum=majority(n, f),
            vote=size.vote,
        )
        assert 0 <= size.packing <= max(size.most_packing, 0)
        assert not (size.packing and (size.masked or size.norms))
        assert all(fault.target in ("", *everybody) for fault in plan.faults)
        assert set(plan.core) <= set(everybody)
        assert len([name for name in plan.core if name in roster.holders]) >= plan.size.needed
        assert len([name for name in plan.core if name in roster.trainers]) >= size.minimum
        plan = without(plan, data.draw(st.sampled_from((*roster.holders, *roster.trainers))))
