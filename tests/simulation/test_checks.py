"""Every rule can fail: what a holder or a trainer must not say, and that it is noticed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from fakes.signatures import release_of, signed
from fakes.simulated_scene import (
    CID,
    CONFIG,
    OPENED,
    Scene,
    header_of,
    key_of,
    opening,
    payload_of,
    round_record,
    sealed,
    seed_of,
)

from actors.ports import Lane
from infra.simulation.ghost import Rule
from infra.simulation.hosts import HostClock, Life
from protocols.codec import seal
from protocols.messages import (
    Announce,
    AnswerChunk,
    AnswerHeader,
    CloseRound,
    Contribution,
    Declined,
    Excluded,
    Have,
    Message,
    OpenRound,
    Propose,
    RoundOpened,
    ShareChunk,
    Vote,
)
from protocols.records import (
    HeldShare,
    LastRound,
)
from protocols.reports import (
    ActorRestarted,
    PeerFault,
    TookPart,
)


def test_an_honest_round_breaks_no_rule() -> None:
    scene = Scene()
    scene.open_round()
    scene.say("h1", opening("h1"))
    scene.say("coordinator", Announce(config=CONFIG, opened=OPENED), "t01")
    scene.write("coordinator", "round", round_record(scene.chosen))
    scene.say("coordinator", Propose(cid=CID, chosen=scene.chosen), "h1")
    scene.vote("h1", "h2")
    release = release_of(CID, scene.chosen, ("h1", "h2"))
    scene.say("coordinator", release, "h1")
    scene.answer()

    assert scene.ghost.violations == []


# --- durable before announced ---------------------------------------------------------

UNWRITTEN: list[tuple[str, Message]] = [
    ("h1", opening("h1")),
    ("h1", Have(cid=CID, contributions=(Contribution(trainer="t01", digest=bytes(32)),))),
    ("h1", Excluded(cid=CID, trainer="t01", reason="two contributions")),
    ("h1", Vote(cid=CID, set_digest=bytes(32))),
    (
        "h1",
        AnswerChunk(
            header=AnswerHeader(
                cid=CID, set_digest=bytes(32), answer_bytes=32, answer_digest=bytes(32)
            ),
            index=0,
            payload=bytes(32),
        ),
    ),
    ("t04", ShareChunk(header=header_of("t04"), index=0, payload=payload_of(0))),
    ("coordinator", opening("coordinator")),
    ("coordinator", Announce(config=CONFIG, opened=OPENED)),
    ("coordinator", CloseRound(cid=CID, job="known", number=7, complete=False, reason="")),
]


@pytest.mark.parametrize(
    ("host", "message"), UNWRITTEN, ids=[type(message).__name__ for _, message in UNWRITTEN]
)
def test_what_was_not_written_down_must_not_be_said(host: str, message: Message) -> None:
    scene = Scene()
    scene.ghost.numbers[CID] = 7

    scene.say(host, message, "h1")

    assert Rule.DURABLE in scene.broken()


@pytest.mark.parametrize(
    "message",
    [
        opening("coordinator"),
        CloseRound(cid=CID, job="known", number=7, complete=True, reason=""),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_binds_a_holder_must_be_written_down_before_it_is_acknowledged(
    message: OpenRound | CloseRound,
) -> None:
    scene = Scene()
    body = signed(scene.ghost.roster.federation, "coordinator", message)
    kind = type(message).__name__
    scene.write("h2", "last/known", LastRound(number=7, cid=CID))
    scene.checks.acked("h2", body, kind)
    scene.checks.acked("t01", body, kind)
    assert scene.ghost.violations == []

    scene.checks.acked("h1", body, kind)

    assert scene.broken() == {Rule.DURABLE}


def test_a_set_must_be_written_down_before_it_is_proposed() -> None:
    scene = Scene()
    scene.open_round()

    scene.say("coordinator", Propose(cid=CID, chosen=scene.chosen), "h1")

    assert scene.broken() == {Rule.DURABLE}


def test_other_holders_than_those_written_down_must_not_be_announced() -> None:
    scene = Scene()
    scene.open_round()

    scene.say("coordinator", Announce(config=CONFIG, opened=OPENED[:2]), "t01")

    assert scene.broken() == {Rule.DURABLE}


# --- votes, answers, sets -------------------------------------------------------------


def test_a_second_vote_is_noticed_when_it_is_written_and_when_it_is_sent() -> None:
    scene = Scene()
    scene.open_round()
    scene.vote("h1")

    scene.vote("h1", chosen=scene.contribute("t02", "t03", "t04"))

    assert scene.broken() == {Rule.ONE_VOTE}
    assert len(scene.ghost.violations) == 2


def test_a_second_answer_with_something_else_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    scene.vote("h1", "h2")
    scene.answer()
    assert scene.ghost.violations == []

    scene.answer(salt=1)

    assert scene.broken() == {Rule.ONE_ANSWER}


def test_an_answer_without_a_quorum_of_votes_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    scene.vote("h1")

    scene.answer()

    assert scene.broken() == {Rule.CERTIFICATE}


def test_a_release_that_names_who_did_not_vote_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    scene.write("coordinator", "round", round_record(scene.chosen))
    scene.vote("h1")

    release = release_of(CID, scene.chosen, ("h1", "h2"))
    scene.say("coordinator", release, "h1")

    assert scene.broken() == {Rule.CERTIFICATE}


def test_two_sets_of_one_round_are_noticed() -> None:
    scene = Scene()
    scene.open_round()
    for chosen in (scene.chosen, scene.contribute("t02", "t03", "t04")):
        scene.write("coordinator", "round", round_record(chosen))
        scene.say("coordinator", Propose(cid=CID, chosen=chosen), "h1")

    assert scene.broken() == {Rule.ONE_ANSWER}


def test_an_answer_for_too_few_or_the_same_twice_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    few = (scene.chosen[0], scene.chosen[0])
    scene.vote("h1", "h2", chosen=few)

    scene.answer(few)

    assert scene.broken() == {Rule.MINIMUM, Rule.DISTINCT}


def test_a_set_with_what_nobody_contributed_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    invented = (*scene.chosen[:2], Contribution(trainer="t03", digest=bytes(32)))
    scene.vote("h1", "h2", chosen=invented)

    scene.answer(invented)

    assert scene.broken() == {Rule.GENUINE}


# --- trainers -------------------------------------------------------------------------


def test_a_second_contribution_is_noticed_unless_the_disk_forgot_the_first() -> None:
    scene = Scene()
    scene.ghost.forgetful["t02"] = None

    scene.contribute("t01", "t02", salt=1)

    assert [v.host for v in scene.ghost.violations] == ["t01"]
    assert scene.broken() == {Rule.ONE_CONTRIBUTION}


def test_a_part_that_is_told_of_and_was_not_taken_is_noticed() -> None:
    scene = Scene()
    part = TookPart(actor="t01", job="known", number=7, outcome="contributed")
    scene.ghost.receipts[CID] = {"t01": {"h1": None, "h2": None}, "t02": {"h1": None}}

    scene.checks.told("t01", part)
    assert scene.ghost.violations == []
    scene.checks.told("t02", replace(part, actor="t02"))

    assert scene.broken() == {Rule.ENDINGS}


def test_a_share_that_goes_to_another_holder_is_noticed() -> None:
    scene = Scene()

    chunk = ShareChunk(header=header_of("t01"), index=0, payload=payload_of(0))
    scene.say("t01", sealed("t01", chunk, "h2"), "h2")

    assert scene.broken() == {Rule.ADDRESSED}


@pytest.mark.parametrize("form", ["float", "fixed point", "seed"])
@pytest.mark.parametrize("where", ["message", "journal"])
def test_a_secret_in_a_message_or_a_journal_is_noticed(form: str, where: str) -> None:
    scene = Scene()
    vector, seed = np.array([1.0, -5.0, 1234.5, 77.25]), hashlib.sha256(b"seed").digest()
    scene.checks.computed("t01", bytes(32), vector)
    scene.checks.drew("t01", seed)
    secret = {
        "float": vector.tobytes(),
        "fixed point": np.rint(vector * 256).astype(np.int64).tobytes(),
        "seed": seed,
    }[form]

    if where == "message":
        scene.say("t01", ShareChunk(header=header_of("t01"), index=1, payload=secret), "h1")
    else:
        scene.checks.committed("t01", (("note", b"x" + secret),))

    assert scene.broken() == {Rule.SECRET}


@pytest.mark.parametrize("form", ["hex", "repr", "value"])
def test_a_secret_in_a_log_is_noticed(form: str) -> None:
    scene = Scene()
    vector, seed = np.array([1.0, -5.0, 12345.0, -23456.0]), hashlib.sha256(b"seed").digest()
    scene.checks.computed("t01", bytes(32), vector)
    scene.checks.drew("t01", seed)

    scene.checks.logged("t01", "all is well after 10000 rounds")
    assert scene.ghost.violations == []
    text = {"hex": seed.hex(), "repr": repr(seed), "value": "the last is -23456.0"}[form]
    scene.checks.logged("t01", f"declined: {text}")

    assert scene.broken() == {Rule.SECRET}


# --- boxes and keys -------------------------------------------------------------------

CHUNK = ShareChunk(header=header_of("t01"), index=0, payload=payload_of(1))


@pytest.mark.parametrize(
    "how", ["in clear", "to another holder", "as another's", "of another chunk"]
)
def test_a_share_that_its_holder_could_not_open_is_noticed(how: str) -> None:
    scene = Scene()
    said = {
        "in clear": CHUNK,
        "to another holder": sealed("t01", CHUNK, "h2", key="h1"),
        "as another's": sealed("t02", CHUNK, "h2"),
        "of another chunk": msgspec.structs.replace(sealed("t01", CHUNK, "h2"), index=1),
    }[how]
    scene.say("t01", sealed("t01", CHUNK, "h2"), "h2")
    assert scene.ghost.violations == []

    scene.say("t01", said, "h2")

    assert scene.broken() == {Rule.SECRET}


def test_an_answer_that_is_not_sealed_to_the_coordinator_is_noticed() -> None:
    scene = Scene()
    scene.open_round()
    scene.vote("h1", "h2")
    scene.answer()
    assert scene.ghost.violations == []

    scene.answer(key="h2")

    assert scene.broken() == {Rule.SECRET}


@pytest.mark.parametrize("what", ["share", "answer", "upload"])
def test_a_share_in_any_message_is_noticed_once_it_is_recorded(what: str) -> None:
    scene, cid, piece = Scene(), CID.hex(), bytes(range(1, 33))
    host = "t01" if what == "upload" else "h1"
    stream = {
        "upload": f"{cid}/upload/h1",
        "share": f"{cid}/share/t01",
        "answer": f"{cid}/answer/h1",
    }[what]
    scene.disks[host].chunks[stream] = {0: piece}
    declined = Declined(cid=CID, kind=piece.decode())
    scene.say(host, declined)
    assert scene.ghost.violations == []

    if what == "upload":
        scene.contribute("t01")
    elif what == "share":
        scene.write("h1", f"round/{cid}/share/t01", HeldShare(header=CHUNK.header, complete=True))
    else:
        scene.vote("h1", "h2")
        scene.answer()
    scene.say(host, declined)

    assert scene.broken() == {Rule.SECRET}


def test_one_key_for_two_rounds_is_noticed() -> None:
    scene, opened = Scene(), opening("h1")
    scene.hold("h1")
    scene.say("h1", opened)
    scene.say("h1", opened)
    assert scene.ghost.violations == []

    scene.say("h1", RoundOpened(cid=bytes(32), sealing_key=key_of("h1")))

    assert Rule.SECRET in scene.broken()


@pytest.mark.parametrize("host", ["h1", "coordinator"])
def test_a_key_that_is_not_in_the_journal_is_noticed(host: str) -> None:
    scene = Scene()
    scene.open_round()
    scene.hold("h1")
    scene.say(host, opening(host), "h1")
    assert scene.ghost.violations == []

    wrong = msgspec.structs.replace(opening(host), sealing_key=key_of("h3"))
    scene.say(host, wrong, "h1")

    assert scene.broken() == {Rule.DURABLE}


@pytest.mark.parametrize("host", ["h1", "coordinator"])
def test_what_makes_a_key_is_noticed_in_messages_and_logs_and_after_the_end(host: str) -> None:
    for where in ("message", "log", "end"):
        scene, seed = Scene(), seed_of(host).entropy
        scene.checks.drew(host, seed)
        scene.checks.boxes.left(host, {"last/known": b"x"})
        scene.checks.logged(host, "a key was made")
        assert scene.ghost.violations == []

        if where == "message":
            scene.say(host, Vote(cid=CID, set_digest=seed), "coordinator")
        elif where == "log":
            scene.checks.logged(host, f"a key was made of {seed.hex()}")
        else:
            scene.checks.boxes.left(host, {"key": b"x" + seed})

        assert {Rule.GONE if where == "end" else Rule.SECRET} <= scene.broken()


def test_who_lost_its_disk_may_meet_boxes_that_do_not_open() -> None:
    reasons = ("a sealed box does not open", "opened the round with two keys", "a wrong shape")
    for reason, fine in zip(reasons, (True, True, False), strict=True):
        scene = Scene()
        scene.ghost.forgetful["h1"] = None
        scene.checks.told("h1", PeerFault(actor="h1", peer="t01", reason=reason))
        assert (scene.broken() == set()) is fine
        scene.checks.told("h2", PeerFault(actor="h2", peer="t01", reason=reason))
        assert scene.broken() == {Rule.HONEST}


# --- everybody ------------------------------------------------------------------------


def test_an_accusation_of_somebody_who_keeps_the_rules_is_noticed() -> None:
    scene = Scene()
    scene.ghost.odd["t02"] = None

    for peer in ("t01", "t02"):
        scene.checks.told("h1", PeerFault(actor="h1", peer=peer, reason="a wrong shape"))

    assert [v.text for v in scene.ghost.violations] == ["accuses t01: a wrong shape"]
    assert scene.broken() == {Rule.HONEST}


def test_a_message_under_another_name_and_one_that_nobody_can_read_are_noticed() -> None:
    scene, life = Scene(), Life("h1", 1, HostClock(0.0))

    scene.checks.sending(life, "coordinator", seal("h2", opening("h1")), Lane.CONTROL)
    scene.checks.sending(life, "coordinator", b"\xc1", Lane.CONTROL)

    assert [v.rule for v in scene.ghost.violations].count(Rule.HONEST) == 2


def test_an_actor_that_dies_of_itself_is_noticed() -> None:
    scene = Scene()
    for reason in ("StorageFailed: the disk is full", "LinkLost: it has ended"):
        scene.checks.told("h1", ActorRestarted(actor="h1", reason=reason))
    assert scene.ghost.violations == []

    scene.checks.told("h1", ActorRestarted(actor="h1", reason="Misuse: no such round"))

    assert scene.broken() == {Rule.QUIET}


def test_shares_of_many_rounds_are_noticed() -> None:
    scene = Scene()
    scene.open_round()
    for number in range(3):
        scene.disks["h1"].chunks[f"{number:064}/share/t01"] = {0: b""}

    scene.say("h1", opening("h1"))

    assert scene.broken() == {Rule.BOUNDED}
