"""Each lie alone, in an otherwise calm history: who refuses it, and that rounds go on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes.round_parts import config_of

from infra.simulation.coordinator_checks import CoordinatorChecks
from infra.simulation.faults import ANYBODY, Aim, Fault, Kind, Plan, Point, Size
from infra.simulation.ghost import Rule
from infra.simulation.holder_checks import HolderChecks
from infra.simulation.job import roster_of
from infra.simulation.liars.moments import MOMENTS
from infra.simulation.liars.rounds import altered
from infra.simulation.liars.trainers import LyingTrainers
from infra.simulation.runner import History, run
from infra.simulation.story import printed, story
from infra.simulation.swarm import plan_of
from infra.simulation.witness import Witness
from protocols.reports import (
    Event,
    EvidenceKept,
    PeerFault,
    Refusal,
    RoundAbandoned,
    RoundComplete,
    SharesChecked,
    TrainerLeft,
)
from protocols.round_config import MAX_NORM_BOUND
from protocols.secagg import sifting
from protocols.secagg.holding import Holding
from protocols.secagg.judging import Judgement, Status
from protocols.secagg.masked.noise import Noise
from protocols.secagg.masked.noise import Verdict as NoiseVerdict
from protocols.secagg.trial import Trial, Verdict

SIZE = Size(holders=4, trainers=5, threshold=3, minimum=3, training_s=1.0)
MASKED = replace(SIZE, masked=True, values=3000)
SAMPLED = replace(SIZE, trainers=7, batches=2, drawn=1)
SIZES = {Kind.LIE_OTHER_MASK: MASKED, Kind.LIE_OUT_OF_TURN: SAMPLED}
LIARS = {"coordinator": "coordinator", "holder": "h2", "trainer": "t02", "anybody": "h2"}
TRAINER_FIRST = Aim(point=Point.RECEIVED, what="Accepted", by=ANYBODY)
PROPOSING = Aim(point=Point.BEFORE_SEND, what="Propose", by=ANYBODY)
VOTED = Aim(point=Point.AFTER_COMMIT, what="vote", by=ANYBODY)
RELEASING = Aim(point=Point.BEFORE_SEND, what="Release", by=ANYBODY)
OPENING = Aim(point=Point.BEFORE_SEND, what="OpenRound", by=ANYBODY)
ANNOUNCING = Aim(point=Point.BEFORE_SEND, what="Announce", by=ANYBODY)

pytestmark = pytest.mark.attack

HOLDERS, TRAINERS, COORDINATOR = ("h1", "h2", "h3", "h4"), ("t01", "t02"), ("coordinator",)
# When a lie is told, who refuses it, and in which words.
REFUSED: dict[Kind, tuple[Aim, tuple[str, ...], str]] = {
    Kind.LIE_SECOND_SET: (RELEASING, HOLDERS, "proposed a second set"),
    Kind.LIE_CLOSE_SET: (RELEASING, HOLDERS, "the set differs by 1 trainer from"),
    Kind.LIE_SMALL_SET: (PROPOSING, HOLDERS, "2 contributions are below the minimum of 3"),
    Kind.LIE_DOUBLED_TRAINER: (PROPOSING, HOLDERS, "not sorted by distinct trainers"),
    Kind.LIE_STRANGER: (PROPOSING, HOLDERS, "mallory is not a trainer"),
    Kind.LIE_OUT_OF_TURN: (PROPOSING, HOLDERS, "is of no batch that the round asks"),
    Kind.LIE_OTHER_DIGEST: (PROPOSING, HOLDERS, "1 of 3 contributions are not complete here"),
    Kind.LIE_FEW_VOTES: (PROPOSING, HOLDERS, "a release with 2 votes"),
    Kind.LIE_DOUBLED_VOTERS: (PROPOSING, HOLDERS, "a release with 2 votes"),
    Kind.LIE_STRANGE_VOTERS: (PROPOSING, HOLDERS, "a release with 2 votes"),
    Kind.LIE_INVENTED_VOTES: (RELEASING, HOLDERS, "proposed a second set"),
    Kind.LIE_OLD_NUMBER: (PROPOSING, HOLDERS, "was opened here already"),
    Kind.LIE_OTHER_CONFIG: (PROPOSING, (), ""),
    Kind.LIE_FOREIGN_ROSTER: (OPENING, HOLDERS, "for another roster"),
    Kind.LIE_CLOSED: (PROPOSING, HOLDERS, "was opened here already"),
    Kind.LIE_OTHER_MODEL: (TRAINER_FIRST, TRAINERS, "a second time, changed"),
    Kind.LIE_SECOND_CONTRIBUTION: (TRAINER_FIRST, HOLDERS, "sent two different contributions"),
    Kind.LIE_WRONG_SHARE: (TRAINER_FIRST, HOLDERS, "does not have the announced digest"),
    Kind.LIE_OTHERS_NAME: (TRAINER_FIRST, HOLDERS, " name "),
    Kind.LIE_GARBAGE_SHARE: (TRAINER_FIRST, HOLDERS, "share"),
    Kind.LIE_OLD_SHARE: (TRAINER_FIRST, HOLDERS, "the round is not open here"),
    Kind.LIE_LOOSE_SHARES: (TRAINER_FIRST, HOLDERS, "sent two different contributions"),
    Kind.LIE_LONG_VECTOR: (TRAINER_FIRST, HOLDERS, "sent two different contributions"),
    Kind.LIE_OTHER_MASK: (
        TRAINER_FIRST,
        (*HOLDERS, *COORDINATOR),
        "sent two different contributions",
    ),
    Kind.LIE_STRANGE_VOTE: (PROPOSING, COORDINATOR, "voted for a set that was never proposed"),
    Kind.LIE_EMPTY_VOTE: (PROPOSING, (), ""),
    Kind.LIE_GARBAGE_ANSWER: (RELEASING, COORDINATOR, "answer"),
    Kind.LIE_WRONG_ANSWER: (RELEASING, (), ""),
    Kind.LIE_ONE_VALUE: (RELEASING, (), ""),
    Kind.LIE_TWO_ANSWERS: (RELEASING, COORDINATOR, "sent two different answers"),
    Kind.LIE_RECEIPT: (TRAINER_FIRST, (), ""),
    Kind.LIE_ACCUSATION: (TRAINER_FIRST, (), ""),
    Kind.LIE_GRANT: (TRAINER_FIRST, (), ""),
    Kind.LIE_ABOVE_ITS_PLACE: (PROPOSING, ("h1", "h3", "h4", "t01"), "a holder may not send"),
}


class Notes:
    """What the actors told of their rounds."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    def told(self, _now_s: float, host: str, event: Event) -> None:
        self.events.append((host, event))

    def struck(self, _now_s: float, _fault: Fault) -> None:
        """It is seen in the history."""

    def over(self, _now_s: float) -> None:
        """It is seen in the history."""

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def refusals(self, liar: str, words: str) -> set[str]:
        """Name who refused something of the liar, or logged a violation of it, in these words."""
        return {
            event.actor
            for event in (*self.of(PeerFault), *self.of(Refusal))
            if event.peer == liar and words in event.reason
        }


def lie(kind: Kind, aim: Aim | None = None, **other: Any) -> Fault:
    aim = REFUSED[kind][0] if aim is None else aim
    target = LIARS[MOMENTS[kind].party]
    return Fault(kind=kind, target=target, **{"at_s": 4.0, "amount": 1.0, **other}, aim=aim)


def played(*faults: Fault, size: Size = SIZE, seed: int = 1) -> tuple[History, Notes]:
    notes = Notes()
    plan = Plan(size=size, faults=faults, faulty_s=20.0, healed_s=60.0)
    return run(plan, seed, onlooker=notes), notes


def test_every_lie_has_its_moments_and_its_test() -> None:
    lies = {kind for kind in Kind if kind.name.startswith("LIE_")}

    assert set(MOMENTS) == lies == set(REFUSED)
    assert all(moments.aims for moments in MOMENTS.values())


@pytest.mark.parametrize("kind", REFUSED)
def test_a_lie_is_refused_by_whom_it_concerns_and_rounds_go_on(kind: Kind) -> None:
    _, who, words = REFUSED[kind]
    fault = lie(kind)

    history, notes = played(fault, size=SIZES.get(kind, SIZE))

    assert [str(violation) for violation in history.violations] == []
    assert history.fired[kind.value] == 1
    assert history.completed >= 7
    assert history.abandoned <= 1
    assert notes.refusals(fault.target, words) >= set(who)


def test_two_proposals_are_evidence_at_every_holder_and_nobody_else_is_accused() -> None:
    history, notes = played(lie(Kind.LIE_SECOND_SET))

    found = {(event.actor, event.offender, event.what) for event in notes.of(EvidenceKept)}
    assert found == {(name, "coordinator", "proposed two different sets") for name in HOLDERS}
    assert history.violations == ()


# --- under a mask -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind, moments in MOMENTS.items()
        if moments.party in ("trainer", "holder") and kind is not Kind.LIE_LONG_VECTOR
    ],
)
def test_no_lie_of_trainers_or_holders_spoils_a_masked_sum(kind: Kind) -> None:
    history, _ = played(lie(kind), size=MASKED)

    assert [str(violation) for violation in history.violations] == []
    assert history.fired[kind.value] == 1
    assert history.completed >= 7
    assert history.abandoned <= 1


def test_a_mask_of_another_secret_opens_nothing_and_rounds_go_on_without_it() -> None:
    # Its own contribution would contradict the lie; so it has none.
    silent = Fault(kind=Kind.TRAINING_FAILS, target="t02", at_s=0.0, duration_s=15.0)

    history, notes = played(silent, lie(Kind.LIE_OTHER_MASK, at_s=6.0), size=MASKED)

    assert history.violations == ()
    reasons = [event.reason for event in notes.of(RoundAbandoned)]
    assert [r for r in reasons if "opens to noise that 5 trainers do not have" in r]
    assert history.completed >= 5


def test_a_sum_that_believes_any_mask_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Fault(kind=Kind.TRAINING_FAILS, target="t02", at_s=0.0, duration_s=15.0)
    monkeypatch.setattr(Noise, "verdict", lambda self, contributors: NoiseVerdict.SOUND)

    history, _ = played(silent, lie(Kind.LIE_OTHER_MASK, at_s=6.0), size=MASKED)

    assert Rule.EXACT in {violation.rule for violation in history.violations}


@pytest.mark.parametrize("kind", [Kind.LIE_WRONG_ANSWER, Kind.LIE_ONE_VALUE])
def test_false_answers_about_secrets_open_nothing_or_are_named(kind: Kind) -> None:
    alone, notes = played(lie(kind), size=replace(MASKED, threshold=4))

    assert (alone.violations, alone.abandoned) == ((), 1)
    (abandoned,) = notes.of(RoundAbandoned)
    assert "opens to noise" in abandoned.reason or "open to no sum" in abandoned.reason

    known, notes = played(lie(kind), size=replace(MASKED, threshold=2, faults=1))

    assert (known.violations, known.abandoned) == ((), 0)
    assert [event.liars for event in notes.of(RoundComplete) if event.liars] == [("h2",)]


# --- what can't be refused, and what becomes of it ------------------------------------


def test_a_set_that_reaches_all_holders_first_is_the_one_they_are_bound_to() -> None:
    history, notes = played(lie(Kind.LIE_SECOND_SET, PROPOSING))

    (abandoned,) = notes.of(RoundAbandoned)
    assert abandoned.reason == "0 of 3 votes came in"
    assert notes.refusals("coordinator", "proposed a second set") == set(HOLDERS)
    assert (history.violations, history.completed >= 7) == ((), True)


def test_another_config_that_comes_after_the_true_one_costs_nothing() -> None:
    history, notes = played(lie(Kind.LIE_OTHER_CONFIG, ANNOUNCING))

    assert notes.of(RoundAbandoned) == []
    assert (history.violations, history.completed >= 8) == ((), True)


def test_a_whole_round_of_another_config_costs_the_true_one_and_no_other() -> None:
    history, notes = played(lie(Kind.LIE_OTHER_CONFIG, OPENING))

    (abandoned,) = notes.of(RoundAbandoned)
    complete = [event.number for event in notes.of(RoundComplete)]
    assert history.violations == ()
    assert abandoned.number + 1 in complete


def test_in_a_round_of_its_own_the_liar_gets_one_sum_and_with_it_no_second_one() -> None:
    """The whole of it: opened and announced under one number before the true one is."""
    first = lie(Kind.LIE_OTHER_CONFIG, OPENING, at_s=4.0)
    witness, notes = Witness(), Notes()
    plan = Plan(size=SIZE, faults=(first,), faulty_s=20.0)

    history = run(plan, 1, witness=witness, onlooker=notes)

    assert history.violations == ()
    answers = [m for m in witness.moments if m.text.startswith("answers for set")]
    (abandoned,) = notes.of(RoundAbandoned)
    by_round: dict[int, set[str]] = {}
    for moment in answers:
        by_round.setdefault(moment.number, set()).add(moment.text)
    assert all(len(texts) == 1 for texts in by_round.values())
    assert abandoned.number in by_round, "the liar's own round was never answered"


def test_who_is_accused_by_one_lying_holder_misses_no_round() -> None:
    history, notes = played(lie(Kind.LIE_ACCUSATION, amount=0.01))

    assert history.fired["lie: innocent accused"] == 1
    assert {len(event.survivors) for event in notes.of(RoundComplete)} == {SIZE.trainers}
    assert (history.violations, notes.of(TrainerLeft)) == ((), [])


def test_a_wrong_answer_frees_the_one_sum_that_it_spoils(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lie(Kind.LIE_WRONG_ANSWER, RELEASING)
    history, _ = played(wrong)
    assert (history.violations, history.abandoned) == ((), 0)

    monkeypatch.setattr(CoordinatorChecks, "_answered_falsely", lambda self, cid: False)
    strict, _ = played(wrong)

    assert {violation.rule for violation in strict.violations} >= {Rule.EXACT}


def checked_sums(patch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that tells of each sum that will be opened whether no liar has a part in it."""
    whole = CoordinatorChecks._check_sum
    seen: list[bool] = []

    def look(self: CoordinatorChecks, *args: Any) -> bool:
        seen.append(whole(self, *args))
        return seen[-1]

    patch.setattr(CoordinatorChecks, "_check_sum", look)
    return seen


def test_a_wrong_answer_frees_no_other_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = checked_sums(monkeypatch)

    history, _ = played(lie(Kind.LIE_WRONG_ANSWER, RELEASING))

    assert history.completed == len(honest)
    assert honest.count(False) == 1


FOUR = replace(SIZE, threshold=2, faults=1)
SEVEN = replace(SIZE, holders=7, threshold=3, faults=2)


@pytest.mark.parametrize("kind", [Kind.LIE_WRONG_ANSWER, Kind.LIE_ONE_VALUE])
@pytest.mark.parametrize(
    ("size", "liars"), [(FOUR, ("h2",)), (SEVEN, ("h1", "h6"))], ids=["one of four", "two of seven"]
)
def test_as_many_false_answers_as_may_be_change_no_sum_and_are_named(
    kind: Kind, size: Size, liars: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = checked_sums(monkeypatch)

    history, notes = played(*(replace(lie(kind), target=name) for name in liars), size=size)

    assert (history.violations, history.abandoned) == ((), 0)
    assert all(honest), "a sum was put right"
    complete = notes.of(RoundComplete)
    assert [event.liars for event in complete if event.liars] == [liars]
    assert {event.checked for event in complete} == {"verified", "corrected"}


def test_who_believes_a_false_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(self: Trial, judgement: Judgement) -> Verdict:
        places = tuple(sorted((*judgement.fitting, *judgement.wrong)))
        return whole(self, replace(judgement, fitting=places, wrong=(), status=Status.VERIFIED))

    whole = Trial.take
    monkeypatch.setattr(Trial, "take", believing)

    history, _ = played(replace(lie(Kind.LIE_ONE_VALUE), target="h1"), size=FOUR)

    assert Rule.NAMED in {violation.rule for violation in history.violations}


def test_a_third_of_the_seeds_allows_for_lying_holders_and_no_more_lie_there() -> None:
    plans = [plan_of(seed) for seed in range(300)]
    allowing = [plan for plan in plans if plan.size.faults]

    assert 75 <= len(allowing) <= 125
    assert {plan.size.faults for plan in allowing} == {1, 2}
    for plan in allowing:
        roster = roster_of(plan.size)
        lies = [fault for fault in plan.faults if fault.kind in MOMENTS]
        liars = {fault.target for fault in lies if fault.target in roster.holders}
        assert len(liars) <= plan.size.faults


def test_a_lying_trainers_values_are_in_the_sum_and_the_sum_is_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own program is slow: what it made up is complete everywhere before."""
    slow = Fault(kind=Kind.TRAINING_HANGS, at_s=0.0, target="t02", duration_s=20.0)
    faults = (slow, lie(Kind.LIE_SECOND_CONTRIBUTION, TRAINER_FIRST))
    honest = checked_sums(monkeypatch)
    history, notes = played(*faults)

    assert history.violations == ()
    assert honest.count(False) == 1
    assert "t02" in notes.of(RoundComplete)[honest.index(False)].survivors

    # As if it had sent what its program computes: then the sum is another one.
    monkeypatch.setattr(LyingTrainers, "_note", lambda self, header, vector: None)
    strict, _ = played(*faults)
    assert {violation.rule for violation in strict.violations} >= {Rule.GENUINE}


def test_a_vector_beyond_the_bound_is_named_and_in_no_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Fault(kind=Kind.TRAINING_HANGS, at_s=0.0, target="t02", duration_s=20.0)
    faults = (slow, lie(Kind.LIE_LONG_VECTOR, TRAINER_FIRST))
    size = replace(SIZE, holders=7, threshold=3, faults=1, checks=True, norms=True, values=2)
    history, notes = played(*faults, size=size)

    assert (history.violations, history.abandoned) == ((), 0)
    assert [e.too_long for e in notes.of(SharesChecked) if e.too_long] == [("t02",)]

    # As if the coordinator took every word of squares for that of short vectors.
    monkeypatch.setattr(sifting, "words_of", lambda _config: 1)
    strict, _ = played(*faults, size=size)
    assert {violation.rule for violation in strict.violations} >= {Rule.SHORT}


def test_norms_are_bound_in_some_seeds_and_honest_vectors_always_fit() -> None:
    sizes = [size for seed in range(200) if (size := plan_of(seed).size).norms]

    assert 15 <= len(sizes) <= 60
    for size in sizes:
        assert size.checks
        assert size.values * (2**15 * 2**8) ** 2 + 2**16 <= MAX_NORM_BOUND


@pytest.mark.parametrize("kind", [Kind.LIE_INVENTED_VOTES, Kind.LIE_SECOND_SET])
@pytest.mark.parametrize("threshold", [2, 3])
def test_who_answered_answers_for_no_other_set(kind: Kind, threshold: int) -> None:
    size = replace(SIZE, threshold=threshold)
    after = Aim(point=Point.AFTER_COMMIT, what="answer", by=ANYBODY)

    for nth in range(1, 5):
        fault = lie(kind, replace(after, nth=nth))
        history, notes = played(fault, size=size)

        assert history.violations == ()
        assert notes.refusals("coordinator", "second set in one round")


def most_sums_of_a_round(threshold: int) -> int:
    """Let a coordinator ask some holders for one set, and all for another, with invented votes."""
    size, most = replace(SIZE, threshold=threshold), 0
    for seed in range(12):
        some = lie(Kind.LIE_INVENTED_VOTES, PROPOSING, amount=0.5)
        everybody = lie(Kind.LIE_INVENTED_VOTES, PROPOSING, at_s=4.001)
        witness = Witness()
        plan = Plan(size=size, faults=(some, everybody), faulty_s=20.0)
        assert run(plan, seed, witness=witness).violations == ()
        answers: dict[tuple[int, str], set[str]] = {}
        for moment in witness.moments:
            if moment.text.startswith("answers for set"):
                answers.setdefault((moment.number, moment.text), set()).add(moment.who)
        sums = [number for (number, _), who in answers.items() if len(who) >= threshold]
        most = max(most, *(sums.count(number) for number in sums))
    return most


@pytest.mark.parametrize("threshold", [2, 3])
def test_invented_votes_open_no_second_sum_whatever_the_threshold(threshold: int) -> None:
    assert most_sums_of_a_round(threshold) == 1


def test_without_signatures_on_votes_two_sums_would_open_with_2t_up_to_n(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Holding, "_require_certificate", lambda *_: None)
    monkeypatch.setattr(HolderChecks, "_check_votes", lambda *_: None)
    monkeypatch.setattr(HolderChecks, "_check_one_sum", lambda *_: None)

    assert most_sums_of_a_round(threshold=2) == 2


# --- replays --------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["coordinator", "h1", "t01"])
@pytest.mark.parametrize("what", ["OpenRound", "Vote", "CloseRound", "Hello"])
def test_what_is_heard_again_changes_nothing(target: str, what: str) -> None:
    faults = [
        Fault(
            kind=Kind.REPLAY,
            at_s=2.0 + place,
            target=target,
            amount=30.0,
            aim=Aim(point=Point.BEFORE_SEND, what=what, by=ANYBODY, nth=1 + place),
        )
        for place in range(4)
    ]
    restart = Fault(kind=Kind.CRASH, at_s=6.0, target="h1", duration_s=0.2)

    history, _ = played(*faults, restart)

    assert history.violations == ()
    assert history.fired["replay"] >= (1 if what == "Hello" else 3)
    assert history.completed >= 6


# --- plans and stories ----------------------------------------------------------------


def test_a_third_of_the_seeds_lie_and_the_others_meet_what_they_met() -> None:
    plans = [plan_of(seed) for seed in range(300)]
    lying = [plan for plan in plans if any(fault.kind in MOMENTS for fault in plan.faults)]

    assert 75 <= len(lying) <= 125
    told = {fault.kind for plan in lying for fault in plan.faults} & set(MOMENTS)
    assert told == set(MOMENTS)
    for plan in lying:
        for fault in plan.faults:
            if fault.kind in MOMENTS:
                role = roster_of(plan.size).role(fault.target)
                party = MOMENTS[fault.kind].party
                assert role == party or (party == "anybody" and role != "coordinator")
        assert Plan.from_json(plan.to_json()) == plan


def test_a_story_tells_a_lie_with_who_heard_it() -> None:
    witness = Witness()
    plan = Plan(size=SIZE, faults=(lie(Kind.LIE_SMALL_SET, VOTED, amount=0.3),), faulty_s=10.0)
    run(plan, 1, witness=witness)
    witness.finish()

    lines = list(printed(story(witness.moments, roster_of(SIZE))))

    struck = next(place for place, line in enumerate(lines) if " ! coordinator: lie: " in line)
    assert "to 30% of those who may hear it" in lines[struck]
    assert "with somebody having just written vote" in lines[struck]
    assert " * coordinator: lies to h" in lines[struck + 1]
    assert "proposes t01 t02" in lines[struck + 1]
    assert any("accuses coordinator (2 contributions are below" in line for line in lines)


def test_another_round_that_a_liar_asks_for_is_one_that_may_be_with_packed_shares() -> None:
    config = config_of(
        **{"holders": 4, "threshold": 3, "quorum": 3, "suite": "packed", "packing": 2}
    )

    others = [altered(config, bits) for bits in range(4)]

    assert all(other.threshold == 3 for other in others)
    assert config not in others
