from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from protocols.errors import Misuse, Unfit
from protocols.learning.job import JobFailed, Opened, require_cohort
from protocols.learning.layout import Layout, Part, Sums, count
from protocols.learning.phases import Phase, Phased, note
from protocols.learning.state import State


@dataclass(frozen=True)
class Counting(Phase[int]):
    """Counts until the total reaches `enough`."""

    name: str
    enough: int
    goes_on: bool = False

    def begin(self, state: State) -> State:
        return state.evolved(total=0)

    def layout(self, state: State) -> Layout:
        return Layout({"n": count()})

    def local(self, state: State, data: int) -> Mapping[str, Part]:
        return {"n": data}

    def update(self, state: State, sums: Sums) -> State:
        return note(state.evolved(total=state.count("total") + int(sums["n"])), self.name)

    def done(self, state: State) -> bool:
        return state.count("total") >= self.enough

    def regrouped(self, state: State) -> State | None:
        return state.evolved(total=100) if self.goes_on else None


@dataclass(frozen=True)
class Twice(Phased[int]):
    goes_on: bool = False
    max_rounds: int = 10

    def phases(self) -> Sequence[Phase[int]]:
        return Counting("one", 4), Counting("two", 6, self.goes_on)


class Alone(Twice):
    one_cohort = False


def play(algorithm: Twice, state: State, *owners: str) -> State:
    total = np.sum([algorithm.local(state, 1) for _ in owners], axis=0)
    return algorithm.update(state, Opened(total=total, survivors=owners))


def test_a_phase_is_repeated_until_it_is_done_and_then_the_next_begins() -> None:
    algorithm, names = Twice(), []
    state = algorithm.start()

    while not algorithm.verdict(state).over:
        names.append(state.text("phase"))
        state = play(algorithm, state, "ann", "bob", "cem")

    assert names == ["one", "one", "two", "two"]
    assert algorithm.verdict(state).reason == "converged"
    assert state.items("notes") == names


def test_rounds_end_at_their_maximum() -> None:
    algorithm = Twice(max_rounds=3)
    state = algorithm.start()

    for _ in range(3):
        assert not algorithm.verdict(state).over
        state = play(algorithm, state, "ann", "bob", "cem")

    assert algorithm.verdict(state).reason == "max rounds"


def test_a_smaller_cohort_begins_again_at_the_first_phase_without_this_sum() -> None:
    algorithm = Twice()
    state = algorithm.start()
    for _ in range(3):
        state = play(algorithm, state, "ann", "bob", "cem")

    after = play(algorithm, state, "ann", "bob")

    assert (after.text("phase"), after.count("total"), after.items("cohort")) == ("one", 0, [])
    assert (after.count("round"), after.count("restarts")) == (4, 1)
    assert after.items("notes")[-1] == "round 4: cem left, nobody came; began again"


def test_after_three_new_beginnings_nobody_has_another_chance() -> None:
    algorithm, everybody = Twice(max_rounds=30), ("ann", "bob", "cem", "dan")
    state, may_come = algorithm.start(), []
    for missing in ("ann", "bob", "cem", "dan"):
        state = play(algorithm, state, *everybody)
        state = play(algorithm, state, *(name for name in everybody if name != missing))
        may_come.append([name for name in everybody if takes_part(state, name)])

    assert may_come == [[*everybody]] * 3 + [["ann", "bob", "cem"]]
    assert (
        state.items("notes")[-1] == "round 8: dan left, nobody came; began again with who is left"
    )
    fewer = play(algorithm, state, "ann", "cem")
    assert (fewer.items("cohort"), fewer.count("total")) == (["ann", "cem"], 2)
    assert fewer.items("notes")[-2] == (
        "round 9: bob left, nobody came; went on from here with who is left"
    )


def takes_part(state: State, owner: str) -> bool:
    try:
        require_cohort(state, owner)
    except Unfit:
        return False
    return True


def test_a_phase_that_can_goes_on_with_who_is_left_and_takes_this_sum() -> None:
    algorithm = Twice(goes_on=True)
    state = algorithm.start()
    for _ in range(3):
        state = play(algorithm, state, "ann", "bob", "cem")

    after = play(algorithm, state, "ann", "cem")

    assert (after.count("total"), after.items("cohort")) == (102, ["ann", "cem"])
    assert after.items("notes")[-2:] == [
        "round 4: bob left, nobody came; went on from here with who is left",
        "two",
    ]


def test_rounds_that_stand_alone_take_whoever_is_there() -> None:
    algorithm = Alone()
    state = algorithm.start()

    for owners in (
        ("ann",),
        ("bob", "cem"),
        ("ann", "cem"),
        ("ann", "bob", "cem"),
        ("bob", "cem", "ann"),
    ):
        state = play(algorithm, state, *owners)

    assert algorithm.verdict(state).reason == "converged"
    assert (state.count("restarts"), state.items("cohort")) == (0, [])


def test_a_sum_that_is_not_finite_fails_the_job() -> None:
    algorithm = Twice()

    with pytest.raises(JobFailed, match="not finite"):
        algorithm.update(algorithm.start(), Opened(total=np.array([np.nan]), survivors=("ann",)))


def test_a_state_of_another_algorithm_is_misuse() -> None:
    with pytest.raises(Misuse, match="no phase 'three'"):
        Twice().layout(State(facts={"phase": "three"}))
