"""Who is asked after a garbled sum: any garblers, any drop-outs, and what holds all the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import canonical, parse
from protocols.records import Suspicion
from protocols.round_config import Roster
from protocols.secagg.differencing import Apart, Names, members
from protocols.secagg.suspects import FIRST_PAUSE, LONGEST_PAUSE, MOST_SUMS, Invited, Search

Garbles = Callable[[Names], bool]


def roster_of(count: int) -> Roster:
    names = tuple(f"t{place:03}" for place in range(count))
    return Roster(federation="f", coordinator="c", holders=("h1", "h2", "h3"), trainers=names)


class Job:
    """Rounds of a job as its coordinator would have them, and what its sums were over."""

    def __init__(self, count: int, minimum: int) -> None:
        self.search = Search(roster_of(count), minimum)
        self.minimum = minimum
        self.known: Suspicion | None = None
        self.completed = 0
        self.state: list[Names] = []  # what was summed over this state
        self.garbled = 0

    @property
    def names(self) -> Names:
        return frozenset(self.search.roster.trainers)

    def round(self, garbles: Garbles, away: Names = frozenset()) -> str:
        """Play one round; say how it ended."""
        if self.known is not None:  # as after a restart
            self.known = parse(canonical(self.known), Suspicion)
        invited = self.search.invited(self.known, self.completed)
        came = invited.names - away
        chosen = invited.settled(came)
        if len(chosen) < self.minimum:
            self.known = self.search.forgotten(self.known)
            return "too few"
        self.check(invited, chosen)
        self.state.append(chosen)
        names = sorted(chosen)
        if garbles(chosen):
            self.garbled += 1
            self.known = self.search.garbled(self.known, names, self.completed)
            return "garbled" if self.known.groups else "given up"
        self.completed += 1
        if self.known is not None:
            known = self.search.untried(self.known, names, sorted(came), self.completed - 1)
            self.known = self.search.clean(known, names, self.completed, same_state=False)
        self.state = []
        return "complete"

    def check(self, invited: Invited, chosen: Names) -> None:
        """See that a set is lawful, and so is every sum that follows from those over this state."""
        assert invited.settled(chosen) == chosen
        sums = tuple(dict.fromkeys((*self.state, chosen)))
        assert Apart(sums[:-1], self.minimum).too_close(sums[-1]) is None
        sizes: dict[tuple[bool, ...], int] = {}
        for name in sorted(self.names):
            inside = tuple(name in each for each in sums)
            sizes[inside] = sizes.get(inside, 0) + 1
        # What may be computed from these sums, as far as small factors go.
        for factors in product((-2, -1, 0, 1, 2), repeat=min(len(sums), 4)):
            told = sum(
                size
                for inside, size in sizes.items()
                if sum(f for f, each in zip(factors, inside, strict=False) if each)
            )
            assert told == 0 or told >= self.minimum, (sums, factors)

    def complete(self, garbles: Garbles, most: int = 2 * MOST_SUMS) -> int:
        """Play until a round is complete; return how many were garbled before it."""
        before = self.garbled
        for _ in range(most):
            if self.round(garbles) == "complete":
                return self.garbled - before
        raise AssertionError("no round of this state was complete")

    def suspected(self) -> Names:
        groups = () if self.known is None else self.known.groups
        return frozenset(name for group in groups for name in group.trainers)


def always(*names: str) -> Garbles:
    return lambda chosen: not chosen.isdisjoint(names)


sizes = st.integers(2, 7).flatmap(lambda m: st.tuples(st.integers(2 * m, 60), st.just(m)))


@given(size=sizes, place=st.integers(0, 59))
def test_one_garbler_costs_two_rounds_at_first_and_one_of_a_later_state(
    size: tuple[int, int], place: int
) -> None:
    count, minimum = size
    job, garbler = Job(count, minimum), f"t{place % count:03}"

    costs = [job.complete(always(garbler)) for _ in range(FIRST_PAUSE)]

    assert costs[0] in (1, 2)
    assert max(costs[1:]) <= 1
    assert sum(costs) <= 2 + (count // minimum).bit_length()


@given(size=sizes, place=st.integers(0, 59))
def test_in_the_end_a_group_that_cannot_be_split_is_out_and_everybody_else_in(
    size: tuple[int, int], place: int
) -> None:
    count, minimum = size
    job, garbler = Job(count, minimum), f"t{place % count:03}"
    for _ in range(2 * (count // minimum).bit_length()):
        job.complete(always(garbler))

    out = frozenset(job.search.left_out(job.known))

    assert garbler in out
    assert minimum <= len(out) < 2 * minimum
    assert job.suspected() == out


def test_after_the_search_the_group_is_asked_again_less_and_less_often() -> None:
    job, asked = Job(12, 3), list[int]()
    for number in range(300):
        if job.complete(always("t004")):
            asked.append(number)

    late = [b - a for a, b in zip(asked[-4:], asked[-3:], strict=False)]
    assert set(late) == {LONGEST_PAUSE}
    assert len(asked) < 12


@given(size=sizes, place=st.integers(0, 59))
def test_a_group_whose_garbler_was_mended_is_back_after_its_pause(
    size: tuple[int, int], place: int
) -> None:
    count, minimum = size
    job, garbler = Job(count, minimum), f"t{place % count:03}"
    for _ in range(12):
        job.complete(always(garbler))

    for _ in range(LONGEST_PAUSE):
        assert job.complete(always()) == 0

    assert job.suspected() == frozenset()


@given(
    size=st.integers(2, 5).flatmap(lambda m: st.tuples(st.integers(m, 40), st.just(m))),
    garblers=st.sets(st.integers(0, 39), max_size=6),
    data=st.data(),
)
@settings(max_examples=40)
def test_any_garblers_at_any_times_and_any_dropouts_leave_every_set_lawful(
    size: tuple[int, int], garblers: set[int], data: st.DataObject
) -> None:
    count, minimum = size
    job = Job(count, minimum)
    bad = [f"t{place % count:03}" for place in sorted(garblers)]
    of_state = 0

    for _ in range(25):
        now = data.draw(st.sets(st.sampled_from(bad or ["nobody"])))
        away = data.draw(st.frozensets(st.sampled_from(sorted(job.names)), max_size=3))
        before = job.garbled
        ending = job.round(always(*sorted(now)), away)  # `check` looks at the set
        of_state = 0 if ending == "complete" else of_state + job.garbled - before
        if of_state > MOST_SUMS:
            assert ending in ("given up", "too few")


@given(
    size=st.integers(2, 4).flatmap(lambda m: st.tuples(st.integers(8 * m, 60), st.just(m))),
    garblers=st.sets(st.integers(0, 59), min_size=2, max_size=3),
)
def test_several_garblers_are_all_left_out_and_no_more_than_their_groups(
    size: tuple[int, int], garblers: set[int]
) -> None:
    count, minimum = size
    job = Job(count, minimum)
    bad = sorted({f"t{place % count:03}" for place in garblers})
    for _ in range(count):
        job.complete(always(*bad))

    out = job.search.left_out(job.known)

    # One that was due just now is asked with the next round.
    assert job.suspected() >= frozenset(bad)
    assert frozenset(out) >= frozenset(bad)
    assert len(out) <= len(bad) * (2 * minimum - 1)


@given(size=sizes, lies=st.lists(st.booleans(), min_size=20, max_size=80))
def test_who_garbles_now_and_then_costs_three_rounds_of_a_state_and_no_more(
    size: tuple[int, int], lies: list[bool]
) -> None:
    count, minimum = size
    job, turn, of_state = Job(count, minimum), iter(lies), 0
    for _ in lies:
        lying = next(turn)
        ending = job.round(lambda chosen, lying=lying: lying and "t001" in chosen)  # type: ignore[misc]
        of_state = 0 if ending == "complete" else of_state + 1
        assert ending in ("complete", "garbled")
        assert of_state <= 3


@given(size=sizes, place=st.integers(0, 59), lies=st.lists(st.booleans(), max_size=60))
@settings(max_examples=25)
def test_an_honest_owner_is_asked_again_after_a_bounded_time_whatever_a_liar_does(
    size: tuple[int, int], place: int, lies: list[bool]
) -> None:
    count, minimum = size
    job, liar, lying = Job(count, minimum), f"t{place % count:03}", True
    asked = dict.fromkeys(sorted(job.names), 0)
    for number in range(200):
        lying = lies[number % len(lies)] if lies else True
        invited = job.search.invited(job.known, job.completed).names
        asked |= dict.fromkeys(sorted(invited), job.completed)
        job.round(lambda chosen, lying=lying: lying and liar in chosen)  # type: ignore[misc]
        # A pause, and the turns of the other groups.
        assert job.completed - min(asked.values()) <= LONGEST_PAUSE + count // minimum


@pytest.mark.parametrize(("count", "minimum"), [(3, 3), (5, 3), (3, 2)])
def test_too_few_to_be_split_are_given_up_and_all_asked_again(count: int, minimum: int) -> None:
    job = Job(count, minimum)

    assert job.round(always("t000")) == "given up"

    assert job.search.invited(job.known, 0).names == job.names


def test_where_every_part_is_garbled_the_search_ends_and_says_so() -> None:
    job = Job(12, 3)

    endings = [job.round(lambda _chosen: True) for _ in range(8)]

    # All, two halves, four quarters: no part is left to be tried.
    assert endings == ["garbled"] * 6 + ["given up", "garbled"]


def test_a_search_over_one_state_has_an_end() -> None:
    job = Job(400, 2)

    endings = [job.round(lambda _chosen: True) for _ in range(MOST_SUMS + 1)]

    assert endings == ["garbled"] * MOST_SUMS + ["given up"]


def test_a_member_that_is_lost_does_not_keep_its_group_out() -> None:
    job = Job(12, 3)
    job.complete(always("t004"))
    probe = job.search.invited(job.known, job.completed).probe
    gone = frozenset(sorted(probe - {"t004"})[:1])

    for _ in range(30):
        job.round(always("t004"), gone)

    assert job.suspected() <= frozenset(job.search.left_out(job.known)) | gone
    assert len(job.suspected()) < 6


def test_trainers_who_all_stay_away_do_not_keep_another_group_from_its_turn() -> None:
    job = Job(24, 3)
    job.complete(always("t004", "t005"))
    job.complete(always("t004", "t005"))
    probe = job.search.invited(job.known, job.completed).probe

    job.round(always("t004", "t005"), probe)

    assert job.search.invited(job.known, job.completed).probe != probe


def test_a_part_that_lacks_one_is_cut_by_as_many_as_a_sum_has_or_not_at_all() -> None:
    first, second = frozenset("abcdef"), frozenset("ghijk")
    everybody = first | second | {"x", "y"}
    invited = Invited(clear=everybody, sums=(first | second, first), minimum=3)

    assert invited.settled(first | second - {"g"}) == first
    assert invited.settled(first - {"a"} | second) == frozenset("bcd") | second
    assert invited.settled(everybody) == first | second


def test_beside_a_single_sum_a_set_only_has_to_be_far_enough_away() -> None:
    first = frozenset("abcdefg")
    invited = Invited(clear=first | {"x"}, sums=(first,), minimum=3)

    assert invited.settled(frozenset("abx")) == frozenset("abx")
    assert invited.settled(frozenset("abcdefx")) == frozenset("abcd")


def test_beside_two_sums_with_a_small_part_only_these_may_be_summed_again() -> None:
    first, second = frozenset("abcdefg"), frozenset("abx")
    invited = Invited(clear=first | {"x"}, sums=(first, second), minimum=3)

    assert invited.settled(first | {"x"}) == first
    assert invited.settled(first - {"c"} | {"x"}) == second
    assert invited.settled(frozenset("cdefgx")) == frozenset()


def test_sets_over_another_roster_say_nothing() -> None:
    job = Job(12, 3)
    job.complete(always("t004"))
    other = Search(roster_of(13), 3)

    assert other.invited(job.known, 1).names == frozenset(other.roster.trainers)
    assert other.left_out(job.known) == ()


def test_sums_over_one_state_are_kept_as_bits_of_the_roster() -> None:
    job = Job(12, 3)
    job.round(always("t004"))

    assert job.known is not None
    assert [members(bits, job.search.roster.trainers) for bits in job.known.sums] == [job.names]


def test_every_pair_of_two_garblers_is_found() -> None:
    for one, other in product(range(9), range(9)):
        job, bad = Job(9, 2), (f"t{one:03}", f"t{other:03}")
        for _ in range(9):
            job.complete(always(*bad))
        assert frozenset(bad) <= frozenset(job.search.left_out(job.known)), bad
