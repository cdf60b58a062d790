"""Rounds that ask batches in the simulator: whole histories, and bugs that the rule finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.simulation.faults import Aim, Fault, Kind, Plan, Point, Size
from infra.simulation.ghost import Rule
from infra.simulation.job import roster_of
from infra.simulation.narrowing import without
from infra.simulation.runner import History, run
from infra.simulation.swarm import plan_of
from protocols import batches
from protocols.batches import Asked, split
from protocols.secagg import contributing

SIZE = Size(holders=3, trainers=12, threshold=2, minimum=3, training_s=0.2, batches=3, drawn=1)
BATCHES = [sorted(batch) for batch in split(roster_of(SIZE), 3)]


def history(*faults: Fault, rounds: int = 9, size: Size = SIZE, seed: int = 1) -> History:
    plan = Plan(size=size, faults=faults, faulty_s=200.0, healed_s=0.0, rounds=rounds)
    return run(plan, seed, keep_trace=True)


def told(found: History) -> list[str]:
    return [str(violation) for violation in found.violations]


def test_batches_take_turns_and_every_sum_is_exact() -> None:
    found = history()

    assert told(found) == []
    assert (found.completed, found.abandoned) == (9, 0)


def test_nobody_waits_for_the_dead_of_batches_whose_turn_it_is_not() -> None:
    alone = [
        Fault(kind=Kind.CRASH, at_s=0.0, target=name, duration_s=1000.0) for name in BATCHES[0][1:]
    ]

    found = history(*alone)

    assert told(found) == []
    # The batch of one is asked in rounds 3, 6 and 9, and has no sum; the others have theirs.
    assert (found.completed, found.abandoned) == (6, 3)


@pytest.mark.parametrize("point", [Point.BEFORE_SEND, Point.AFTER_SEND, Point.AFTER_COMMIT])
def test_a_coordinator_that_dies_in_a_round_goes_on_with_the_same_batch(point: Point) -> None:
    what = "round" if point is Point.AFTER_COMMIT else "Announce"
    crashes = [
        Fault(
            kind=Kind.CRASH,
            at_s=0.0,
            target="coordinator",
            duration_s=1.0,
            aim=Aim(point=point, what=what, nth=nth),
        )
        for nth in (1, 6)
    ]

    found = history(*crashes)

    assert told(found) == []
    assert found.fired["crash"] == 2
    assert found.completed == 9


def test_the_swarm_draws_sampled_rounds_of_whole_batches() -> None:
    sizes = [plan_of(seed).size for seed in range(200)]
    sampled = [size for size in sizes if size.batches]

    assert 15 <= len(sampled) <= 50
    assert all(1 <= size.drawn < size.batches for size in sampled)
    assert all(size.trainers // size.batches >= size.minimum for size in sampled)
    assert not any(size.buffered for size in sampled)


@pytest.mark.parametrize("seed", [seed for seed in range(60) if plan_of(seed).size.batches][:4])
def test_a_swarm_of_faults_breaks_no_rule_of_sampled_rounds(seed: int) -> None:
    plan = plan_of(seed)

    assert told(run(plan, seed)) == []


def test_a_smaller_cast_has_whole_batches_or_none() -> None:
    plan: Plan | None = Plan(size=replace(SIZE, drawn=2), faults=(), faulty_s=1.0, rounds=1)
    sizes: list[Size] = []
    while plan is not None:
        sizes.append(plan.size)
        plan = without(plan, f"t{plan.size.trainers:02}")

    assert {size.batches for size in sizes} == {3, 2, 0}
    assert all(size.drawn < size.batches or size.drawn == 0 for size in sizes)
    assert all(size.trainers // (size.batches or 1) >= size.minimum for size in sizes)


# --- bugs that must be found ---------------------------------------------------------------


def rules(found: History) -> set[Rule]:
    return {violation.rule for violation in found.violations}


def test_a_coordinator_that_asks_everybody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "among", lambda _self, trainers: tuple(trainers))

    assert Rule.TURN in rules(history())


def test_trainers_that_contribute_out_of_turn_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contributing, "not_asked", lambda *_: None)
    asks_others = Fault(kind=Kind.LIE_OUT_OF_TURN, at_s=1.0, target="coordinator", amount=1.0)

    assert Rule.TURN in rules(history(asks_others))


def test_a_sum_with_a_part_of_a_batch_below_the_minimum_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = replace(SIZE, drawn=2)
    dead = [
        Fault(kind=Kind.CRASH, at_s=0.0, target=name, duration_s=1000.0) for name in BATCHES[0][2:]
    ]
    assert told(history(*dead, size=size)) == []
    monkeypatch.setattr(Asked, "_short_of", lambda _self, _inside: [])

    assert Rule.TURN in rules(history(*dead, size=size))


def test_another_split_than_that_of_the_names_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_place", lambda trainer: trainer.encode())
    batches.split.cache_clear()

    found = rules(history())

    batches.split.cache_clear()
    assert Rule.TURN in found
