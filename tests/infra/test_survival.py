"""What histories add up to: figures, who was left out, and whether it is as expected."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.stories import abandoned, complete, script, story, strike

from infra.chaos.scenario import People
from infra.chaos.survival.chronicle import Chronicle
from infra.chaos.survival.figures import BUCKETS_S, Spread
from infra.chaos.survival.report import report_of
from infra.chaos.survival.story import Absence
from infra.simulation.faults import Aim, Fault, Kind, Point, Size
from protocols.reports import (
    HolderLeft,
    HolderReturned,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    StateUpdated,
    Step,
    TrainerLeft,
)

PEOPLE = People.of(Size(trainers=3, holders=3))
ALL = ("t01", "t02", "t03")


# --- figures --------------------------------------------------------------------------


def test_a_spread_has_median_p99_longest_and_what_never_came() -> None:
    spread = Spread.of([float(n) for n in range(1, 101)] + [None, None])

    assert (spread.count, spread.open) == (100, 2)
    assert (spread.median_s, spread.p99_s, spread.max_s) == (50.5, 99.0, 100.0)
    assert sum(spread.buckets) == 100
    assert spread.buckets[:3] == (1, 1, 3), "a bound belongs to its own bucket"
    assert len(spread.buckets) == len(BUCKETS_S) + 1


def test_a_spread_of_nothing_has_no_figures() -> None:
    spread = Spread.of([None])

    assert (spread.median_s, spread.p99_s, spread.max_s, spread.open) == (None, None, None, 1)


def test_a_report_adds_up_rounds_faults_reasons_and_absences() -> None:
    first = story(complete(1), complete(2, "trainer-1", "trainer-2", "trainer-3"), strike(21.0))
    second = story(
        complete(1, "trainer-2", "trainer-3", "trainer-4", why="late"),
        abandoned(2, "too few"),
        strike(11.0, sum_s=7.0),
        strike(21.0, "abandoned", sum_s=None, everybody_s=None),
        strike(31.0, "", party="trainer", step="", action="cut", target="trainer-2"),
        seed=1,
    )

    report = report_of(script(), [first, second])

    assert (report.seeds, report.completed, report.abandoned) == (2, 3, 1)
    assert report.reasons == {"too few": 1}
    assert report.strikes == {"kill": 3, "cut": 1}
    assert (report.sums.count, report.sums.open, report.sums.max_s) == (3, 1, 7.0)
    assert [(lost.name, lost.which, lost.reasons) for lost in report.lost] == [
        ("trainer-1", ("1/1",), {"late": 1}),
        ("trainer-4", ("0/2",), {"away": 1}),
    ]
    squares = {(s.party, s.step, s.action): s for s in report.matrix}
    vote = squares["holder", "vote", "kill"]
    assert (vote.struck, vote.complete, vote.abandoned, vote.open) == (3, 2, 1, 0)
    cut = squares["trainer", "any time", "cut"]
    assert (cut.struck, cut.complete, cut.abandoned, cut.open) == (1, 0, 0, 1)
    assert report.passed
    assert report.plain()["outcome"] == "as expected"


# --- expectations ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "met"),
    [
        ({"completed_at_least": 2}, True),
        ({"completed_at_least": 3}, False),
        ({"completed_at_most": 2}, True),
        ({"completed_at_most": 1}, False),
        ({"abandoned_at_most": 1}, True),
        ({"abandoned_at_most": 0}, False),
        ({"survivors_at_least": 3}, True),
        ({"survivors_at_least": 4}, False),
        ({"recovered_within_s": 5.0}, True),
        ({"recovered_within_s": 4.9}, False),
        ({"everybody_within_s": 9.0}, True),
        ({"everybody_within_s": 8.9}, False),
    ],
)
def test_each_expectation_is_held_against_each_history(
    expect: dict[str, Any], *, met: bool
) -> None:
    history = story(
        complete(1), complete(2, "trainer-1", "trainer-2", "trainer-3"), abandoned(3), strike(21.0)
    )

    report = report_of(script(**expect), [history])

    assert report.passed is met
    assert [each.expectation for each in report.unmet] == ([] if met else list(expect))


@pytest.mark.parametrize(("bound_s", "met"), [(29.0, True), (28.9, False)])
def test_what_was_not_seen_before_the_end_may_still_have_come_in_time(
    bound_s: float, *, met: bool
) -> None:
    history = story(complete(1), strike(21.0, sum_s=None), end_s=50.0)

    assert report_of(script(recovered_within_s=bound_s), [history]).passed is met


def test_a_fault_that_never_struck_and_a_broken_rule_are_failures() -> None:
    missed = report_of(script(), [story(complete(1), missed=(2,))])
    allowed = report_of(script(all_strike=False), [story(complete(1), missed=(2,))])
    broken = report_of(script(), [story(complete(1), seed=7, violations=("a rule",))])

    assert [each.text for each in missed.unmet] == ["fault[2] never struck"]
    assert missed.missed == allowed.missed == {"fault[2]": 1}
    assert allowed.passed
    assert not broken.passed
    assert [(each.seed, each.text) for each in broken.violations] == [(7, "a rule")]


# --- the chronicle --------------------------------------------------------------------


def began(number: int) -> RoundBegan:
    return RoundBegan(job="known", number=number, dimension=4)


def ended(number: int, *survivors: str) -> RoundComplete:
    return RoundComplete(
        job="known", number=number, survivors=survivors, answered=("h1", "h2"), seconds=1.0
    )


def lost(number: int, reason: str = "too few") -> RoundAbandoned:
    return RoundAbandoned(job="known", number=number, reason=reason)


def told(*events: tuple[float, Any]) -> Chronicle:
    chronicle = Chronicle(PEOPLE)
    for now_s, event in events:
        if isinstance(event, Fault):
            chronicle.struck(now_s, event)
        else:
            chronicle.told(now_s, "coordinator", event)
    return chronicle


def kill(host: str = "h1", **other: Any) -> Fault:
    return Fault(kind=other.pop("kind", Kind.CRASH), at_s=0.0, target=host, **other)


def test_a_sum_may_come_from_the_round_that_was_struck_and_everybody_only_from_a_later_one() -> (
    None
):
    chronicle = told(
        (0.0, began(1)),
        (2.0, kill(aim=Aim(point=Point.BEFORE_SEND, what="Vote"))),
        (5.0, ended(1, *ALL)),
        (5.0, began(2)),
        (9.0, ended(2, "t01", "t03")),
        (9.0, began(3)),
        (14.0, ended(3, *ALL)),
    )

    (strike,) = chronicle.strikes({})

    assert (strike.action, strike.target, strike.party, strike.step) == (
        "kill",
        "holder-1",
        "holder",
        "vote",
    )
    assert (strike.round, strike.fate) == (1, "complete")
    assert (strike.sum_s, strike.everybody_s) == (3.0, 12.0)


def test_a_round_that_was_abandoned_is_no_recovery() -> None:
    chronicle = told(
        (0.0, began(1)),
        (2.0, kill()),
        (5.0, lost(1)),
        (5.0, began(2)),
        (9.0, ended(2, *ALL)),
    )

    (strike,) = chronicle.strikes({})

    assert (strike.fate, strike.sum_s, strike.everybody_s) == ("abandoned", 7.0, 7.0)


def test_the_dead_are_not_waited_for() -> None:
    chronicle = told(
        (0.0, began(1)),
        (1.0, kill("t02", kind=Kind.DEATH)),
        (5.0, ended(1, "t01", "t03")),
        (5.0, began(2)),
        (9.0, ended(2, "t01", "t03")),
    )

    (strike,) = chronicle.strikes({})

    assert strike.everybody_s == 8.0


def test_who_left_is_left_out_until_it_is_back() -> None:
    chronicle = told(
        (0.0, began(1)),
        (1.0, HolderLeft(number=1, holder="h2", step=Step.COLLECTING)),
        (1.0, TrainerLeft(number=1, trainer="t02", step=Step.COLLECTING, reason="late")),
        (5.0, ended(1, "t01", "t03")),
        (5.0, began(2)),
        (9.0, ended(2, "t01", "t03")),
        (9.0, HolderReturned(number=2, holder="h2")),
        (9.0, began(3)),
        (12.0, ended(3, *ALL)),
    )

    holder = Absence(name="holder-2", step="collecting", reason="silent")
    trainer = Absence(name="trainer-2", step="collecting", reason="late")
    assert [each.left_out for each in chronicle.rounds()] == [
        (holder, trainer),
        (holder, trainer),
        (),
    ]


def test_the_ending_that_a_crash_swallowed_is_worked_out_from_the_sums_taken_in() -> None:
    chronicle = told(
        (0.0, StateUpdated(job="known", number=1, completed=1, metrics={})),
        (0.0, ended(1, *ALL)),
        (0.0, began(2)),
        (5.0, began(3)),
        (9.0, ended(3, *ALL)),
        (9.0, StateUpdated(job="known", number=3, completed=3, metrics={})),
    )

    second = next(each for each in chronicle.rounds() if each.number == 2)
    assert (second.fate, second.began_s, second.ended_s) == ("complete", 0.0, 5.0)


def test_what_happens_after_the_time_of_faults_is_no_part_of_the_story() -> None:
    chronicle = told((0.0, began(1)), (5.0, ended(1, *ALL)), (5.0, began(2)))
    chronicle.over(6.0)
    chronicle.told(9.0, "coordinator", ended(2, *ALL))
    chronicle.struck(9.0, kill())
    chronicle.over(9.0)

    assert chronicle.end_s == 6.0
    assert [each.number for each in chronicle.rounds()] == [1]
    assert chronicle.strikes({}) == ()
