"""Every rule can fail: what a coordinator must not ask, open or tell, and that it is noticed."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from fakes.simulated_scene import (
    CID,
    CONFIG,
    ROSTER,
    RUN,
    Scene,
    key_of,
    round_record,
)

from infra.simulation.ghost import Rule
from protocols.learning.job import Opened
from protocols.messages import (
    CloseRound,
    OpenRound,
)
from protocols.records import LastRound
from protocols.reports import (
    AnswersJudged,
    JobEnded,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    SharesChecked,
)


def prepared_to_open(answers: int = 2) -> Scene:
    scene = Scene()
    scene.open_round()
    scene.write("coordinator", "round", round_record(scene.chosen))
    for holder in ROSTER.holders[:answers]:
        scene.disks["coordinator"].chunks[f"{CID.hex()}/answer/{holder}"] = {0: bytes(32)}
    for place, trainer in enumerate(ROSTER.trainers):
        scene.checks.computed(trainer, bytes(32), np.full(4, float(place + 1)))
    return scene


def opened(*survivors: str, total: float = 6.0) -> Opened:
    return Opened(total=np.full(4, total), survivors=survivors)


def test_the_sum_of_the_chosen_breaks_no_rule() -> None:
    scene = prepared_to_open()

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t03"))

    assert scene.ghost.violations == []


def test_a_wrong_sum_is_noticed() -> None:
    scene = prepared_to_open()

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t03", total=7.0))

    assert scene.broken() == {Rule.EXACT}


def test_a_sum_from_too_few_answers_is_noticed() -> None:
    scene = prepared_to_open(answers=1)

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t03"))

    assert scene.broken() == {Rule.THRESHOLD}


def test_a_sum_of_another_set_than_the_recorded_one_is_noticed() -> None:
    scene = prepared_to_open()

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t04", total=7.0))

    assert scene.broken() == {Rule.JOURNALLED}


def test_a_sum_of_too_few_is_noticed() -> None:
    scene = prepared_to_open()

    scene.checks.coordinator.opened(3, opened("t01", "t01", total=2.0))

    assert scene.broken() >= {Rule.MINIMUM, Rule.DISTINCT}


# --- false answers --------------------------------------------------------------------


def judging(faults: int = 1, liars: tuple[str, ...] = ("h1",)) -> Scene:
    """Let these holders have answered falsely in a round that allows for so many."""
    scene = prepared_to_open(answers=3)
    # A fourth holder is never heard.
    config = msgspec.structs.replace(CONFIG, holders=4, quorum=3, faults=faults)
    cid = config.cid()
    record = msgspec.structs.replace(round_record(scene.chosen), config=config)
    scene.write("coordinator", "round", record)
    scene.ghost.contributed[cid] = scene.ghost.contributed[CID]
    chunks = scene.disks["coordinator"].chunks
    scene.ghost.contributed[cid] = scene.ghost.contributed[CID]
    for holder in ROSTER.holders:
        payload = b"a lie of 32 bytes, and no other.".ljust(32) if holder in liars else bytes(32)
        chunks[f"{cid.hex()}/answer/{holder}"] = {0: payload}
        if holder in liars:
            scene.ghost.lies.answers.setdefault(cid, {})[holder] = {payload: None}
    return scene


def judged(checked: str, *liars: str) -> AnswersJudged:
    return AnswersJudged(
        job="known", number=7, checked=checked, answered=ROSTER.holders, liars=liars
    )


def complete_of(checked: str, *liars: str) -> RoundComplete:
    return RoundComplete(
        job="known",
        number=7,
        survivors=("t01", "t02", "t03"),
        answered=ROSTER.holders,
        seconds=1.0,
        checked=checked,
        liars=liars,
    )


@pytest.mark.parametrize(
    ("liars", "event", "rules"),
    [
        (("h1",), judged("corrected", "h1"), set()),
        (("h1",), judged("detected"), set()),
        ((), judged("verified"), set()),
        (("h1",), judged("verified"), {Rule.NAMED}),
        (("h1",), judged("corrected", "h2"), {Rule.NAMED, Rule.HONEST}),
        (("h1",), judged("corrected", "h1", "h2"), {Rule.HONEST}),
        ((), judged("corrected", "h3"), {Rule.HONEST}),
        ((), judged("detected"), {Rule.HONEST}),
        (("h1", "h2"), judged("verified"), set()),
    ],
)
def test_who_lied_is_named_and_nobody_else(
    liars: tuple[str, ...], event: AnswersJudged, rules: set[Rule]
) -> None:
    scene = judging(liars=liars)

    scene.checks.coordinator.told(event)

    assert scene.broken() == rules


@pytest.mark.parametrize("liar", ["", "t02"])
@pytest.mark.parametrize("what", ["inconsistent", "too_long"])
def test_who_dealt_what_it_should_is_not_called_otherwise(what: str, liar: str) -> None:
    scene = Scene()
    if liar:
        scene.ghost.lies.told[liar, "h1"] = None
    found: dict[str, Any] = {"inconsistent": (), "disputed": ()} | {what: ("t02",)}

    scene.checks.coordinator.told(SharesChecked(job="known", number=3, checked="detected", **found))

    assert scene.broken() == (set() if liar else {Rule.HONEST})


@pytest.mark.parametrize(
    ("faults", "liars", "rules"),
    [
        (0, ("h1",), set()),
        (1, ("h1",), {Rule.EXACT}),
        (1, ("h1", "h2"), set()),
    ],
    ids=["no liar is allowed for", "one, and one lies", "one, and two lie"],
)
def test_as_many_false_answers_as_a_round_allows_for_free_no_sum(
    faults: int, liars: tuple[str, ...], rules: set[Rule]
) -> None:
    scene = judging(faults, liars)
    scene.checks.coordinator.told(judged("corrected", *liars))
    scene.ghost.violations.clear()

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t03", total=7.0))

    assert scene.broken() == rules


@pytest.mark.parametrize("event", [None, judged("detected")], ids=["unjudged", "detected"])
def test_a_sum_without_a_judgement_is_noticed(event: AnswersJudged | None) -> None:
    scene = judging()
    if event is not None:
        scene.checks.coordinator.told(event)

    scene.checks.coordinator.opened(3, opened("t01", "t02", "t03"))

    assert scene.broken() == {Rule.NAMED}


@pytest.mark.parametrize(
    "event", [complete_of("unverified"), complete_of("verified"), complete_of("corrected")], ids=str
)
def test_an_ending_that_tells_another_judgement_is_noticed(event: RoundComplete) -> None:
    scene = judging()
    scene.checks.coordinator.told(judged("corrected", "h1"))

    scene.checks.coordinator.told(event)

    assert scene.broken() == {Rule.NAMED}


def test_a_coin_in_a_message_of_the_coordinator_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    scene.checks.drew("coordinator", b"a coin of the coordinator's own.")

    scene.say(
        "coordinator",
        CloseRound(
            cid=CID,
            job="known",
            number=6,
            complete=False,
            reason="a coin of the coordinator's own.",
        ),
        "h1",
    )

    assert Rule.SECRET in scene.broken()


# --- what it writes down --------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"number": 7}, Rule.MONOTONE),
        ({"number": 9}, Rule.MONOTONE),
        ({"number": 8, "completed": 5}, Rule.JOURNALLED),
        ({"number": 8, "completed": 4, "closed": CID}, Rule.JOURNALLED),
        ({"number": 8, "state": bytes(31) + b"1"}, Rule.JOURNALLED),
    ],
    ids=["same number", "a gap", "two sums", "a sum that was not opened", "state without sum"],
)
def test_a_run_that_does_not_follow_from_the_last_is_noticed(
    changes: dict[str, Any], rule: Rule
) -> None:
    scene = Scene()
    scene.write("coordinator", "run", RUN)

    scene.write("coordinator", "run", msgspec.structs.replace(RUN, **changes))

    assert rule in scene.broken()


def test_a_number_for_two_rounds_is_noticed() -> None:
    scene = Scene()
    scene.open_round()

    other = msgspec.structs.replace(CONFIG, state=b"1" * 32)
    scene.say("coordinator", OpenRound(config=other, sealing_key=key_of("other")), "h1")

    assert scene.broken() == {Rule.MONOTONE}


def test_a_holder_that_opens_an_old_round_is_noticed() -> None:
    scene = Scene()
    scene.write("h1", "last/known", LastRound(number=7, cid=CID))

    scene.write("h1", "last/known", LastRound(number=6, cid=bytes(32)))

    assert scene.broken() == {Rule.MONOTONE}


def test_endings_that_contradict_each_other_are_noticed() -> None:
    scene = Scene()
    scene.write("coordinator", "run", msgspec.structs.replace(RUN, number=8))
    close = CloseRound(cid=CID, job="known", number=7, complete=False, reason="")

    scene.say("coordinator", close, "h1")
    assert scene.ghost.violations == []
    scene.say("coordinator", msgspec.structs.replace(close, complete=True), "h2")

    # Two endings, one of them of a sum that was never opened.
    assert [v.rule for v in scene.ghost.violations] == [Rule.ENDINGS, Rule.ENDINGS]


@pytest.mark.parametrize(
    "events",
    [
        [
            RoundAbandoned(job="known", number=7, reason=""),
            RoundComplete(job="known", number=7, survivors=(), answered=(), seconds=1.0),
        ],
        [
            RoundComplete(job="known", number=7, survivors=("t01",), answered=(), seconds=1.0),
            RoundComplete(job="known", number=7, survivors=("t02",), answered=(), seconds=1.0),
        ],
        [JobEnded(job="known", outcome="failed", reason="a wrong sum", completed=1)],
    ],
    ids=["abandoned and complete", "two sets", "a failed job"],
)
def test_news_that_can_not_be_true_is_noticed(events: list[Any]) -> None:
    scene = Scene()

    for event in events:
        scene.checks.told("coordinator", event)

    assert scene.broken() == {Rule.ENDINGS}


def test_news_of_another_round_than_the_written_one_is_noticed() -> None:
    scene = Scene()
    scene.write("coordinator", "run", RUN)

    scene.checks.told("coordinator", RoundBegan(job="known", number=8, dimension=4))

    assert scene.broken() == {Rule.MONOTONE}
