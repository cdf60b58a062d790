"""Transcripts of a small federation whose keys we all have, true ones and doctored ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from protocols.messages import AnswerHeader, Contribution, Endorsement, Opened
from protocols.round_config import RoundConfig, majority
from protocols.secagg.sets import set_digest
from protocols.trust.changes import added, founded
from protocols.trust.evidence import Evidence, Said, contradiction
from protocols.trust.roster import RosterBody
from protocols.trust.sealing import CLASSICAL, BoxKey, SealingKey
from protocols.trust.signing import Statement
from protocols.trust.transcript import (
    FIRST,
    Answered,
    Judged,
    SignedTranscript,
    Transcript,
    countersigned,
    voted,
)

from .trusting import AUTHORITY, FEDERATION, VALIDITY, key_of, request_of

COORDINATOR = "coordinator"
HOLDERS = tuple(f"holder-{i}" for i in range(1, 6))
TRAINERS = ("ann", "bob", "cat", "dan", "eve")
VERIFIED = Judged(status="verified")


def digest_of(*words: object) -> bytes:
    """Return 32 bytes that stand for something of these words."""
    return hashlib.sha256(repr(words).encode()).digest()


def roster_body() -> RosterBody:
    """Return the second epoch, in which everybody is a member."""
    first = founded(FEDERATION, AUTHORITY.public, VALIDITY)
    requests = [
        request_of(COORDINATOR, "coordinator"),
        *(request_of(name, "holder") for name in HOLDERS),
        *(request_of(name) for name in TRAINERS),
    ]
    return added(first, requests, VALIDITY)


ROSTER = roster_body()


def config_of(**changes: Any) -> RoundConfig:
    """Return the configuration of a round under the roster."""
    usual: dict[str, Any] = {
        "job": "sum",
        "number": 1,
        "suite": "shamir",
        "field": "p61",
        "dimension": 200,
        "fraction_bits": 0,
        "holders": len(HOLDERS),
        "trainers": len(TRAINERS),
        "threshold": 3,
        "faults": 0,
        "vote": True,
        "quorum": majority(len(HOLDERS)),
        "minimum": 3,
        "chunk_bytes": 1024,
        "beat_ms": 1000,
        "sealing": CLASSICAL,
        "state": digest_of("state", 0),
        "roster": ROSTER.names().digest(),
    }
    return RoundConfig(**(usual | changes))


def sealing_key_of(holder: str) -> SealingKey:
    """Return the key that a holder drew for its rounds."""
    return BoxKey.from_entropy(CLASSICAL, digest_of("box", holder)).sealing_key


def opened_by(config: RoundConfig, holder: str, *, by: str | None = None) -> Opened:
    """Return a holder's countersignature; `by` names another one's key."""
    opened = Opened(holder=holder, sealing_key=sealing_key_of(holder), signature=bytes(64))
    statement = countersigned(FEDERATION, config.cid(), opened)
    return msgspec.structs.replace(opened, signature=statement.signed_by(key_of(by or holder)))


def contributed(config: RoundConfig, trainer: str) -> Contribution:
    """Return a trainer's contribution to a round."""
    return Contribution(trainer=trainer, digest=digest_of(config.number, trainer))


def voted_by(
    config: RoundConfig, holder: str, chosen: tuple[Contribution, ...], *, by: str | None = None
) -> Endorsement:
    """Return a holder's vote for a set; `by` names another one's key."""
    cid = config.cid()
    statement = voted(FEDERATION, cid, holder, set_digest(cid, chosen))
    return Endorsement(holder=holder, signature=statement.signed_by(key_of(by or holder)))


def answered_by(
    config: RoundConfig, holder: str, chosen: tuple[Contribution, ...], *, by: str | None = None
) -> Answered:
    """Return a holder's answer for a set; `by` names another one's key."""
    cid = config.cid()
    header = AnswerHeader(
        cid=cid,
        set_digest=set_digest(cid, chosen),
        answer_bytes=1600,
        answer_digest=digest_of("answer", config.number, holder),
    )
    signature = Statement.of_header(FEDERATION, holder, header).signed_by(key_of(by or holder))
    return Answered(holder=holder, header=header, signature=signature)


def complete(
    config: RoundConfig | None = None,
    *,
    previous: bytes = FIRST,
    trainers: Sequence[str] = ("ann", "bob", "cat", "dan"),
    answering: Sequence[str] = HOLDERS[:4],
    judged: Judged = VERIFIED,
) -> Transcript:
    """Return what a round that all went well in left behind."""
    config = config or config_of()
    chosen = tuple(contributed(config, name) for name in trainers)
    return Transcript(
        federation=FEDERATION,
        coordinator=COORDINATOR,
        previous=previous,
        epoch=ROSTER.epoch,
        config=config,
        opened=tuple(opened_by(config, name) for name in HOLDERS),
        chosen=chosen,
        set_digest=set_digest(config.cid(), chosen),
        votes=tuple(voted_by(config, name, chosen) for name in HOLDERS[:3]) if config.vote else (),
        answers=tuple(answered_by(config, name, chosen) for name in answering),
        judged=judged,
        sum_digest=digest_of("sum", config.number),
        next_state=digest_of("state", config.number),
        evidence=(),
        outcome="complete",
        reason="",
    )


def abandoned(config: RoundConfig, *, previous: bytes = FIRST) -> Transcript:
    """Return what a round left behind for which too few votes came in."""
    whole = complete(config, previous=previous)
    return changed(
        whole,
        votes=whole.votes[:1],
        answers=(),
        judged=None,
        sum_digest=None,
        next_state=None,
        outcome="abandoned",
        reason="1 of 3 votes came in",
    )


def changed(transcript: Transcript, **changes: Any) -> Transcript:
    """Return a transcript with other fields, nothing in it made to fit."""
    return msgspec.structs.replace(transcript, **changes)


def signed(transcript: Transcript, *, by: str = COORDINATOR) -> SignedTranscript:
    """Return it signed, as a coordinator can that lies in it."""
    return transcript.signed_by(key_of(by))


def chain() -> list[SignedTranscript]:
    """Return a job's transcripts: complete, abandoned, complete."""
    first = complete()
    second = abandoned(config_of(number=2, state=digest_of("state", 1)), previous=first.digest())
    third = complete(config_of(number=4, state=digest_of("state", 1)), previous=second.digest())
    return [signed(first), signed(second), signed(third)]


def statement_of(sender: str, type_name: str, body: bytes, cid: bytes) -> Statement:
    """Return what is signed of a body."""
    return Statement(
        federation=FEDERATION,
        round_id=cid,
        sender=sender,
        type_name=type_name,
        body_digest=hashlib.sha256(body).digest(),
    )


def said(sender: str, type_name: str, body: bytes, cid: bytes, *, by: str | None = None) -> Said:
    """Return a statement with its sender's signature; `by` names another one's key."""
    statement = statement_of(sender, type_name, body, cid)
    return Said(statement, statement.signed_by(key_of(by or sender)))


def evidence_of(
    sender: str = "holder-2",
    type_name: str = "Vote",
    cid: bytes | None = None,
    by: str | None = None,
) -> Evidence:
    """Return evidence that somebody said two things; `by` signed the second one."""
    cid = config_of().cid() if cid is None else cid
    found = contradiction(
        said(sender, type_name, b"one", cid), said(sender, type_name, b"other", cid, by=by)
    )
    assert found is not None
    return found
