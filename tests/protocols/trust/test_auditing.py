"""Which transcripts are believed: true ones, and none of those that somebody doctored.

Most doctored ones are signed anew by the coordinator, who is the one that could gain by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from fakes.transcribed import (
    HOLDERS,
    ROSTER,
    VERIFIED,
    abandoned,
    answered_by,
    chain,
    changed,
    complete,
    config_of,
    contributed,
    digest_of,
    evidence_of,
    opened_by,
    signed,
    voted_by,
)
from fakes.trusting import VALIDITY
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.messages import Contribution
from protocols.secagg.sets import set_digest
from protocols.trust.armour import armoured, dearmoured
from protocols.trust.auditing import Audit, Audited, Own
from protocols.trust.changes import renewed
from protocols.trust.errors import Doubt, Untrusted
from protocols.trust.policy import LEAST, Policy
from protocols.trust.transcript import (
    KIND,
    Judged,
    SignedTranscript,
    Transcript,
    read_transcript,
)

ANN = Own(name="ann", sent={config_of().cid(): contributed(config_of(), "ann").digest})
TRUE = complete()
UNVOTED = complete(config_of(vote=False))
CHAIN = chain()
FAULTY = Policy(faults=1)


def audit(
    transcripts: Sequence[SignedTranscript],
    *,
    policy: Policy = LEAST,
    own: Own | None = None,
    whole: bool = False,
) -> list[Audited]:
    reader = Audit([ROSTER], policy, own, whole)
    return [reader.take(transcript) for transcript in transcripts]


def refused(
    transcript: Transcript | Sequence[SignedTranscript],
    *,
    policy: Policy = LEAST,
    own: Own | None = None,
    whole: bool = False,
) -> tuple[Doubt, str]:
    given_ = [signed(transcript)] if isinstance(transcript, Transcript) else transcript
    with pytest.raises(Untrusted) as error:
        audit(given_, policy=policy, own=own, whole=whole)
    return error.value.doubt, str(error.value)


def over(*contributions: Contribution, of: Transcript = TRUE) -> Transcript:
    """Return the transcript of a round whose holders all signed for this set."""
    config = of.config
    return changed(
        of,
        chosen=contributions,
        set_digest=set_digest(config.cid(), contributions),
        votes=tuple(voted_by(config, vote.holder, contributions) for vote in of.votes),
        answers=tuple(answered_by(config, one.holder, contributions) for one in of.answers),
    )


def test_a_true_transcript_is_believed_and_says_that_the_trainer_is_in_the_sum() -> None:
    (audited,) = audit([signed(TRUE)], own=ANN, whole=True)

    assert audited.mine == "in the sum"
    assert audited.digest == TRUE.digest()
    assert audited.transcript == TRUE


def test_a_true_chain_is_believed_with_rounds_that_were_abandoned() -> None:
    own = Own(name="eve", sent={}, may_miss=True)

    told = audit(chain(), own=own, whole=True)

    assert [one.transcript.outcome for one in told] == ["complete", "abandoned", "complete"]
    assert [one.mine for one in told] == [
        "no contribution",
        "nothing was opened",
        "no contribution",
    ]


def test_a_round_without_a_vote_is_believed_by_its_answers() -> None:
    assert audit([signed(UNVOTED)])
    assert refused(UNVOTED, policy=Policy(vote=True))[0] == "policy"


def changed_set(transcript: Transcript) -> Transcript:
    return changed(transcript, chosen=transcript.chosen[1:])


def other_digest(transcript: Transcript) -> Transcript:
    return changed(transcript, set_digest=digest_of("another set"))


def another_sum(transcript: Transcript) -> Transcript:
    return changed(transcript, sum_digest=digest_of("another sum"))


DOCTORED_AFTERWARDS: list[Callable[[Transcript], Transcript]] = [
    changed_set,
    other_digest,
    another_sum,
    lambda true: changed(true, next_state=digest_of("another state")),
    lambda true: changed(true, previous=digest_of("another past")),
    lambda true: changed(true, judged=Judged(status="unverified")),
    lambda true: changed(true, votes=true.votes[:2]),
    lambda true: changed(true, opened=true.opened[:3]),
    lambda true: changed(true, config=config_of(state=digest_of("another model"))),
    lambda true: changed(true, evidence=(evidence_of(),)),
]


@pytest.mark.parametrize("doctor", DOCTORED_AFTERWARDS)
def test_what_was_changed_after_it_was_signed_is_refused(
    doctor: Callable[[Transcript], Transcript],
) -> None:
    doctored = SignedTranscript(transcript=doctor(TRUE), signature=signed(TRUE).signature)

    doubt, text = refused([doctored], own=ANN)

    assert doubt == "signature"
    assert "round 1 of sum" in text
    assert "ask coordinator for it again" in text


@pytest.mark.parametrize("name", ["mallory", "holder-1", "ann"])
def test_what_another_key_signed_is_refused(name: str) -> None:
    assert refused([signed(TRUE, by=name)])[0] == "signature"


def test_a_coordinator_by_its_own_word_is_none() -> None:
    usurped = changed(TRUE, coordinator="holder-1")

    assert refused([signed(usurped, by="holder-1")])[0] == "federation"
    assert refused(changed(TRUE, federation="other"))[0] == "federation"
    assert refused(changed(TRUE, epoch=TRUE.epoch + 1))[0] == "federation"


def test_a_round_under_another_roster_is_refused_and_its_epoch_is_named() -> None:
    later = renewed(ROSTER, VALIDITY)
    elsewhere = complete(config_of(roster=later.names().digest()))
    elsewhere = changed(elsewhere, epoch=later.epoch)

    doubt, text = refused(elsewhere)

    assert doubt == "epoch"
    assert "epoch 3" in text
    assert Audit([ROSTER, later]).take(signed(elsewhere))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("ann", "bob"), "below the minimum of 3"),
        (("bob", "ann", "cat"), "not sorted"),
        (("ann", "ann", "bob"), "not sorted by distinct"),
        (("ann", "bob", "holder-1"), "holder-1 is not a trainer"),
        (("ann", "bob", "mallory"), "mallory is not a trainer"),
    ],
)
def test_a_set_that_no_honest_holder_votes_for_is_refused(
    names: tuple[str, ...], text: str
) -> None:
    doctored = over(*(contributed(TRUE.config, name) for name in names))

    doubt, why = refused(doctored)

    assert doubt == "set"
    assert text in why


def test_a_set_that_holders_did_not_vote_for_is_refused() -> None:
    other = TRUE.chosen[1:]
    swapped = changed(TRUE, chosen=other, set_digest=set_digest(TRUE.config.cid(), other))

    assert refused(changed_set(TRUE))[0] == "set"
    assert refused(other_digest(TRUE))[0] == "set"
    doubt, text = refused(swapped)
    assert doubt == "signature"
    assert "of its votes, that of holder-1" in text


def test_a_certificate_is_of_a_quorum_of_holders_each_with_its_own_vote() -> None:
    one, two, three = TRUE.votes
    fourth = voted_by(TRUE.config, "holder-3", TRUE.chosen, by="mallory")
    stranger = voted_by(TRUE.config, "mallory", TRUE.chosen)
    elsewhere = voted_by(config_of(number=9), "holder-3", TRUE.chosen)
    for votes, doubt, text in (
        ((one, two), "quorum", "2 holders voted for its set, and 3 must"),
        ((one, two, two), "quorum", "holder-2 is twice among its votes"),
        ((one, two, msgspec.structs.replace(two, holder="holder-3")), "signature", "holder-3"),
        ((one, two, fourth), "signature", "holder-3"),
        ((one, two, elsewhere), "signature", "holder-3"),
        ((one, two, stranger), "quorum", "mallory, who is no holder"),
        ((two, one, three), "form", "not sorted"),
        ((one, two, msgspec.structs.replace(three, signature=bytes(64))), "signature", "holder-3"),
    ):
        found, why = refused(changed(TRUE, votes=votes))
        assert (found, text in why) == (doubt, True), why


def test_enough_holders_countersigned_this_very_round() -> None:
    config = TRUE.config
    other = config_of(state=digest_of("another model"))
    one, two = TRUE.opened[:2]
    for opened, doubt, text in (
        ((one, two), "quorum", "2 holders countersigned it, and 3 are needed"),
        ((one, one, two), "quorum", "holder-1 is twice"),
        ((one, two, opened_by(other, "holder-3")), "signature", "holder-3"),
        ((one, two, opened_by(config, "holder-3", by="coordinator")), "signature", "holder-3"),
        ((one, two, opened_by(config, "mallory")), "quorum", "mallory"),
        (
            (one, two, msgspec.structs.replace(two, holder="holder-3")),
            "signature",
            "countersignatures",
        ),
    ):
        found, why = refused(changed(TRUE, opened=opened))
        assert (found, text in why) == (doubt, True), why


def test_another_model_for_one_trainer_has_no_countersignatures() -> None:
    other = complete(config_of(state=digest_of("a model for ann alone")))

    doubt, text = refused(changed(other, opened=TRUE.opened))

    assert doubt == "signature"
    assert "countersignatures" in text


def test_answers_are_for_this_set_and_enough() -> None:
    whole, config, chosen = TRUE.answers, TRUE.config, TRUE.chosen
    for answers, doubt, text in (
        (whole[:2], "quorum", "2 holders answered, and it takes 3"),
        ((*whole[:2], whole[1]), "quorum", "holder-2 is twice among its answers"),
        ((*whole[:2], answered_by(config, "holder-3", chosen[1:])), "set", "holder-3"),
        ((*whole[:2], answered_by(config_of(number=2), "holder-3", chosen)), "set", "holder-3"),
        ((*whole[:2], answered_by(config, "holder-3", chosen, by="ann")), "signature", "holder-3"),
        ((*whole[:2], answered_by(config, "ann", chosen)), "quorum", "ann, who is no holder"),
    ):
        found, why = refused(changed(TRUE, answers=answers))
        assert (found, text in why) == (doubt, True), why


@pytest.mark.parametrize(
    ("answers", "judged", "fine"),
    [
        (3, Judged(status="unverified"), True),
        (3, VERIFIED, False),
        (4, VERIFIED, True),
        (4, Judged(status="verified", liars=("holder-1",)), False),
        (4, Judged(status="corrected", liars=("holder-1",)), False),
        (5, Judged(status="corrected", liars=("holder-1",)), True),
        (5, Judged(status="corrected"), False),
        (5, Judged(status="corrected", liars=("holder-1", "holder-2")), False),
        (4, Judged(status="corrected", liars=("holder-5",)), False),
        (5, Judged(status="corrected", liars=("holder-1", "holder-1")), False),
        (5, Judged(status="corrected", liars=("mallory",)), False),
        (5, Judged(status="unverified", liars=("holder-1",)), False),
        (5, Judged(status="detected"), False),
        (4, Judged(status="unverified"), True),
    ],
)
def test_a_judgement_claims_what_so_many_answers_can_show(
    answers: int, judged: Judged, fine: bool
) -> None:
    reckoned = config_of(faults=1, quorum=4)  # with one liar; with none nobody can be named
    for config, also in ((reckoned, answers > 3), (config_of(), not judged.liars)):
        transcript = complete(config, answering=HOLDERS[:answers], judged=judged)
        votes = tuple(voted_by(config, name, transcript.chosen) for name in HOLDERS[:4])
        transcript = changed(transcript, votes=votes)

        if fine and also:
            assert audit([signed(transcript)])
        else:
            assert refused(transcript)[0] == "quorum"


def test_whoever_expects_more_liars_believes_fewer_judgements() -> None:
    config = config_of(quorum=4, threshold=3)
    four = complete(config)
    voted = changed(four, votes=tuple(voted_by(config, n, four.chosen) for n in HOLDERS[:4]))

    assert audit([signed(voted)], policy=FAULTY)
    assert refused(voted, policy=Policy(faults=2))[0] == "quorum"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Policy(minimum=4), "minimum of 3 trainers is below the 4 demanded"),
        (Policy(threshold=4), "threshold of 3 is below the 4 demanded"),
        (Policy(quorum=4), "quorum of 3 is below the 4 demanded"),
        (Policy(faults=3), "lets 3 malicious holders open everything"),
        (Policy(faults=1), "quorum of 3 of 5 holders lets two sets be voted for where 1"),
    ],
)
def test_a_round_by_weaker_rules_than_are_demanded_is_refused(policy: Policy, text: str) -> None:
    doubt, why = refused(TRUE, policy=policy)

    assert doubt == "policy"
    assert text in why


def test_packed_shares_are_held_to_what_they_tell_beyond_their_privacy() -> None:
    voted = config_of(suite="packed", packing=2, threshold=3, quorum=4)
    unvoted = config_of(suite="packed", packing=2, threshold=4, vote=False)

    assert LEAST.fault(voted) is LEAST.fault(unvoted) is None
    assert "leaves 1 holders that learn nothing" in str(Policy(privacy=2).fault(voted))
    assert "lets 2 malicious holders learn a part" in str(Policy(faults=2).fault(voted))
    assert FAULTY.fault(voted) is None
    assert "lets two sums be learnt in part" in str(FAULTY.fault(unvoted))


def test_without_a_vote_the_threshold_keeps_two_sums_apart() -> None:
    assert audit([signed(UNVOTED)])
    assert "without a vote" in refused(UNVOTED, policy=FAULTY)[1]


def test_a_round_is_of_as_many_as_its_roster_has() -> None:
    for changes in ({"holders": 4, "quorum": 3}, {"trainers": 6}):
        assert refused(complete(config_of(**changes)))[0] == "policy"


def test_an_abandoned_round_opened_nothing_and_says_why() -> None:
    config = config_of()
    whole = abandoned(config)

    (told,) = audit([signed(whole)], own=ANN)

    assert told.mine == "nothing was opened"
    for changes, doubt in (
        ({"sum_digest": digest_of("a sum")}, "set"),
        ({"next_state": digest_of("a state")}, "form"),
        ({"reason": ""}, "form"),
    ):
        assert refused(changed(whole, **changes))[0] == doubt
    assert refused(changed(whole, votes=(voted_by(config, "holder-1", TRUE.chosen, by="ann"),)))
    assert refused(changed(whole, chosen=()))[0] == "set"
    assert audit([signed(changed(whole, chosen=(), set_digest=None, votes=()))])


@pytest.mark.parametrize(
    "changes",
    [
        {"sum_digest": None},
        {"next_state": None},
        {"judged": None},
        {"reason": "none"},
        {"chosen": (), "set_digest": None, "votes": (), "answers": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_complete_round_says_all_that_came_of_it(changes: dict[str, object]) -> None:
    assert refused(changed(TRUE, **changes))[0] == "form"


def test_a_sum_that_a_job_failed_with_was_opened_all_the_same() -> None:
    failed = changed(TRUE, outcome="failed", next_state=None, reason="not finite")

    (told,) = audit([signed(failed)], own=ANN)

    assert told.mine == "in the sum"
    for changes in (
        {"sum_digest": None},
        {"next_state": digest_of("a state")},
        {"reason": ""},
        {"judged": None},
    ):
        assert refused(changed(failed, **changes))[0] == "form"
    assert refused(changed(failed, votes=TRUE.votes[:2]))[0] == "quorum"
    assert refused(changed(failed, judged=Judged(status="detected")))[0] == "quorum"
    after = abandoned(config_of(number=2), previous=failed.digest())
    assert len(audit([signed(failed), signed(after)])) == 2


def test_evidence_is_checked_and_is_of_this_round() -> None:
    assert audit([signed(changed(TRUE, evidence=(evidence_of(),)))])
    forged = evidence_of(by="mallory")
    elsewhere = evidence_of(cid=digest_of("another round"))

    assert refused(changed(TRUE, evidence=(forged,)))[0] == "evidence"
    assert "another round" in refused(changed(TRUE, evidence=(elsewhere,)))[1]


def test_a_chain_is_whole_and_in_order() -> None:
    first, second, third = chain()
    another = signed(changed(first.transcript, sum_digest=digest_of("another sum")))
    for given_, text in (
        ([first, third], "does not follow round 1 of sum: one between them is missing"),
        ([second, first], "in the order of rounds"),
        ([first, first], "each round once"),
        ([another, second], "was replaced after it was signed"),
        ([first, second, second], "each round once"),
    ):
        doubt, why = refused(given_)
        assert (doubt, text in why) == ("chain", True), why


def test_a_chain_that_lacks_its_beginning_is_refused_where_all_is_wanted() -> None:
    _, second, third = chain()

    assert len(audit([second, third])) == 2
    doubt, text = refused([second, third], whole=True)
    assert doubt == "chain"
    assert "round 2 of sum: is not the first" in text


def test_the_model_that_goes_out_is_the_one_that_came_of_the_rounds_before() -> None:
    first, second, _ = chain()
    other = complete(
        config_of(number=2, state=digest_of("another model")), previous=first.transcript.digest()
    )
    skipped = complete(
        config_of(number=4, state=digest_of("state", 2)), previous=second.transcript.digest()
    )

    assert "model state" in refused([first, signed(other)])[1]
    assert "model state" in refused([first, second, signed(skipped)])[1]


def test_transcripts_of_two_jobs_are_no_chain() -> None:
    first = chain()[0]
    other = complete(
        config_of(job="other", number=2, state=digest_of("state", 1)),
        previous=first.transcript.digest(),
    )

    assert "of one job" in refused([first, signed(other)])[1]


def test_a_refused_transcript_leaves_the_chain_where_it_was() -> None:
    first, second, third = chain()
    reader = Audit([ROSTER])
    reader.take(first)
    with pytest.raises(Untrusted):
        reader.take(third)

    reader.take(second)

    assert reader.take(third)


def test_a_trainer_that_is_not_in_the_sum_is_told() -> None:
    without = over(*TRUE.chosen[1:])

    doubt, text = refused(without, own=ANN)
    (missed,) = audit([signed(without)], own=Own(name="ann", sent=ANN.sent, may_miss=True))

    assert doubt == "contribution"
    assert "the contribution of ann was sent and is not in the sum" in text
    assert missed.mine == "left out"


def test_another_contribution_in_the_trainers_name_is_refused_whatever_may_be_missed() -> None:
    other = Contribution(trainer="ann", digest=digest_of("not ann's"))
    doctored = over(other, *TRUE.chosen[1:])

    for own in (ANN, Own(name="ann", sent=ANN.sent, may_miss=True), Own(name="ann", sent={})):
        doubt, text = refused(doctored, own=own)
        assert doubt == "contribution"
        assert "somebody else has its key" in text


def test_a_trainer_without_a_contribution_does_not_take_the_sum_for_its_own() -> None:
    doubt, text = refused(TRUE, own=Own(name="eve", sent={}))
    (told,) = audit([signed(TRUE)], own=Own(name="eve", sent={}, may_miss=True))

    assert doubt == "contribution"
    assert "no record" in text
    assert told.mine == "no contribution"


def test_two_rounds_of_one_number_are_refused_whatever_may_be_missed() -> None:
    other = config_of(state=digest_of("the model that ann got")).cid()
    own = Own(name="ann", sent={other: bytes(32)}, rounds={1: other}, may_miss=True)

    for transcript in (TRUE, over(*TRUE.chosen[1:]), abandoned(config_of())):
        doubt, text = refused(transcript, own=own)
        assert doubt == "contribution"
        assert "another round of this number" in text


def test_of_rounds_before_its_records_a_trainer_knows_nothing() -> None:
    doubt, text = refused(TRUE, own=Own(name="ann", sent={}, since=2))
    (told,) = audit([signed(TRUE)], own=Own(name="ann", sent={}, since=2, may_miss=True))

    assert doubt == "contribution"
    assert "do not reach back" in text
    assert told.mine == "unknown"


@pytest.mark.parametrize("name", ["holder-1", "coordinator", "mallory"])
def test_only_trainers_look_for_a_contribution(name: str) -> None:
    doubt, text = refused(TRUE, own=Own(name=name, sent={}, may_miss=True))

    assert doubt == "contribution"
    assert f"{name} is no trainer" in text


@settings(deadline=None)
@given(st.data())
def test_no_flipped_bit_is_believed(data: st.DataObject) -> None:
    text = signed(TRUE).to_text().encode()
    raw = dearmoured(KIND, text)
    for content, rewritten in ((text, bytes), (raw, _in_armour)):
        flipped = bytearray(content)
        flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))

        with pytest.raises(Untrusted):
            audit([read_transcript(rewritten(flipped))])


def _in_armour(content: bytearray) -> bytes:
    return armoured(KIND, bytes(content)).encode()


@settings(deadline=None)
@given(st.lists(st.sampled_from(range(3)), max_size=6))
def test_only_runs_of_the_chain_are_believed(order: list[int]) -> None:
    whole = CHAIN
    run = order == list(range(order[0], order[0] + len(order))) if order else True

    if run:
        assert len(audit([whole[place] for place in order])) == len(order)
    else:
        assert refused([whole[place] for place in order])[0] == "chain"
