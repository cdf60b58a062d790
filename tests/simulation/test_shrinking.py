"""`ddmin`: what is left still fails, nothing of it can be spared, and it does not take for ever."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.simulation.shrinking import ddmin

ITEMS = st.lists(st.integers(0, 5), max_size=9)


class Counted:
    """A predicate on positions; what was given fails."""

    def __init__(self, whole: tuple[int, ...], fails: Callable[[tuple[int, ...]], bool]) -> None:
        self.asked: list[tuple[int, ...]] = []
        self._whole = whole
        self._fails = fails

    def __call__(self, kept: tuple[int, ...]) -> bool:
        self.asked.append(kept)
        return kept == self._whole or self._fails(kept)


@settings(deadline=None, max_examples=300)
@given(
    count=st.integers(0, 9),
    fails=st.functions(like=lambda kept: True, returns=st.booleans(), pure=True),
)
def test_what_is_left_fails_and_none_of_it_can_be_spared(
    count: int, fails: Callable[[tuple[int, ...]], bool]
) -> None:
    whole = tuple(range(count))
    counted = Counted(whole, fails)

    left = ddmin(whole, counted)
    asked, empty = len(counted.asked), counted.asked.count(())

    assert counted(left)
    assert list(left) == sorted(left)
    assert not any(counted(left[:place] + left[place + 1 :]) for place in range(len(left)))
    assert asked <= count * count + 3 * count + 1
    assert empty <= 1


@given(whole=st.lists(st.integers(), max_size=40, unique=True), data=st.data())
def test_exactly_what_is_needed_is_left(whole: list[int], data: st.DataObject) -> None:
    needed = data.draw(st.sets(st.sampled_from(whole))) if whole else set()

    left = ddmin(whole, lambda kept: needed <= set(kept))

    assert left == tuple(item for item in whole if item in needed)


def test_few_runs_are_enough_where_few_items_matter() -> None:
    asked: list[int] = []

    def fails(kept: tuple[int, ...]) -> bool:
        asked.append(len(kept))
        return {17, 80} <= set(kept)

    assert ddmin(range(100), fails) == (17, 80)
    assert len(asked) <= 40


@given(whole=ITEMS, needed=st.sets(st.integers(0, 8)), enough=st.integers(0, 30))
def test_a_predicate_that_has_had_enough_leaves_the_best_so_far(
    whole: list[int], needed: set[int], enough: int
) -> None:
    places = tuple(range(len(whole)))
    wanted = needed & set(places)
    failing = [places]

    def fails(kept: tuple[int, ...]) -> bool:
        nonlocal enough
        enough -= 1
        if enough < 0 or not wanted <= set(kept):
            return False
        failing.append(kept)
        return True

    left = ddmin(places, fails)

    assert left == failing[-1]


def test_nothing_at_all_is_tried_first() -> None:
    asked: list[tuple[int, ...]] = []

    def fails(kept: tuple[int, ...]) -> bool:
        asked.append(kept)
        return True

    assert ddmin((1, 2, 3), fails) == ()
    assert asked == [()]
