"""What must hold inside one transcript: who signed what, how many of them, over which set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from protocols.round_config import Roster
from protocols.secagg.reed_solomon import radius
from protocols.secagg.sets import set_digest, set_fault

from .errors import Doubt, Untrusted
from .members import Members
from .signing import Statement
from .transcript import Judged, Transcript, countersigned, voted

Signed = tuple[Statement, bytes]


def require_round(transcript: Transcript, members: Members, *, faults: int) -> None:
    """Check everything in a transcript but its place in the chain and the coordinator's signature.

    Args:
        transcript: of a round under the roster of `members`.
        members: who could say anything in it.
        faults: holders that the reader takes for malicious at most.

    Raises:
        Untrusted: with what is wrong.
    """
    names = members.body.names()
    _require_size(transcript, names)
    _require_opened(transcript, members, names)
    _require_set(transcript, names)
    _require_votes(transcript, members, names)
    _require_answers(transcript, members, names)
    _require_outcome(transcript)
    if transcript.judged is not None:
        _require_judged(transcript, transcript.judged, faults)
    cid = transcript.config.cid()
    for evidence in transcript.evidence:
        evidence.require(members)
        if evidence.round_id != cid:
            _refuse("evidence", f"holds evidence of another round against {evidence.offender}")


def _require_size(transcript: Transcript, names: Roster) -> None:
    config = transcript.config
    ours = len(names.holders), len(names.trainers)
    if (config.holders, config.trainers) != ours:
        _refuse(
            "policy",
            f"is of {config.holders} holders and {config.trainers} trainers, and its roster has "
            f"{ours[0]} and {ours[1]}",
        )


def _require_opened(transcript: Transcript, members: Members, names: Roster) -> None:
    config = transcript.config
    signed = [
        (countersigned(transcript.federation, config.cid(), opened), opened.signature)
        for opened in transcript.opened
    ]
    _require_said("countersignatures", signed, members, names)
    if len(signed) < config.holders_needed():
        _refuse(
            "quorum",
            f"{len(signed)} holders countersigned it, and {config.holders_needed()} are needed: "
            f"the others may have been shown another round",
        )


def _require_set(transcript: Transcript, names: Roster) -> None:
    config, chosen = transcript.config, transcript.chosen
    if not chosen:
        if transcript.set_digest is not None or transcript.votes or transcript.answers:
            _refuse("set", "has votes, answers or a digest of a set, and no set")
        return
    if fault := set_fault(config, names, chosen):
        _refuse("set", f"{fault}: no honest holder votes for that")
    digest = set_digest(config.cid(), chosen)
    if transcript.set_digest != digest:
        _refuse("set", f"its set has the digest {digest.hex()[:16]}, and it names another one")


def _require_votes(transcript: Transcript, members: Members, names: Roster) -> None:
    config, digest = transcript.config, transcript.set_digest
    if digest is None:
        return
    cid = config.cid()
    signed = [
        (voted(transcript.federation, cid, vote.holder, digest), vote.signature)
        for vote in transcript.votes
    ]
    _require_said("votes", signed, members, names)
    if config.vote and transcript.outcome != "abandoned" and len(signed) < config.quorum:
        _refuse("quorum", f"{len(signed)} holders voted for its set, and {config.quorum} must")


def _require_answers(transcript: Transcript, members: Members, names: Roster) -> None:
    cid, digest = transcript.config.cid(), transcript.set_digest
    signed = []
    for answer in transcript.answers:
        header = answer.header
        if header.cid != cid or header.set_digest != digest:
            _refuse("set", f"the answer of {answer.holder} is for another round or set")
        statement = Statement.of_header(transcript.federation, answer.holder, header)
        signed.append((statement, answer.signature))
    _require_said("answers", signed, members, names)


def _require_said(what: str, signed: Sequence[Signed], members: Members, names: Roster) -> None:
    """Check that each is a holder's own, that none counts twice, and their one order."""
    said = [statement.sender for statement, _ in signed]
    for place, holder in enumerate(said):
        if names.role(holder) != "holder":
            _refuse("quorum", f"{holder}, who is no holder, is among its {what}")
        if holder in said[:place]:
            _refuse("quorum", f"{holder} is twice among its {what}, and counts once")
    if said != sorted(said):
        _refuse("form", f"its {what} are not sorted by holder")
    for statement, signature in signed:
        try:
            statement.require(members, signature)
        except Untrusted as error:
            _refuse(
                "signature",
                f"of its {what}, that of {statement.sender} is not the holder's own ({error}): "
                f"the coordinator did not have it from there for this round and this set",
            )


def _require_outcome(transcript: Transcript) -> None:
    """Check that what came of the round is there if it is complete, and nothing if not."""
    outcome, summed = transcript.outcome, transcript.sum_digest is not None
    if (outcome == "complete") != (transcript.next_state is not None):
        _refuse("form", "has a new model state if it is complete, and only then")
    if (outcome == "complete") != (not transcript.reason):
        _refuse("form", "says why unless it is complete, and only then")
    if outcome == "abandoned":
        if summed:
            _refuse("set", "was abandoned, and names a sum")
        return
    if not summed or transcript.judged is None or not transcript.chosen:
        _refuse("form", "was opened, and its set, sum or judgement is missing")
    needed, answers = transcript.config.answers_needed(), len(transcript.answers)
    if answers < needed:
        _refuse("quorum", f"{answers} holders answered, and it takes {needed} to open a sum")


def _require_judged(transcript: Transcript, judged: Judged, faults: int) -> None:
    """Check that so many answers can have shown what the coordinator claims of them."""
    config, answers, liars = transcript.config, len(transcript.answers), judged.liars
    answering = [answer.holder for answer in transcript.answers]
    if list(liars) != sorted(name for name in answering if name in liars):
        _refuse("quorum", "names liars that did not answer, or not in order")
    if len(liars) > config.faults:
        _refuse("quorum", f"names {len(liars)} liars, and the round reckons with {config.faults}")
    named = radius(answers, config.threshold, max(faults, config.faults))
    match judged.status:
        case "verified" if liars or named < 0:
            _refuse("quorum", f"{answers} answers do not show that none of them is false")
        case "corrected" if not liars or named < len(liars):
            _refuse("quorum", f"{answers} answers do not show that just {len(liars)} are false")
        case "unverified" | "detected" if liars:
            _refuse("quorum", f"names liars, and the answers are said to be {judged.status}")
        case "detected" if transcript.outcome != "abandoned":
            _refuse("quorum", "was opened from answers that were found to contradict each other")


def _refuse(doubt: Doubt, text: str) -> NoReturn:
    raise Untrusted(doubt, text)
