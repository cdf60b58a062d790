"""Garbage of one trainer costs its group and nobody else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse
from protocols.secagg.masked.grouping import add_group, groups_of
from protocols.secagg.masked.noise import Garbled, Verdict

CID = bytes(range(32))
NAMES = [f"trainer-{number}" for number in range(10)]


@settings(deadline=None)
@given(
    names=st.sets(st.text("abcdef", min_size=1, max_size=6), min_size=1, max_size=60),
    least=st.integers(1, 20),
)
def test_groups_are_a_partition_and_none_is_smaller_than_the_least(names, least):
    if least > len(names):
        with pytest.raises(Misuse, match="do not make groups"):
            groups_of(CID, sorted(names), least)
        return

    groups = groups_of(CID, sorted(names), least)

    assert sorted(name for group in groups for name in group) == sorted(names)
    assert all(least <= len(group) < 2 * least for group in groups)
    assert groups == groups_of(CID, sorted(names, reverse=True), least)


def test_another_round_makes_other_groups():
    assert groups_of(CID, NAMES, 3) != groups_of(bytes(32), NAMES, 3)


def test_names_that_repeat_are_refused():
    with pytest.raises(Misuse):
        groups_of(CID, ["a", "b", "a"], 1)


@pytest.fixture
def parties(round_with, everybody):
    return everybody(round_with(trainers=12))


@pytest.fixture
def vectors(parties):
    of, rng = parties.of, np.random.default_rng(0)
    limit = of.layout.limit
    return {name: rng.integers(-limit, limit, of.dimension, endpoint=True) for name in NAMES}


def summed(parties, contributions, groups):
    total = np.zeros(parties.of.dimension, dtype=np.int64)
    verdicts = []
    for group in groups:
        opened = parties.opener([contributions[name] for name in group])
        verdicts.append(add_group(parties.of, total, group, opened))
    return total, verdicts


@pytest.mark.parametrize("block", [0, 1, 2])
def test_garbage_in_any_block_costs_its_group_and_it_is_said(
    parties, vectors, seed_of, block, round_with, everybody
):
    contributions = {
        name: parties.contribution(seed_of(number), vectors[name])
        for number, name in enumerate(NAMES)
    }
    groups = groups_of(parties.of.cid, NAMES, 3)
    assert len(groups) == 3
    liar = groups[1][0]
    # Its mask is of another round, so no secret takes it off.
    other = everybody(round_with(trainers=12, number=9)).contribution(seed_of(0), vectors[liar])
    contributions[liar].blocks[block] = other.blocks[block]

    total, verdicts = summed(parties, contributions, groups)

    kept = [name for group in (groups[0], groups[2]) for name in group]
    assert total.tolist() == sum(vectors[name] for name in kept).tolist()
    assert [each.verdict for each in verdicts] == [Verdict.SOUND, Verdict.GARBLED, Verdict.SOUND]
    assert verdicts[1].trainers == groups[1]
    assert liar in str(verdicts[1])
    assert "worthless" in str(verdicts[1])


def test_all_of_a_sound_set_is_summed(parties, vectors, seed_of):
    contributions = {
        name: parties.contribution(seed_of(number), vectors[name])
        for number, name in enumerate(NAMES)
    }

    total, verdicts = summed(parties, contributions, groups_of(parties.of.cid, NAMES, 3))

    assert total.tolist() == sum(vectors.values()).tolist()
    assert all(each.verdict is Verdict.SOUND for each in verdicts)
    assert sum(each.noise.count for each in verdicts) == 3 * 3 * 128


def test_a_group_whose_later_secrets_do_not_open_is_taken_back(parties, vectors, seed_of):
    contributions = [
        parties.contribution(seed_of(number), vectors[name])
        for number, name in enumerate(NAMES[:3])
    ]
    sound = parties.opener(contributions)

    def opened(block: int):
        if parties.of.span_of(block) == 1:
            raise Garbled("a false share")
        return sound(block)

    total = np.arange(parties.of.dimension)
    group = add_group(parties.of, total, tuple(NAMES[:3]), opened)

    assert group.verdict is Verdict.GARBLED
    assert total.tolist() == list(range(parties.of.dimension))


def test_a_sum_of_more_than_the_layout_holds_is_refused(parties):
    names = tuple(f"trainer-{number}" for number in range(13))
    total = np.zeros(parties.of.dimension, dtype=np.int64)

    with pytest.raises(Misuse, match="a sum of 13 trainers where 12 may be"):
        add_group(parties.of, total, names, lambda block: pytest.fail("it was opened"))
