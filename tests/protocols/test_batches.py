"""Which trainers a round asks: a split that nothing but names decides, and turns that are fair."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from fakes.round_parts import COORDINATOR, HOLDERS, config_of
from hypothesis import given
from hypothesis import strategies as st

from protocols.batches import Asked, drawn_in, not_asked, split
from protocols.round_config import Roster, RoundConfig, batches_of, sample_faults

Names = frozenset[str]

NAMES = st.lists(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True), min_size=6, max_size=40, unique=True
)


def roster_of(trainers: list[str], **changes: Any) -> Roster:
    usual: dict[str, Any] = {
        "federation": "test",
        "coordinator": COORDINATOR,
        "holders": HOLDERS,
        "trainers": tuple(trainers),
    }
    return Roster(**(usual | changes))


def trainers_of(count: int) -> list[str]:
    return [f"site-{place:03}" for place in range(count)]


def config_for(roster: Roster, batches: int, drawn: int, **changes: Any) -> RoundConfig:
    sizes = {"trainers": len(roster.trainers), "batches": batches, "drawn": drawn}
    return config_of(roster=roster.digest(), **(sizes | changes))


# --- the split ------------------------------------------------------------------------


@given(names=NAMES, batches=st.integers(1, 6), draw=st.randoms(use_true_random=False))
def test_the_split_is_of_everybody_once_and_follows_from_the_names_alone(
    names: list[str], batches: int, draw: Any
) -> None:
    found = split(roster_of(names), batches)
    shuffled = draw.sample(names, len(names))
    elsewhere = roster_of(shuffled, federation="other", keys=bytes([1]) * 32)

    assert Counter(name for batch in found for name in batch) == Counter(names)
    assert split(elsewhere, batches) == found
    assert max(map(len, found)) - min(map(len, found)) <= 1


@given(
    trainers=st.integers(6, 200),
    minimum=st.integers(3, 20),
    sample=st.integers(3, 100),
    data=st.data(),
)
def test_no_batch_is_below_the_minimum_and_a_round_asks_about_a_sample(
    trainers: int, minimum: int, sample: int, data: st.DataObject
) -> None:
    batch = data.draw(st.sampled_from([0, *range(minimum, sample + 1)]))
    sizes = {"trainers": trainers, "minimum": minimum, "sample": sample, "batch": batch}
    if sample_faults(**sizes):
        return
    batches, drawn = batches_of(trainers=trainers, sample=sample, batch=batch)
    roster = roster_of(trainers_of(trainers))
    config = config_for(roster, batches, drawn, minimum=minimum)

    least = min(map(len, split(roster, batches)))
    asked = len(Asked.of(config, roster).among(roster.trainers))

    assert least >= max(minimum, batch or sample)
    assert 2 / 3 * sample - 1 <= asked <= 3 / 2 * sample + 1
    assert asked < trainers


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ({"trainers": 100, "sample": 20}, (5, 1)),
        ({"trainers": 100, "sample": 20, "batch": 10}, (10, 2)),
        ({"trainers": 100, "sample": 30}, (3, 1)),
        ({"trainers": 7, "sample": 3}, (2, 1)),
        ({"trainers": 100, "sample": 20, "batch": 7}, (14, 3)),
    ],
)
def test_a_sample_is_of_whole_batches(sizes: dict[str, int], found: tuple[int, int]) -> None:
    assert batches_of(**sizes) == found


@pytest.mark.parametrize(
    ("sizes", "fault"),
    [
        ({"sample": 4, "minimum": 5}, "a sample of 4 is below the minimum of 5"),
        ({"sample": 8, "batch": 4, "minimum": 5}, "batches of 4 are below the minimum of 5"),
        ({"sample": 8, "batch": 9}, "a sample of 8 holds no whole batch of 9; use 8 or less"),
        ({"sample": 11}, "is everybody; use 10 or less, or leave it out"),
        ({"sample": 19, "batch": 9}, "is everybody; use 10 or less, or leave it out"),
        ({"sample": 14, "minimum": 11}, "is everybody; leave it out"),
    ],
)
def test_what_is_no_sample_is_refused_with_what_to_change(
    sizes: dict[str, int], fault: str
) -> None:
    (text,) = sample_faults(**({"trainers": 20, "minimum": 3} | sizes))

    assert fault in text


def test_the_split_does_not_keep_likenesses_of_names_together() -> None:
    names = [f"{place}-{number}" for place in ("north", "south") for number in range(20)]

    first = split(roster_of(names), 2)[0]

    assert 4 <= sum(name.startswith("north") for name in first) <= 16


def test_a_split_of_known_names_is_the_same_on_every_machine() -> None:
    batches = split(roster_of(["ann", "bob", "cat", "dan", "eve", "fay"]), 2)

    assert [sorted(batch) for batch in batches] == [
        ["ann", "dan", "fay"],
        ["bob", "cat", "eve"],
    ]


# --- the draw -------------------------------------------------------------------------


@given(batches=st.integers(2, 12), data=st.data(), first=st.integers(0, 2**50))
def test_of_as_many_rounds_as_there_are_batches_each_trainer_is_asked_equally_often(
    batches: int, data: st.DataObject, first: int
) -> None:
    drawn = data.draw(st.integers(1, batches - 1))
    roster = roster_of(trainers_of(3 * batches + 1))
    times: Counter[str] = Counter()
    for number in range(first, first + batches):
        config = config_for(roster, batches, drawn, number=number)
        assert len(set(drawn_in(config))) == drawn
        times.update(Asked.of(config, roster).among(roster.trainers))

    assert set(times) == set(roster.trainers)
    assert set(times.values()) == {drawn}


def test_whom_a_round_asks_does_not_depend_on_the_job_or_its_model() -> None:
    roster = roster_of(trainers_of(12))
    one = config_for(roster, 3, 1)
    other = config_for(roster, 3, 1, job="another", state=bytes([7]) * 32, dimension=3)

    assert Asked.of(one, roster) == Asked.of(other, roster)


@given(count=st.integers(6, 14), data=st.data())
def test_no_combination_of_sums_of_many_rounds_tells_of_fewer_than_a_batch(
    count: int, data: st.DataObject
) -> None:
    batches = data.draw(st.integers(2, count // 3))
    drawn = data.draw(st.integers(1, batches - 1))
    roster = roster_of(trainers_of(count))
    rounds = [config_for(roster, batches, drawn, number=number) for number in range(20)]
    sums = np.array(
        [[name in Asked.of(config, roster) for name in roster.trainers] for config in rounds],
        dtype=float,
    )
    rank = np.linalg.matrix_rank(sums)
    alone = range(1, min(map(len, split(roster, batches))))

    solved = [
        few
        for size in alone
        for few in combinations(range(count), size)
        if np.linalg.matrix_rank(np.vstack([sums, np.isin(np.arange(count), few)])) == rank
    ]

    assert solved == []


def test_a_round_that_asks_everybody_has_no_batches() -> None:
    roster = roster_of(trainers_of(6))
    config = config_of(trainers=6, roster=roster.digest())

    assert drawn_in(config) == ()
    assert Asked.of(config, roster).among(roster.trainers) == roster.trainers
    assert Asked.of(config, roster).fault(roster.trainers[:1]) is None
    assert not_asked(config, roster, roster.trainers[0]) is None


# --- what may be summed ---------------------------------------------------------------


def two_of_three() -> tuple[RoundConfig, Roster, list[list[str]]]:
    """Return round 1, which asks the batches 2 and 0 of three with four trainers each."""
    roster = roster_of(trainers_of(12))
    return config_for(roster, 3, 2), roster, [sorted(batch) for batch in split(roster, 3)]


def test_a_sum_has_none_or_the_minimum_of_each_batch() -> None:
    config, roster, (first, second, third) = two_of_three()
    asked = Asked.of(config, roster)

    assert asked.fault([*first, *third]) is None
    assert asked.fault(first) is None
    assert asked.fault([*first, *third[1:]]) is None
    assert "there are fewer than the minimum of 3" in str(asked.fault([*first, *third[:2]]))
    assert asked.short([*first, *third[:2]]) == frozenset(third[:2])
    assert f"{second[0]} is of no batch" in str(asked.fault([*first, second[0]]))


def test_who_is_not_asked_is_told_whose_turn_it_is() -> None:
    config, roster, (first, second, _) = two_of_three()

    assert not_asked(config, roster, first[0]) is None
    assert not_asked(config, roster, second[0]) == (
        f"not our turn: round 1 asks batch 1, 3 of 3, and {second[0]} is of batch 2"
    )
