"""How far a lie frees whom from which rule: the liar, its round, whom it told; and no further."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import pytest
from fakes.signatures import release_of, signed
from fakes.simulated_scene import (
    CID,
    CONFIG,
    OPENED,
    ROSTER,
    RUN,
    SIZE,
    Scene,
    header_of,
    key_of,
    round_record,
    sealed,
)

from infra.simulation.apart_checks import ApartChecks, held_back
from infra.simulation.ghost import Rule
from protocols.codec import digest_of
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    Excluded,
    Have,
    OpenRound,
    Propose,
    Release,
    ShareChunk,
    Vote,
)
from protocols.records import (
    Contributed,
    HeldAnswer,
    HeldExclusion,
    HeldProposal,
    HeldShare,
    Suspicion,
)
from protocols.reports import EvidenceKept, PeerFault
from protocols.round_config import RoundConfig
from protocols.secagg.differencing import bitmap
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.trust.evidence import Said, contradiction
from protocols.trust.signing import Statement

Chosen = tuple[Contribution, ...]


def answered(scene: Scene, holder: str, chosen: Chosen) -> None:
    """Let a holder record and send an answer."""
    header = AnswerHeader(
        cid=CID,
        set_digest=set_digest(CID, chosen),
        answer_bytes=32,
        answer_digest=hashlib.sha256(holder.encode()).digest(),
    )
    scene.hold(holder)
    record = HeldAnswer(chosen=chosen, header=header)
    scene.write(holder, f"round/{CID.hex()}/answer", record)
    scene.pledge(holder, chosen)
    scene.say(
        holder,
        sealed(holder, AnswerChunk(header=header, index=0, payload=bytes(32)), "coordinator"),
    )


def release(scene: Scene, *voters: str) -> Release:
    return release_of(CID, scene.chosen, voters)


# --- votes that were made up ----------------------------------------------------------


@pytest.mark.parametrize("voters", [("h1", "h2"), ("h1", "h1"), ("h1", "t01", "mallory")])
def test_invented_votes_excuse_nobody(voters: tuple[str, ...]) -> None:
    scene = Scene()
    scene.open_round()
    scene.ghost.lies.note("coordinator", "h1", release(scene, *voters))

    answered(scene, "h1", scene.chosen)

    assert scene.broken() == {Rule.CERTIFICATE}


def test_the_vote_of_a_lying_holder_counts_for_the_set_that_it_is_for() -> None:
    for digest, fine in ((None, True), (bytes(32), False)):
        scene = Scene()
        scene.open_round()
        scene.vote("h1")
        own = set_digest(CID, scene.chosen)
        lie = Vote(cid=CID, set_digest=own if digest is None else digest)
        scene.ghost.lies.note("h2", "coordinator", lie)

        answered(scene, "h1", scene.chosen)

        assert scene.broken() == (set() if fine else {Rule.CERTIFICATE})


def test_an_answer_for_another_set_than_the_vote_is_noticed_whatever_is_claimed() -> None:
    scene = Scene()
    scene.open_round()
    scene.vote("h1")
    other = scene.contribute(*ROSTER.trainers)
    voted = {set_digest(CID, other): None}
    scene.ghost.votes[CID] |= dict.fromkeys(("h2", "h3"), voted)

    answered(scene, "h1", other)

    assert scene.broken() == {Rule.ONE_ANSWER}


@pytest.mark.parametrize("told", [True, False])
def test_a_holder_that_forgot_may_vote_again_only_where_it_was_asked_for_another_set(
    *, told: bool
) -> None:
    scene = Scene()
    scene.open_round()
    scene.ghost.forgetful["h1"] = None
    other = scene.contribute(*ROSTER.trainers)
    if told:
        scene.ghost.lies.note("coordinator", "h1", Propose(cid=CID, chosen=other))

    scene.vote("h1")
    scene.vote("h1", chosen=other)

    assert scene.broken() == (set() if told else {Rule.ONE_VOTE})


@pytest.mark.parametrize(
    ("voters", "fine"),
    [(("h2", "h3"), True), (("h1", "h2"), False), (("h2", "h3", "h1"), False)],
    ids=["who voted for it, too", "who voted for another", "one among others"],
)
def test_who_voted_for_two_sets_may_be_named_for_both_and_others_for_their_own(
    voters: tuple[str, ...], *, fine: bool
) -> None:
    scene = Scene()
    scene.open_round()
    other = scene.contribute(*ROSTER.trainers)
    scene.ghost.forgetful["h3"] = None
    scene.ghost.lies.note("coordinator", "h3", Propose(cid=CID, chosen=other))
    scene.vote("h1", "h3", chosen=other)
    scene.vote("h2", "h3")
    assert scene.ghost.violations == []

    scene.write("coordinator", "round", round_record(scene.chosen))
    scene.say("coordinator", release(scene, *voters), "h2")

    assert scene.broken() == (set() if fine else {Rule.CERTIFICATE})


@pytest.mark.parametrize("forgot", [True, False])
def test_both_votes_of_a_holder_that_forgot_count_in_a_quorum(*, forgot: bool) -> None:
    scene = Scene()
    scene.open_round()
    other = scene.contribute(*ROSTER.trainers)
    scene.ghost.forgetful["h3"] = None
    scene.ghost.lies.note("coordinator", "h3", Propose(cid=CID, chosen=other))
    scene.vote("h3", chosen=other)
    scene.vote(*(("h2", "h3") if forgot else ("h2",)))

    answered(scene, "h1", scene.chosen)

    assert scene.broken() == (set() if forgot else {Rule.CERTIFICATE})


def test_a_vote_for_a_set_that_nobody_may_open_is_noticed() -> None:
    scene = Scene()
    scene.open_round()

    scene.vote("h1", chosen=scene.chosen[:2])
    scene.vote("h2", chosen=(scene.chosen[0], *scene.chosen))
    strange = msgspec.structs.replace(scene.chosen[0], digest=bytes(32))
    scene.vote("h3", chosen=(strange, *scene.chosen[1:]))

    assert scene.broken() == {Rule.MINIMUM, Rule.DISTINCT, Rule.GENUINE}


# --- two sums -------------------------------------------------------------------------


def two_sums(scene: Scene) -> None:
    """Let two holders of three answer for one set and two for another, with t = 2."""
    other = scene.contribute(*ROSTER.trainers)
    votes = scene.ghost.votes.setdefault(CID, {})
    for holder, chosen in (("h1", scene.chosen), ("h2", scene.chosen), ("h3", other)):
        answered(scene, holder, chosen)
    votes.clear()
    answered(scene, "h2", other)


def test_two_sums_are_noticed() -> None:
    scene = Scene()
    scene.open_round()

    two_sums(scene)

    assert Rule.ONE_SUM in scene.broken()


def test_with_2t_above_n_invented_votes_excuse_no_two_sums() -> None:
    scene = Scene()
    scene.open_round()
    scene.ghost.lies.note("coordinator", "h1", release(scene, "h1", "h2"))

    two_sums(scene)

    assert Rule.ONE_SUM in scene.broken()


def test_with_2t_up_to_n_and_f_invented_votes_excuse_two_sums() -> None:
    scene = Scene()
    scene.open_round()
    scene.ghost.forgetful["h2"] = None
    scene.ghost.lies.note("coordinator", "h1", release(scene, "h1", "h2"))

    two_sums(scene)

    assert Rule.ONE_SUM not in scene.broken()


def test_a_trainer_that_forgot_is_no_forgetful_holder() -> None:
    scene = Scene()
    scene.open_round()
    scene.ghost.forgetful["t01"] = None
    scene.ghost.lies.note("coordinator", "h1", release(scene, "h1", "h2"))

    two_sums(scene)

    assert Rule.ONE_SUM in scene.broken()


# --- accusations ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "peer", "fine"),
    [("h1", "coordinator", True), ("coordinator", "h1", True), ("h2", "coordinator", False)],
)
def test_who_was_lied_to_and_the_liar_may_accuse_each_other_and_nobody_else(
    host: str, peer: str, *, fine: bool
) -> None:
    scene = Scene()
    scene.ghost.lies.note("coordinator", "h1", Propose(cid=CID, chosen=()))

    scene.checks.told(host, PeerFault(actor=host, peer=peer, reason="it"))

    assert scene.broken() == (set() if fine else {Rule.HONEST})


@pytest.mark.parametrize(
    ("host", "offender", "fine"),
    [("h1", "coordinator", True), ("coordinator", "h1", False), ("h2", "coordinator", False)],
)
def test_evidence_is_against_liars_only_and_with_whom_they_lied_to(
    host: str, offender: str, *, fine: bool
) -> None:
    scene = Scene()
    scene.ghost.lies.note("coordinator", "h1", Propose(cid=CID, chosen=()))

    what = "proposed two different sets"
    scene.checks.told(host, EvidenceKept(actor=host, offender=offender, what=what, cid=CID.hex()))

    assert scene.broken() == (set() if fine else {Rule.HONEST})


@pytest.mark.parametrize("guilty", [True, False])
def test_who_is_excluded_for_two_contributions_has_sent_two(*, guilty: bool) -> None:
    scene = Scene()
    scene.open_round()
    reason = "sent two different contributions"
    if guilty:
        chunk = ShareChunk(header=header_of("t01", 1), index=0, payload=b"")
        scene.ghost.lies.note("t01", "h1", chunk)
    record = HeldExclusion(reason=reason)
    scene.write("h1", f"round/{CID.hex()}/excluded/t01", record)

    scene.say("h1", Excluded(cid=CID, trainer="t01", reason=reason))

    assert scene.broken() == (set() if guilty else {Rule.HONEST})


def test_a_share_in_anothers_name_makes_nobody_guilty() -> None:
    scene = Scene()
    chunk = ShareChunk(header=header_of("t01", 1), index=0, payload=b"")

    scene.ghost.lies.note("t02", "h1", chunk)

    assert scene.ghost.lies.headers == {}


# --- contributions --------------------------------------------------------------------


def test_a_holder_that_has_two_contributions_of_a_trainer_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    for salt in (0, 1):
        header = header_of("t01", salt)
        share = HeldShare(header=header, complete=True)
        scene.write("h1", f"round/{CID.hex()}/share/t01", share)
        one = Contribution(trainer="t01", digest=contribution_digest(header))
        scene.say("h1", Have(cid=CID, contributions=(one,)))

    assert scene.broken() == {Rule.ONE_CONTRIBUTION}


def test_a_trainer_in_two_rounds_of_one_number_is_noticed() -> None:
    scene = Scene()
    other = msgspec.structs.replace(CONFIG, beat_ms=CONFIG.beat_ms + 1)
    header = msgspec.structs.replace(header_of("t01"), cid=other.cid())
    record = Contributed(config=other, opened=OPENED, header=header, open=True)
    scene.write("t01", "job/known", record)

    chunk = ShareChunk(header=header, index=0, payload=bytes([0]) * 32)
    scene.say("t01", sealed("t01", chunk, "h1"), "h1")

    assert scene.broken() == {Rule.ONE_CONTRIBUTION}


# --- whose words bind a holder --------------------------------------------------------


def test_only_the_coordinator_and_the_own_roster_bind_a_holder() -> None:
    foreign = msgspec.structs.replace(CONFIG, roster=bytes(32))
    for sender, signer, config, fine in (
        ("coordinator", "coordinator", CONFIG, False),
        ("coordinator", "h2", CONFIG, True),
        ("h2", "h2", CONFIG, True),
        ("coordinator", "coordinator", foreign, True),
    ):
        scene = Scene()
        federation = scene.ghost.roster.federation
        message = OpenRound(config=config, sealing_key=key_of("coordinator"))

        scene.checks.acked("h1", signed(federation, signer, message, name=sender), "OpenRound")

        assert scene.broken() == (set() if fine else {Rule.DURABLE})


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_of_two_proposals_a_holder_keeps_what_shows_them(*, remembered: bool, kept: bool) -> None:
    scene = Scene()
    scene.open_round()
    scene.hold("h1")
    prefix, federation = f"round/{CID.hex()}", scene.ghost.roster.federation
    first, second = (Propose(cid=CID, chosen=scene.chosen[skip:]) for skip in (0, 1))
    one, other = (
        Said(Statement.about(federation, "coordinator", said, digest_of(said)), bytes(64))
        for said in (first, second)
    )
    proposal = HeldProposal(body_digest=digest_of(first), signature=bytes(64))
    if remembered:
        scene.write("h1", f"{prefix}/proposed", proposal)
    if kept and (evidence := contradiction(one, other)) is not None:
        scene.write("h1", f"evidence/{CID.hex()}", evidence)

    for said in (first, second):
        scene.checks.acked("h1", signed(federation, "coordinator", said), "Propose")

    assert scene.broken() == (set() if remembered and kept else {Rule.DURABLE})


# --- sums over one state --------------------------------------------------------------


def later(number: int, *trainers: str) -> tuple[RoundConfig, Chosen]:
    """Return another round over the state of `CONFIG`, and a set of it."""
    config = msgspec.structs.replace(CONFIG, number=number)
    return config, tuple(Contribution(trainer=t, digest=bytes(32)) for t in trainers)


def apart_checks(scene: Scene) -> ApartChecks:
    """Let all holders remember both sets that are asked for here."""
    for host in ROSTER.holders:
        for names in (ROSTER.trainers[:3], ROSTER.trainers):
            scene.pledge(host, later(0, *names)[1])
    return ApartChecks(scene.ghost)


@pytest.mark.parametrize("did", ["voted", "answered"])
def test_a_holder_that_goes_along_with_a_close_set_in_a_later_round_is_noticed(did: str) -> None:
    scene = Scene()
    checks = apart_checks(scene)
    checks.agreed("h1", *later(7, *ROSTER.trainers), "voted")
    checks.agreed("h2", *later(8, *ROSTER.trainers[:3]), did)
    checks.agreed("h1", *later(8, *ROSTER.trainers), did)
    assert scene.broken() == set()

    checks.agreed("h1", *later(9, *ROSTER.trainers[:3]), did)

    assert scene.broken() == {Rule.APART}


def test_a_set_that_its_holder_does_not_remember_is_noticed() -> None:
    scene = Scene()

    ApartChecks(scene.ghost).agreed("h1", *later(7, *ROSTER.trainers[:3]), "voted")

    assert scene.broken() == {Rule.DURABLE}


def test_two_sums_that_are_too_close_are_noticed_whoever_answers_for_them() -> None:
    scene = Scene()
    checks = apart_checks(scene)
    for host in ROSTER.holders[:2]:
        checks.answered(host, *later(7, *ROSTER.trainers))
    checks.answered("h3", *later(8, *ROSTER.trainers[:3]))
    assert scene.broken() == set()

    checks.answered("h2", *later(8, *ROSTER.trainers[:3]))

    assert scene.broken() == {Rule.APART}


def test_a_holder_that_forgot_may_go_along_with_a_close_set() -> None:
    scene = Scene()
    checks = apart_checks(scene)
    scene.ghost.forgetful["h1"] = None
    checks.agreed("h1", *later(7, *ROSTER.trainers), "voted")

    checks.agreed("h1", *later(8, *ROSTER.trainers[:3]), "voted")

    assert scene.broken() == set()


@pytest.mark.parametrize("alive", [ROSTER.trainers, ROSTER.trainers[:3]])
def test_a_core_is_held_back_only_where_no_set_of_it_may_be_summed(alive: tuple[str, ...]) -> None:
    scene = Scene()
    scene.write("coordinator", "run", RUN)
    assert not held_back(scene.ghost, SIZE, (*ROSTER.holders, *alive))

    for host in ROSTER.holders[:2]:
        scene.pledge(host, later(6, *ROSTER.trainers)[1])

    missing = alive != ROSTER.trainers
    assert held_back(scene.ghost, SIZE, (*ROSTER.holders, *alive)) == missing


@pytest.mark.parametrize("batches", [0, 1])
def test_a_core_is_held_back_by_a_garbled_sum_of_the_coordinator_too(batches: int) -> None:
    scene = Scene()
    everybody = bitmap(ROSTER.trainers, ROSTER.trainers)
    garbled = Suspicion(roster=ROSTER.digest(), groups=(), sums=(everybody,))
    scene.write("coordinator", "run", msgspec.structs.replace(RUN, suspicion=garbled))
    size = replace(SIZE, batches=batches, drawn=batches)

    assert not held_back(scene.ghost, size, (*ROSTER.holders, *ROSTER.trainers))
    assert held_back(scene.ghost, size, (*ROSTER.holders, *ROSTER.trainers[:3]))
