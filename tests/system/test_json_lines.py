"""What machines read: one object a line, whatever the numbers are."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from infra.cli.display import JsonDisplay, LiveDisplay
from infra.run_log import RunLog
from protocols.reports import (
    AnswersJudged,
    HolderLeft,
    OwnerTrouble,
    Progress,
    RoundComplete,
    RoundPutOff,
    StateUpdated,
    Step,
    TrainerLeft,
    TrainersSuspected,
)


def complete(number: int, *survivors: str) -> RoundComplete:
    return RoundComplete(
        job="tiny", number=number, survivors=survivors, answered=("holder-1",), seconds=1.0
    )


def left(number: int, trainer: str, reason: str) -> TrainerLeft:
    return TrainerLeft(number=number, trainer=trainer, step=Step.COLLECTING, reason=reason)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_metric_that_is_not_finite_is_null(
    value: float, capsys: pytest.CaptureFixture[str]
) -> None:
    JsonDisplay().emit(
        StateUpdated(job="tiny", number=1, completed=1, metrics={"loss": value, "accuracy": 0.5})
    )

    assert json.loads(capsys.readouterr().out)["metrics"] == {"loss": None, "accuracy": 0.5}


def test_the_kind_of_a_line_is_never_that_of_an_owners_trouble(
    capsys: pytest.CaptureFixture[str],
) -> None:
    JsonDisplay().emit(OwnerTrouble(actor="north", kind="missing value", text="line 3"))

    line = json.loads(capsys.readouterr().out)
    assert (line["kind"], line["trouble"]) == ("owner_trouble", "missing value")


def test_an_owner_that_fails_in_every_round_is_one_absence() -> None:
    log = RunLog()

    news = [
        log.take(event)
        for number in (1, 2, 3)
        for event in (left(number, "o2", "empty"), complete(number, "o1"))
    ]

    assert [(a.name, a.left, a.returned) for a in log.trainers] == [("o2", 1, None)]
    assert news[::2] == [True, False, False]


def test_an_owner_is_back_with_the_first_sum_that_has_its_vector() -> None:
    log = RunLog()
    for event in (left(1, "o2", "empty"), complete(1, "o1"), complete(2, "o1", "o2")):
        log.take(event)

    log.take(left(3, "o2", "timed out"))

    assert [(a.left, a.reason, a.returned) for a in log.trainers] == [
        (1, "empty", 2),
        (3, "timed out", None),
    ]


def judged(checked: str, *liars: str) -> AnswersJudged:
    return AnswersJudged(
        job="tiny", number=1, checked=checked, answered=("holder-1", "holder-2"), liars=liars
    )


def test_a_summary_names_who_answered_falsely_also_before_a_resumption() -> None:
    before, after = RunLog(), RunLog()
    corrected = replace(complete(1, "o1"), checked="corrected", liars=("holder-2",))
    before.take(corrected)
    before.take(replace(complete(2, "o1"), checked="verified"))

    after.recall(before.remember())
    after.take(replace(corrected, number=3))

    assert after.facts()["checked"] == {"corrected": 2, "verified": 1}
    assert after.facts()["lying_holders"] == {"holder-2": 2}


def test_a_summary_and_the_screen_name_who_may_garble_sums(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = LiveDisplay(Console(width=400))
    event = TrainersSuspected(
        job="tiny", number=2, groups=(("o1", "o2"),), left_out=("o1", "o2"), asked_at=8
    )

    display.emit(event)

    facts = display.log.facts()
    assert facts["suspected_trainers"] == [["o1", "o2"]]
    assert [gone["name"] for gone in facts["dropped_trainers"]] == ["o1", "o2"]
    assert capsys.readouterr().out.startswith("round 2: sums with o1 and o2 were garbled")


def put_off(*missing: str) -> RoundPutOff:
    return RoundPutOff(
        job="tiny", number=2, abandoned=1, seconds=40.0, missing=missing, reason="too few"
    )


def test_people_are_told_when_the_next_round_begins_and_who_could_hurry_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = LiveDisplay(Console())

    display.emit(put_off())
    display.emit(put_off("o1", "o2"))

    assert capsys.readouterr().out.splitlines() == [
        "round 2 begins in 40 s",
        "round 2 begins in 40 s, or when one of o1, o2 is heard of",
    ]


def test_the_live_view_counts_a_wait_down_and_then_shows_the_round() -> None:
    console = Console(record=True, width=160, file=StringIO())
    display = LiveDisplay(console)
    step = Progress(
        job="tiny",
        number=2,
        step=Step.COLLECTING,
        receipts=1,
        expected=4,
        survivors=0,
        waiting_for=(),
        deadline_s=20.0,
        remark="1 of that set are missing (o2)",
    )

    shown = []
    for event in (put_off("o1", "o2"), step):
        display.emit(event)
        console.export_text()
        console.print(display._view())
        shown.append(console.export_text().splitlines()[1].split())

    assert shown[0][:3] == ["2", "put", "off"]
    assert shown[0][-2:] == ["o1,", "o2"]
    assert shown[1][:2] == ["2", "collecting"]
    assert shown[1][-7:] == ["1", "of", "that", "set", "are", "missing", "(o2)"]


def test_people_are_told_of_false_answers_and_of_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = LiveDisplay(Console())

    for event in (judged("verified"), judged("corrected", "holder-2"), judged("detected")):
        display.emit(event)

    assert capsys.readouterr().out.splitlines() == [
        "round 1: false answers of holder-2, left out",
        "round 1: of 2 answers some are false, waiting for more",
    ]


def test_a_resumed_run_knows_who_was_missing_before() -> None:
    before, after = RunLog(), RunLog()
    before.take(HolderLeft(number=2, holder="holder-1", step=Step.OPENING))
    before.take(left(2, "o2", "empty"))

    after.recall(before.remember())
    after.take(HolderLeft(number=4, holder="holder-1", step=Step.OPENING))

    assert after.facts()["lost_holders"] == before.facts()["lost_holders"]
    assert after.facts()["dropped_trainers"] == before.facts()["dropped_trainers"]
