"""Who is here: nobody is waited for twice, and a sign of life brings everybody back."""

from __future__ import annotations

from fakes.round_parts import HOLDERS, ROSTER, TRAINERS

from protocols.reports import HolderLeft, HolderReturned, Step, TrainerLeft, TrainerReturned
from protocols.secagg.attendance import Attendance


def test_everybody_counts_as_present_at_first() -> None:
    assert Attendance(ROSTER).present() == (*HOLDERS, *TRAINERS)


def test_who_was_gone_without_is_away_and_told_of_once() -> None:
    attendance = Attendance(ROSTER)

    first = attendance.trainers_left({"bob": "too slow"}, 4)
    again = attendance.trainers_left({"bob": "too slow", "cat": "declined"}, 5)

    assert first == [TrainerLeft(number=4, trainer="bob", step=Step.COLLECTING, reason="too slow")]
    assert [event.trainer for event in again if isinstance(event, TrainerLeft)] == ["cat"]
    assert attendance.present() == (*HOLDERS, "ann", "dan", "eve")


def test_a_holder_is_told_of_with_the_step_it_was_missed_in() -> None:
    attendance = Attendance(ROSTER)

    events = attendance.holders_left(["holder-2", "holder-3"], 1, Step.OPENING)

    assert events == [
        HolderLeft(number=1, holder="holder-2", step=Step.OPENING),
        HolderLeft(number=1, holder="holder-3", step=Step.OPENING),
    ]
    assert attendance.holders_left(["holder-2"], 1, Step.COLLECTING) == []
    assert "holder-2" not in attendance.present()


def test_one_that_says_why_it_leaves_is_told_of_once_with_the_reason() -> None:
    attendance = Attendance(ROSTER)

    told = [
        attendance.leaves(name, 3, Step.COLLECTING, "said goodbye")
        for name in ("bob", "bob", "holder-2")
    ]

    step = Step.COLLECTING
    assert told == [
        [TrainerLeft(number=3, trainer="bob", step=step, reason="said goodbye")],
        [],
        [HolderLeft(number=3, holder="holder-2", step=step, reason="said goodbye")],
    ]
    assert {"bob", "holder-2"}.isdisjoint(attendance.present())
    assert attendance.trainers_left({"bob": "late"}, 4) == []


def test_a_sign_of_life_brings_back_who_was_away_and_only_them() -> None:
    attendance = Attendance(ROSTER)
    attendance.holders_left(["holder-2"], 1, Step.OPENING)
    attendance.trainers_left({"bob": ""}, 1)

    events = [attendance.seen(name, 2) for name in ("holder-2", "bob", "ann", "bob")]

    assert events == [
        [HolderReturned(number=2, holder="holder-2")],
        [TrainerReturned(number=2, trainer="bob")],
        [],
        [],
    ]
    assert attendance.present() == (*HOLDERS, *TRAINERS)
