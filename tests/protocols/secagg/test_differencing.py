"""Which sets may be summed beside earlier ones: never too close, as large as can be, repeatable."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocols.secagg import sets
from protocols.secagg.differencing import Apart, bitmap, choose_releasable, members, releasable
from protocols.secagg.sets import choose

TRAINERS = tuple("abcdefgh")
NAMES = st.frozensets(st.sampled_from(TRAINERS))
LEAST = st.integers(3, 6)


def of(text: str) -> frozenset[str]:
    return frozenset(text)


def earlier(least: int, *texts: str) -> Apart:
    return Apart(tuple(of(text) for text in texts), least)


def subsets(names: frozenset[str], least: int) -> Iterator[frozenset[str]]:
    for size in range(len(names), least - 1, -1):
        yield from (frozenset(some) for some in combinations(sorted(names), size))


def fits(chosen: frozenset[str], before: Apart) -> bool:
    return all(chosen == other or len(chosen ^ other) >= before.least for other in before.sets)


# --- how far two sets are apart -------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "difference"),
    [("abcde", None), ("abcd", 1), ("abc", 2), ("ab", None), ("abcdef", 1), ("abcfg", 4)],
)
def test_a_set_is_the_same_or_differs_by_the_minimum(chosen: str, difference: int | None) -> None:
    least = 5 if difference == 4 else 3

    assert earlier(least, "abcde").too_close(of(chosen)) == difference


def test_who_left_and_who_came_both_count() -> None:
    swapped = earlier(3, "abcde").too_close(of("abcdf"))

    assert swapped == 2


def test_as_many_as_the_minimum_are_enough() -> None:
    assert earlier(3, "abcdef").too_close(of("abc")) is None


def test_of_several_earlier_sets_the_nearest_forbidden_one_counts() -> None:
    assert earlier(4, "abcdef", "abcd", "abcdefgh").too_close(of("abcde")) == 1


def test_two_rules_together_are_the_sets_of_both_and_the_larger_distance() -> None:
    both = earlier(3, "abc", "abd") | earlier(5, "abd", "efg")

    assert both == earlier(5, "abc", "abd", "efg")


# --- the set that is chosen -----------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "sums", "chosen"),
    [
        ("abcdef", (), "abcdef"),
        ("abcdef", ("abcdef",), "abcdef"),
        ("abcdef", ("abc",), "abcdef"),
        ("abcde", ("abcdef",), "abc"),
        ("abcdef", ("abcde",), "abcde"),
        ("abcd", ("abcde",), ""),
        ("abcdefgh", ("abcdefg", "abcd"), "abcdefg"),
    ],
    ids=["nothing before", "the same", "far", "one gone", "one more", "none may", "the larger"],
)
def test_as_few_are_left_out_as_can_be(available: str, sums: tuple[str, ...], chosen: str) -> None:
    found = releasable(of(available), earlier(3, *sums), minimum=3)

    assert len(found) == len(chosen)
    assert fits(found, earlier(3, *sums))
    if chosen in sums:
        assert found == of(chosen)


def test_of_equally_large_sets_an_earlier_one_is_chosen() -> None:
    # Without two of abcdefg, the set is apart as well; with ef left out it is the earlier one.
    found = releasable(of("abcdef"), earlier(4, "abcd"), minimum=3)

    assert found == of("abcd")


@settings(max_examples=400, deadline=None)
@given(NAMES, st.lists(NAMES, max_size=4), LEAST, LEAST)
def test_no_larger_set_fits_and_no_other_answer_is_given(
    available: frozenset[str], before: list[frozenset[str]], least: int, minimum: int
) -> None:
    apart = Apart(tuple(before), least)

    found = releasable(available, apart, minimum=minimum)

    best = next((s for s in subsets(available, minimum) if fits(s, apart)), frozenset())
    assert len(found) == len(best)
    assert found <= available
    assert not found or fits(found, apart)
    assert releasable(frozenset(sorted(available, reverse=True)), apart, minimum=minimum) == found


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=12), LEAST)
def test_a_coordinator_that_remembers_never_asks_for_two_sets_that_are_too_close(
    rounds: list[frozenset[str]], minimum: int
) -> None:
    asked: tuple[frozenset[str], ...] = ()
    for available in rounds:
        found = releasable(available, Apart(asked, minimum), minimum=minimum)
        if found:
            asked = tuple(dict.fromkeys((*asked, found)))

    assert all(len(one ^ other) >= minimum for one, other in combinations(asked, 2))
    assert all(len(one) >= minimum for one in asked)


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6), LEAST)
def test_when_all_are_back_there_is_always_a_set(
    rounds: list[frozenset[str]], minimum: int
) -> None:
    asked: tuple[frozenset[str], ...] = ()
    for available in rounds:
        found = releasable(available, Apart(asked, minimum), minimum=minimum)
        asked = tuple(dict.fromkeys((*asked, found))) if found else asked
    assume(asked)

    again = releasable(of("abcdefgh"), Apart(asked, minimum), minimum=minimum)

    assert len(again) >= max(len(one) for one in asked)


def test_a_large_federation_with_many_earlier_sets_is_decided_soon_and_lawfully() -> None:
    names = [f"t{place:04}" for place in range(1000)]
    sums = tuple(frozenset(names) - frozenset(names[7 * k : 7 * k + 40]) for k in range(12))
    apart = Apart(sums, 60)

    found = releasable(frozenset(names[:980]), apart, minimum=60)

    assert len(found) > 800
    assert fits(found, apart)


def test_made_up_sets_of_a_holder_that_lies_cost_a_bounded_time() -> None:
    """Sets that are close to each other in every way: no honest holder is bound to such."""
    names = [f"t{place:04}" for place in range(2000)]
    draw = random.Random(1)
    sums = tuple(frozenset(draw.sample(names, 1000)) for _ in range(64))
    began = time.process_time()

    found = releasable(frozenset(names), Apart(sums, 1200), minimum=3)

    assert time.process_time() - began < 20.0
    assert not found or fits(found, Apart(sums, 1200))


# --- what holders hold, and are bound to ----------------------------------------------


def held(**texts: str) -> dict[str, dict[str, bytes]]:
    return {holder: dict.fromkeys(text, b"d") for holder, text in texts.items()}


def chosen_from(
    have: Mapping[str, Mapping[str, bytes]], bound: Mapping[str, Apart], *, need: int = 2
) -> str:
    return "".join(c.trainer for c in choose_releasable(have, bound, need=need, minimum=3))


def test_where_nobody_is_bound_the_largest_set_is_chosen() -> None:
    have = held(h1="abcd", h2="abce", h3="abcde")

    assert choose_releasable(have, {}, need=2, minimum=3) == choose(have, need=2)
    assert choose_releasable(have, {}, need=2, minimum=5) == ()


def test_only_those_who_sum_must_be_free_to() -> None:
    have = held(h1="abcd", h2="abcd", h3="abcd")
    bound = {"h1": earlier(3, "abcde")}

    assert chosen_from(have, bound) == "abcd"
    assert chosen_from(have, bound, need=3) == ""


def test_a_larger_set_of_bound_holders_loses_to_what_others_may_sum() -> None:
    have = held(h1="abcde", h2="abcde", h3="abcd", h4="abcd")
    bound = {"h1": earlier(3, "abcdef"), "h2": earlier(3, "abcdef")}

    assert chosen_from(have, bound) == "abcd"


def test_what_one_holder_claims_to_be_bound_to_holds_nobody_else_up() -> None:
    have = held(h1="abcdef", h2="abcdef", h3="abcdef")
    claims = {"h1": earlier(100, "abcde", "bcdef", "acdef")}

    assert chosen_from(have, claims) == "abcdef"


HAVE = st.dictionaries(
    st.sampled_from(["h1", "h2", "h3", "h4"]),
    st.dictionaries(st.sampled_from(TRAINERS[:6]), st.sampled_from([b"d", b"e"])),
)
BOUND = st.dictionaries(
    st.sampled_from(["h1", "h2", "h3", "h4"]),
    st.builds(Apart, st.lists(NAMES, max_size=2).map(tuple), LEAST),
)


@settings(max_examples=300, deadline=None)
@given(HAVE, BOUND, st.integers(1, 4))
def test_no_group_of_holders_could_release_more(
    have: dict[str, dict[str, bytes]], bound: dict[str, Apart], need: int
) -> None:
    found = choose_releasable(have, bound, need=need, minimum=3)

    best = 0
    for group in combinations(sorted(have), need):
        common = frozenset.intersection(*(frozenset(have[holder].items()) for holder in group))
        free = [bound.get(holder, Apart()) for holder in group]
        sizes = (
            len(some)
            for some in subsets(frozenset(name for name, _ in common), 3)
            if all(fits(some, _raised(apart, free)) for apart in free)
        )
        best = max(best, next(sizes, 0))
    assert len(found) == best
    assert list(found) == sorted(found, key=lambda each: each.trainer)


def _raised(apart: Apart, others: list[Apart]) -> Apart:
    return Apart(apart.sets, max(other.least for other in others))


def test_with_too_many_groups_the_choice_is_greedy_and_obeys_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sets, "_MAX_GROUPS", 0)
    have = held(h1="abcdef", h2="abcdef", h3="abcdefg")

    assert chosen_from(have, {"h3": earlier(3, "abcdefg")}) == "abcd"


# --- bits -----------------------------------------------------------------------------


@given(st.lists(st.sampled_from(TRAINERS), unique=True), NAMES)
def test_a_set_comes_back_from_its_bits(trainers: list[str], names: frozenset[str]) -> None:
    roster = tuple(trainers)

    assert members(bitmap(names, roster), roster) == names & frozenset(roster)


@pytest.mark.parametrize("bits", [b"", b"\x00\x00", b"\x20"], ids=["short", "long", "stranger"])
def test_bits_of_another_number_of_trainers_are_no_set(bits: bytes) -> None:
    assert members(bits, TRAINERS[:5]) is None
