"""What is signed: rosters, requests, transcripts and evidence, and the armour that they come in.

Where the bytes are no armoured text, they are taken for what is inside of one, so that a mutation
need not come through base64; and what only a liar with a key could sign is signed here with it.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec
from fakes.transcribed import COORDINATOR, ROSTER
from fakes.trusting import AUTHORITY, FEDERATION, START_S, VALIDITY, key_of

from protocols.codec import Undecodable, canonical, parse
from protocols.trust import evidence, requests, roster, transcript
from protocols.trust.acceptance import Standing, accepted
from protocols.trust.armour import armoured, dearmoured
from protocols.trust.auditing import Audit, Own
from protocols.trust.changes import added, founded
from protocols.trust.errors import Untrusted
from protocols.trust.members import Members
from protocols.trust.requests import Request
from protocols.trust.roster import RosterBody
from protocols.trust.transcript import Transcript

from .target import Target

_BEGINNING = b"-----BEGIN"
_BEFORE = Standing(federation=FEDERATION, authorities=(AUTHORITY.public,))
_MEMBERS = Members(ROSTER)
KINDS = (roster.KIND, requests.KIND, transcript.KIND, evidence.KIND)


def _text(kind: str, data: bytes) -> bytes:
    return data if data.startswith(_BEGINNING) else armoured(kind, data).encode()


def _armour(data: bytes) -> None:
    refusals = []
    for kind in KINDS:
        try:
            content = dearmoured(kind, data)
        except Untrusted as error:
            refusals.append(error)
            continue
        assert armoured(kind, content).encode() == data
    if len(refusals) == len(KINDS):
        raise refusals[0]


def _roster(data: bytes) -> None:
    text = _text(roster.KIND, data)
    signed = roster.read_roster(text)
    assert signed.to_text().encode() == text
    accepted(signed, _BEFORE, now_s=START_S)


def _signed_roster(data: bytes) -> None:
    """A body of any bytes, which the authority has signed."""
    body = parse(data, RosterBody)
    signed = roster.read_roster(body.signed_by([AUTHORITY]).to_text().encode())
    assert signed.body == body
    took = accepted(signed, _BEFORE, now_s=START_S)
    assert took.names().digest() == parse(canonical(took), RosterBody).names().digest()
    Standing.after(took)


def _request(data: bytes) -> None:
    text = _text(requests.KIND, data)
    signed = requests.read_request(text)
    assert signed.to_text().encode() == text
    if signed.request.replaces is None:
        added(founded(FEDERATION, AUTHORITY.public, VALIDITY), [signed], VALIDITY)


def _signed_request(data: bytes) -> None:
    """A request of any bytes, which whoever asks has signed."""
    asked = parse(data, Request)
    key = key_of("north")
    signed = msgspec.structs.replace(asked, key=key.public).signed_by(key)
    assert requests.read_request(signed.to_text().encode()) == signed
    added(founded(FEDERATION, AUTHORITY.public, VALIDITY), [signed], VALIDITY)


def _transcript(data: bytes) -> None:
    text = _text(transcript.KIND, data)
    signed = transcript.read_transcript(text)
    assert signed.to_text().encode() == text
    Audit([ROSTER]).take(signed)


def _signed_transcript(data: bytes) -> None:
    """A transcript of any bytes, which the coordinator has signed."""
    signed = parse(data, Transcript).signed_by(key_of(COORDINATOR))
    Audit([ROSTER]).take(signed)
    with suppress(Untrusted):  # where a contribution of its own is said to be in it
        Audit([ROSTER], own=Own(name="ann", sent={}, may_miss=True)).take(signed)


def _evidence(data: bytes) -> None:
    text = _text(evidence.KIND, data)
    found = evidence.read_evidence(text)
    assert evidence.is_evidence(text)
    assert found.to_text().encode() == text
    assert str(found)
    found.require(_MEMBERS)


TARGETS = (
    Target("armour", _armour, (Untrusted,)),
    Target("roster", _roster, (Untrusted,)),
    Target("signed_roster", _signed_roster, (Undecodable, Untrusted)),
    Target("request", _request, (Untrusted,)),
    Target("signed_request", _signed_request, (Undecodable, Untrusted)),
    Target("transcript", _transcript, (Untrusted,)),
    Target("signed_transcript", _signed_transcript, (Undecodable, Untrusted)),
    Target("evidence", _evidence, (Untrusted,)),
)
