"""One round at the coordinator where holders may lie: which answers it waits for and believes."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.round_parts import (
    HOLDERS,
    ROSTER,
    TIMING,
    TRAINERS,
    answer_of,
    config_of,
    contribution,
    only,
    opening,
    said_open,
    sent,
)
from fakes.signatures import ANYBODY, Means

from protocols.effects import Effect, JudgeAnswers, OpenSum, Report
from protocols.errors import Misuse
from protocols.messages import Have, Release, Vote
from protocols.reports import AnswersJudged, Step
from protocols.round_config import RoundConfig
from protocols.secagg.gathering import Gathering
from protocols.secagg.judging import Judgement, Status
from protocols.secagg.patience import Patience
from protocols.secagg.sets import set_digest

VERIFIED = Judgement(status=Status.VERIFIED, fitting=(0, 1, 2, 3), at_zero=(5, 6))
DETECTED = Judgement(status=Status.DETECTED, fitting=())


class Table:
    """A round in which all have voted and answers come in; coins are numbered."""

    def __init__(self, *, announced: tuple[str, ...] = HOLDERS, **changes: Any) -> None:
        self.config: RoundConfig = config_of(**({"faults": 1} | changes))
        self.drawn: list[bytes] = []
        self.now_s = 0.0
        self.round = Gathering(
            opening(self.config),
            ROSTER,
            Patience(TIMING, 0.0),
            expected=announced,
            means=Means(self._draw, ANYBODY),
        )
        cid = self.config.cid()
        have = Have(
            cid=cid, contributions=tuple(contribution(self.config, name) for name in TRAINERS)
        )
        for name in announced:
            self.round.receive(0.0, name, said_open(self.config, name))
        for name in announced:
            self.round.receive(0.0, name, have)
        self._go_past_grace()
        vote = Vote(cid=cid, set_digest=set_digest(cid, self.round.chosen))
        for name in announced:
            self.round.receive(self.now_s, name, vote)
        assert self.round.step is Step.RELEASING

    def _go_past_grace(self) -> None:
        if self.round.step is Step.COLLECTING:
            self.at(2.0)

    def _draw(self, count: int) -> bytes:
        self.drawn.append(bytes([len(self.drawn) + 1]) * count)
        return self.drawn[-1]

    def at(self, now_s: float) -> list[Effect]:
        self.now_s = now_s
        return self.round.advance(now_s)

    def answer(self, *holders: str, ok: bool = True) -> list[Effect]:
        effects: list[Effect] = []
        for holder in holders:
            for chunk in answer_of(self.config, self.round.chosen):
                effects += self.round.receive(self.now_s, holder, chunk)
            effects += self.round.checked(self.now_s, holder, ok=ok)
        return effects

    def judged(self, judgement: Judgement) -> list[Effect]:
        return self.round.judged(self.now_s, judgement)


def judging(effects: list[Effect]) -> list[tuple[str, ...]]:
    """Name whose answers are to be judged, for each time that it is asked for."""
    return [tuple(effect.answers) for effect in only(effects, JudgeAnswers)]


def told(effects: list[Effect]) -> list[AnswersJudged]:
    events = [effect.event for effect in only(effects, Report)]
    return [event for event in events if isinstance(event, AnswersJudged)]


# --- which answers are waited for -----------------------------------------------------


def test_answers_that_tell_all_liars_are_judged_at_once() -> None:
    table = Table()

    before = table.answer(*HOLDERS[:4])
    last = table.answer("holder-5")

    assert judging(before) == []
    assert judging(last) == [HOLDERS]
    assert not only(before + last, OpenSum)


def test_after_the_grace_answers_that_show_a_false_one_are_judged() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])

    early, late = table.at(1.9), table.at(2.0)

    assert judging(early) == []
    assert judging(late) == [HOLDERS[:4]]


def test_fewer_answers_than_show_a_false_one_open_nothing() -> None:
    table = Table()

    effects = table.answer(*HOLDERS[:3])
    for now_s in range(1, 31):
        effects += table.at(float(now_s))

    assert not only(effects, OpenSum)
    assert judging(effects) == []
    assert table.round.abandoned == "3 of 4 answers came in"


def test_when_all_that_were_announced_answered_nobody_else_is_waited_for() -> None:
    table = Table(announced=HOLDERS[:4])

    assert judging(table.answer(*HOLDERS[:4])) == [HOLDERS[:4]]


def test_who_failed_a_check_is_not_waited_for_but_counts_when_it_answers_again() -> None:
    table = Table()
    table.answer("holder-1", ok=False)

    assert judging(table.answer(*HOLDERS[1:])) == [HOLDERS[1:]]

    again = Table()
    again.answer("holder-1", ok=False)
    again.answer("holder-1", "holder-2", "holder-3", "holder-4")
    assert judging(again.answer("holder-5")) == [HOLDERS]


def test_who_says_goodbye_is_not_waited_for_and_who_comes_back_is() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])

    gone = table.round.leave("holder-5", 0.0)

    assert judging(gone) == [HOLDERS[:4]]

    other = Table()
    other.round.leave("holder-5", 0.0)
    other.round.catch_up("holder-5")
    assert judging(other.answer(*HOLDERS[:4])) == []


def test_without_faults_a_sum_is_opened_from_t_answers_and_nothing_is_said_of_them() -> None:
    table = Table(faults=0)

    effects = table.answer(*HOLDERS[:3])

    (opened,) = only(effects, OpenSum)
    assert tuple(opened.answers) == HOLDERS[:3]
    assert (opened.coin, opened.at_zero) == (None, ())
    assert table.round.verdict is not None
    assert table.round.verdict.status is Status.UNVERIFIED
    assert table.drawn == [], "a coin that nothing is judged under"


# --- the coin -------------------------------------------------------------------------


def test_the_coin_is_drawn_after_the_last_answer_that_it_judges_and_never_again() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])
    assert table.drawn == []

    (first,) = only(table.at(2.0), JudgeAnswers)
    assert len(table.drawn) == 1
    table.judged(DETECTED)
    assert len(table.drawn) == 1, "drawn before the answer that it judges"
    (second,) = only(table.answer("holder-5"), JudgeAnswers)

    assert [first.coin.seed, second.coin.seed] == table.drawn
    assert first.coin.context != second.coin.context
    assert "seed=" not in repr(second)


def test_the_coin_is_bound_to_every_digest_and_to_the_set() -> None:
    contexts = set()
    for changes in ({}, {"number": 2}, {"dimension": 201}):
        table = Table(**changes)
        (effect,) = only(table.answer(*HOLDERS), JudgeAnswers)
        contexts.add(effect.coin.context)

    assert len(contexts) == 3


def test_the_same_answers_are_not_judged_twice_and_time_stands_meanwhile() -> None:
    table = Table()
    table.answer(*HOLDERS)

    effects = [e for now_s in (5.0, 30.0, 400.0) for e in table.at(now_s)]

    assert table.round.next_wake_s() is None
    assert effects == []
    assert table.round.abandoned is None


def test_an_answer_that_comes_while_others_are_judged_is_kept() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])
    table.at(2.0)

    meanwhile = table.answer("holder-5")
    effects = table.judged(DETECTED)

    assert judging(meanwhile) == []
    assert judging(effects) == [HOLDERS]


# --- what comes of a judgement --------------------------------------------------------


def test_verified_answers_are_opened() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])
    (judge,) = only(table.at(2.0), JudgeAnswers)

    effects = table.judged(VERIFIED)

    (opened,) = only(effects, OpenSum)
    assert tuple(opened.answers) == HOLDERS[:4]
    assert (opened.coin, opened.at_zero) == (judge.coin, (5, 6))
    assert table.round.step is Step.UPDATING
    assert [(event.checked, event.liars) for event in told(effects)] == [("verified", ())]


def test_false_answers_are_named_and_nothing_is_opened_from_them() -> None:
    table = Table()
    table.answer(*HOLDERS)

    effects = table.judged(
        Judgement(status=Status.CORRECTED, fitting=(0, 2, 3, 4), wrong=(1,), at_zero=(5, 6))
    )

    (opened,) = only(effects, OpenSum)
    assert tuple(opened.answers) == ("holder-1", "holder-3", "holder-4", "holder-5")
    assert table.round.verdict is not None
    assert table.round.verdict.liars == ("holder-2",)
    (event,) = told(effects)
    assert (event.checked, event.liars, event.answered) == ("corrected", ("holder-2",), HOLDERS)


def test_where_nobody_can_be_named_the_others_are_asked_for_their_answers() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])
    table.at(2.0)

    effects = table.judged(DETECTED)

    assert not only(effects, OpenSum)
    assert [to for to, message in sent(effects) if isinstance(message, Release)] == ["holder-5"]
    assert [event.checked for event in told(effects)] == ["detected"]
    assert table.round.step is Step.RELEASING
    assert table.round.verdict is None
    assert judging(effects + table.at(10.0)) == [], "the same answers are judged again"


def test_a_round_whose_answers_do_not_fit_ends_when_the_patience_ends() -> None:
    table = Table()
    table.answer(*HOLDERS[:4])
    table.at(2.0)
    table.judged(DETECTED)

    table.at(31.9)
    assert table.round.abandoned is None
    table.at(32.0)

    assert table.round.abandoned == (
        "of 4 answers some are false, and whose are is told by 5 answers and not by fewer"
    )


def test_a_round_whose_answers_do_not_fit_ends_at_once_where_nobody_is_left() -> None:
    table = Table()
    table.answer(*HOLDERS)

    table.judged(DETECTED)

    assert table.round.abandoned == (
        "of 5 answers some are false, and more than 1 are, or the shares of a trainer belong to "
        "no vector"
    )


def test_who_failed_a_check_may_still_tell_the_liars_apart() -> None:
    table = Table()
    table.answer("holder-1", ok=False)
    table.answer(*HOLDERS[1:])

    table.judged(DETECTED)

    assert table.round.abandoned is None
    assert judging(table.answer("holder-1")) == [(*HOLDERS[1:], "holder-1")]


def test_a_judgement_that_nobody_asked_for_is_a_bug() -> None:
    with pytest.raises(Misuse, match="nobody asked"):
        Table().judged(VERIFIED)
