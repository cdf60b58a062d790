"""The transcripts of a job: whole, continuous and before the telling, wherever it crashes."""

from __future__ import annotations

import pytest
from fakes.signed_rounds import Bench, plan_of, resigned
from fakes.transcribed import HOLDERS, ROSTER, contributed, digest_of

from protocols.messages import Message, Propose, Release, Vote, Wire
from protocols.trust.auditing import Audit, Audited, Own
from protocols.trust.policy import Policy
from protocols.trust.transcript import FIRST

DEMANDED = Policy(vote=True, quorum=3, threshold=3)


def audited(bench: Bench, own: Own | None = None) -> list[Audited]:
    reader = Audit([ROSTER], DEMANDED, own, whole=True)
    return [reader.take(transcript) for transcript in bench.chain()]


def test_every_round_leaves_a_transcript_that_is_believed_complete_or_abandoned() -> None:
    bench = Bench(silent=(2,))
    bench.run()

    first, second, third = (one.transcript for one in audited(bench))

    assert [one.outcome for one in (first, second, third)] == ["complete", "abandoned", "complete"]
    assert (first.previous, second.reason) == (FIRST, "0 of 3 votes came in")
    assert first.next_state == second.config.state == third.config.state == digest_of("state", 1)
    assert first.sum_digest == digest_of("sum", 1)
    assert [opened.holder for opened in first.opened] == list(HOLDERS)
    assert len(first.votes) >= 3
    assert len(first.answers) >= 3
    assert first.epoch == ROSTER.epoch
    assert (bench.untold, bench.violations) == ([], [])


def test_a_trainer_finds_itself_in_the_sum() -> None:
    bench = Bench(rounds=1)
    bench.run()
    config = bench.files[1].transcript.config
    sent = {config.cid(): contributed(config, "ann").digest}

    (told,) = audited(bench, Own(name="ann", sent=sent))

    assert told.mine == "in the sum"


def steps() -> int:
    """Return how many steps there are in such a job to crash before."""
    bench = Bench(silent=(2,))
    bench.run()
    return bench.steps


@pytest.mark.parametrize("step", range(steps()))
def test_a_crash_before_any_step_leaves_a_whole_chain_and_no_end_was_told_before_its_file(
    step: int,
) -> None:
    bench = Bench(silent=(2,), crash_at=step)
    bench.run()

    told = audited(bench)

    assert bench.crashes == 1
    assert [one.transcript.config.number for one in told] == [1, 2, 3]
    outcomes = [one.transcript.outcome for one in told]
    assert outcomes == ["complete", "abandoned", "complete"]
    assert bench.untold == []


def test_a_round_that_no_trainer_was_told_of_leaves_none() -> None:
    bench = Bench(plan=plan_of(abandoned_rounds=1), mute=True)
    bench.run()

    assert bench.files == {}
    assert bench.machine.ended is not None
    assert "holders opened the round" in bench.machine.ended.reason


def test_where_nobody_signs_nothing_is_kept() -> None:
    bench = Bench(rounds=1, plan=plan_of(epoch=0))
    bench.run()

    assert bench.files == {}
    assert "transcript" not in bench.journal


def test_a_sum_that_the_job_can_not_go_on_from_was_opened_and_is_told() -> None:
    bench = Bench(rounds=1, failing="not finite")
    bench.run()

    (told,) = audited(bench)

    assert (told.transcript.outcome, told.transcript.reason) == ("failed", "not finite")
    assert told.transcript.sum_digest == digest_of("sum", 1)
    assert told.transcript.next_state is None


def test_a_holder_that_votes_for_two_sets_is_named_with_evidence() -> None:
    def twice(to: str, message: Message) -> list[tuple[str, Wire]]:
        if isinstance(message, Propose) and to == "holder-2":
            return [(to, Vote(cid=message.cid, set_digest=digest_of("another set")))]
        return []

    bench = Bench(rounds=1, disturb=twice)
    bench.run()

    (told,) = audited(bench)

    (evidence,) = told.transcript.evidence
    assert (evidence.offender, evidence.type_name) == ("holder-2", "Vote")
    assert evidence.round_id == told.transcript.config.cid()
    assert "holder-2" in [vote.holder for vote in told.transcript.votes]
    assert bench.violations == ["voted for a set that was never proposed"]


def test_a_holder_that_answers_in_two_ways_is_named_with_evidence() -> None:
    def twice(to: str, message: Message) -> list[tuple[str, Wire]]:
        if isinstance(message, Release) and to == "holder-1":
            first, _ = bench.answer(to, message)
            return [(to, first), (to, resigned(first, to, answer_digest=digest_of("another")))]
        return []

    bench = Bench(rounds=1, disturb=twice)
    bench.run()

    (told,) = audited(bench)

    assert [one.type_name for one in told.transcript.evidence] == ["AnswerHeader"]
    assert "holder-1" in [answer.holder for answer in told.transcript.answers]
    assert bench.violations == ["sent two different answers"]


def test_evidence_of_a_round_goes_into_no_other() -> None:
    def twice(to: str, message: Message) -> list[tuple[str, Wire]]:
        number = bench.machine.run.number if bench.machine.run else 0
        if isinstance(message, Propose) and (to, number) == ("holder-2", 1):
            return [(to, Vote(cid=message.cid, set_digest=digest_of("another set")))]
        return []

    bench = Bench(disturb=twice)
    bench.run()

    assert [len(one.transcript.evidence) for one in audited(bench)] == [1, 0]


@pytest.mark.parametrize("step", [2, 3])
def test_what_holders_signed_when_they_opened_a_round_outlives_a_crash(step: int) -> None:
    bench = Bench(rounds=1, crash_at=step, mute_after_crash=True)
    bench.run()

    (told,) = audited(bench)

    assert bench.crashes == 1
    assert [opened.holder for opened in told.transcript.opened] == list(HOLDERS)
