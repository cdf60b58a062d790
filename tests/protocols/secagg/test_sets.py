"""Sets of contributions: chosen as large as can be, the same for the same facts, never unsafe."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from fakes.round_parts import ROSTER, config_of, contribution, header_of, set_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.codec import canonical
from protocols.messages import Contribution
from protocols.secagg import sets
from protocols.secagg.sets import choose, contribution_digest, set_digest, set_fault

CONFIG = config_of()

Have = dict[str, dict[str, bytes]]
HAVES = st.dictionaries(
    st.sampled_from([f"h{i}" for i in range(6)]),
    st.dictionaries(
        st.sampled_from([f"t{i}" for i in range(6)]), st.sampled_from([b"x" * 32, b"y" * 32])
    ),
    min_size=1,
)


def pairs(chosen: tuple[Contribution, ...]) -> set[tuple[str, bytes]]:
    return {(c.trainer, c.digest) for c in chosen}


def largest(have: Have, need: int) -> int:
    groups = combinations(have.values(), need)
    return max(
        (len(set.intersection(*(set(h.items()) for h in group))) for group in groups), default=0
    )


def holders_with_all(have: Have, chosen: tuple[Contribution, ...]) -> int:
    return sum(pairs(chosen) <= set(held.items()) for held in have.values())


@settings(max_examples=400, deadline=None)
@given(have=HAVES, need=st.integers(1, 6))
def test_the_choice_is_as_large_as_trying_everything_finds(have: Have, need: int) -> None:
    chosen = choose(have, need=need)

    assert len(chosen) == largest(have, need)
    assert not chosen or holders_with_all(have, chosen) >= need
    assert [c.trainer for c in chosen] == sorted(c.trainer for c in chosen)


@settings(max_examples=200, deadline=None)
@given(have=HAVES, need=st.integers(1, 6), random=st.randoms())
def test_the_same_facts_in_another_order_give_the_same_choice(
    have: Have, need: int, random: Any
) -> None:
    holders = list(have)
    random.shuffle(holders)
    shuffled: Have = {}
    for holder in holders:
        items = list(have[holder].items())
        random.shuffle(items)
        shuffled[holder] = dict(items)

    assert choose(shuffled, need=need) == choose(have, need=need)


def test_of_two_equal_choices_the_first_holders_in_the_alphabet_decide() -> None:
    x = b"x" * 32
    have = {
        "h4": {"t3": x, "t4": x},
        "h3": {"t3": x, "t4": x},
        "h2": {"t1": x, "t2": x},
        "h1": {"t1": x, "t2": x},
    }

    assert [c.trainer for c in choose(have, need=2)] == ["t1", "t2"]


def test_a_trainer_with_two_digests_is_one_contribution_at_most() -> None:
    x, y = b"x" * 32, b"y" * 32

    assert choose({"h1": {"t1": x}, "h2": {"t1": y}}, need=2) == ()
    assert choose({"h1": {"t1": x}, "h2": {"t1": y}}, need=1) in (
        (Contribution(trainer="t1", digest=x),),
        (Contribution(trainer="t1", digest=y),),
    )


@pytest.mark.parametrize(("have", "need"), [({}, 1), ({"h1": {}}, 1), ({"h1": {"t": b""}}, 2)])
def test_there_is_nothing_to_choose_when_too_few_hold_anything(have: Have, need: int) -> None:
    assert choose(have, need=need) == ()


@settings(max_examples=200, deadline=None)
@given(have=HAVES, need=st.integers(1, 6))
@example(have={f"h{i}": {"t1": b"x" * 32} for i in range(6)}, need=3)
def test_the_greedy_choice_is_held_in_full_by_enough_holders(have: Have, need: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "_MAX_GROUPS", 0)
        chosen = choose(have, need=need)

    assert len(chosen) <= largest(have, need)
    assert not chosen or holders_with_all(have, chosen) >= need
    assert len({c.trainer for c in chosen}) == len(chosen)


def test_forty_holders_are_chosen_for_greedily_and_still_rightly() -> None:
    names = [f"t{i:02}" for i in range(50)]
    digest = b"d" * 32
    have = {
        f"h{i:02}": {name: digest for name in names if i > 4 or int(name[1:]) % 5 != i}
        for i in range(40)
    }

    chosen = choose(have, need=30)

    assert chosen
    assert holders_with_all(have, chosen) >= 30


def test_the_greedy_choice_finds_a_set_where_no_trainer_is_complete_everywhere() -> None:
    names = [f"t{i:02}" for i in range(40)]
    digest = b"d" * 32
    have = {
        f"h{i:02}": {name: digest for name in names if (int(name[1:]) - i) % 40 not in (0, 13, 26)}
        for i in range(40)
    }

    chosen = choose(have, need=30)

    assert chosen
    assert holders_with_all(have, chosen) >= 30


# --- what must never be opened --------------------------------------------------------


def test_a_set_of_enough_trainers_of_the_roster_is_fine() -> None:
    assert set_fault(CONFIG, ROSTER, set_of(CONFIG, "ann", "bob", "cat")) is None
    assert set_fault(CONFIG, ROSTER, set_of(CONFIG, "ann", "bob", "cat", "dan", "eve")) is None


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), "0 contributions are below the minimum of 3"),
        (("ann", "bob"), "2 contributions are below the minimum of 3"),
        (("bob", "ann", "cat"), "not sorted by distinct trainers"),
        (("ann", "ann", "bob"), "not sorted by distinct trainers"),
        (("ann", "bob", "bob"), "not sorted by distinct trainers"),
        (("ann", "bob", "mallory"), "mallory is not a trainer"),
        (("ann", "bob", "holder-1"), "holder-1 is not a trainer"),
        (("ann", "bob", "coordinator"), "coordinator is not a trainer|not sorted"),
    ],
)
def test_a_set_that_must_never_be_opened_is_named(names: tuple[str, ...], text: str) -> None:
    fault = set_fault(CONFIG, ROSTER, set_of(CONFIG, *names))

    assert fault is not None
    assert any(part in fault for part in text.split("|"))


def test_one_trainer_under_two_digests_does_not_count_twice() -> None:
    twice = (contribution(CONFIG, "ann", 0), contribution(CONFIG, "ann", 1))

    fault = set_fault(CONFIG, ROSTER, (*twice, contribution(CONFIG, "bob")))

    assert fault is not None


def test_a_set_above_the_rounds_trainers_would_overflow_and_is_refused() -> None:
    config = config_of(trainers=4)

    fault = set_fault(config, ROSTER, set_of(config, "ann", "bob", "cat", "dan", "eve"))

    assert fault == "5 contributions are above the 4 trainers"


# --- digests --------------------------------------------------------------------------


def test_the_digest_of_a_set_is_bound_to_its_round_its_order_and_all_of_it() -> None:
    cid, one = CONFIG.cid(), set_of(CONFIG, "ann", "bob", "cat")
    digests = [
        set_digest(cid, one),
        set_digest(config_of(number=2).cid(), one),
        set_digest(cid, one[::-1]),
        set_digest(cid, one[:2]),
        set_digest(cid, ()),
        set_digest(cid, (*one[:2], contribution(CONFIG, "cat", 1))),
        set_digest(cid, (*one[:2], Contribution(trainer="dan", digest=one[2].digest))),
        set_digest(cid, (*one, one[2])),
    ]

    assert len(set(digests)) == len(digests)
    assert set_digest(cid, set_of(CONFIG, "ann", "bob", "cat")) == digests[0]


def test_the_digest_of_a_contribution_is_that_of_its_header() -> None:
    header = header_of(CONFIG, "ann")

    assert contribution_digest(header) == contribution_digest(header_of(CONFIG, "ann"))
    assert contribution_digest(header) != contribution_digest(header_of(CONFIG, "ann", 1))
    assert b"ann" in canonical(header)
