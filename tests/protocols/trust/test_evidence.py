"""Two statements of one member where an honest one makes one, and who believes that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest
from fakes.transcribed import HOLDERS, ROSTER, config_of, digest_of, evidence_of, said
from fakes.trusting import VALIDITY, key_of
from hypothesis import given
from hypothesis import strategies as st

from protocols import messages
from protocols.codec import canonical
from protocols.trust.armour import armoured
from protocols.trust.changes import removed
from protocols.trust.errors import Doubt, Untrusted
from protocols.trust.evidence import (
    KIND,
    MAX_TEXT,
    ONCE_A_ROUND,
    Evidence,
    Once,
    Said,
    contradiction,
    read_evidence,
)
from protocols.trust.members import Members
from protocols.trust.signing import NO_ROUND

MEMBERS = Members(ROSTER)
CID = config_of().cid()
SENDERS = {"coordinator": "coordinator", "holder": "holder-2", "trainer": "ann"}


def refused(evidence: Evidence, members: Members = MEMBERS) -> tuple[Doubt, str]:
    with pytest.raises(Untrusted) as error:
        evidence.require(members)
    return error.value.doubt, str(error.value)


def forged(evidence: Evidence, **changes: Any) -> Evidence:
    return msgspec.structs.replace(evidence, **changes)


@pytest.mark.parametrize(("type_name", "role"), ONCE_A_ROUND.items())
def test_two_statements_of_one_member_where_one_is_allowed_are_evidence(
    type_name: str, role: str
) -> None:
    sender = SENDERS[role]

    evidence = evidence_of(sender, type_name)

    evidence.require(MEMBERS)
    assert (evidence.offender, evidence.type_name, evidence.round_id) == (sender, type_name, CID)
    assert sender in str(evidence)


def test_the_table_of_what_is_said_once_is_closed_and_names_types_of_ours() -> None:
    assert set(get_args(Once)) == set(ONCE_A_ROUND)
    assert all(issubclass(getattr(messages, name), messages.Message) for name in ONCE_A_ROUND)


def test_whichever_came_first_the_evidence_is_the_same() -> None:
    one, other = (said("holder-2", "Vote", body, CID) for body in (b"one", b"other"))

    assert contradiction(one, other) == contradiction(other, one)


@pytest.mark.parametrize("type_name", ["Have", "Working", "RoundOpened", "Announce", "ShareChunk"])
def test_what_may_be_said_often_is_no_evidence(type_name: str) -> None:
    assert (
        contradiction(said("ann", type_name, b"1", CID), said("ann", type_name, b"2", CID)) is None
    )


def test_the_same_again_is_no_evidence() -> None:
    once = said("holder-2", "Vote", b"one", CID)

    assert contradiction(once, once) is None


@pytest.mark.parametrize(
    "other",
    [
        {"sender": "holder-3"},
        {"type_name": "AnswerHeader"},
        {"round_id": digest_of("another round")},
        {"federation": "other"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_statements_of_two_places_are_no_evidence(other: dict[str, Any]) -> None:
    one, two = (said("holder-2", "Vote", body, CID) for body in (b"one", b"other"))

    assert contradiction(one, Said(replace(two.statement, **other), two.signature)) is None


def test_outside_of_rounds_nothing_is_said_once() -> None:
    one, two = (said("holder-2", "Vote", body, NO_ROUND) for body in (b"one", b"other"))

    assert contradiction(one, two) is None
    low, high = sorted((one, two), key=lambda said: said.statement.body_digest)
    signed = forged(
        evidence_of(),
        round_id=NO_ROUND,
        digests=(low.statement.body_digest, high.statement.body_digest),
        signatures=(low.signature, high.signature),
    )
    assert "of no round" in refused(signed)[1]


@pytest.mark.parametrize("changes", [
    {"offender": "holder-3"},
    {"type_name": "AnswerHeader"},
    {"round_id": digest_of("another round")},
    {"digests": (bytes(32), b"\xff" * 32)},
    {"signatures": (bytes(64), bytes(64))},
], ids=lambda changes: next(iter(changes)))  # fmt: skip
def test_signatures_are_evidence_for_just_what_was_signed(changes: dict[str, Any]) -> None:
    doubt, text = refused(forged(evidence_of(), **changes))

    assert doubt == "evidence"
    assert "did not sign both" in text


def test_nobody_is_accused_by_another_ones_signature() -> None:
    whole = evidence_of()
    for place in (0, 1):
        digest = whole.digests[place]
        statement = replace(said("holder-2", "Vote", b"", CID).statement, body_digest=digest)
        mallorys = statement.signed_by(key_of("mallory"))
        signatures = list(whole.signatures)
        signatures[place] = mallorys
        assert refused(forged(whole, signatures=tuple(signatures)))[0] == "evidence"


def test_one_statement_twice_is_no_evidence() -> None:
    whole = evidence_of()
    twice = {"digests": (whole.digests[0],) * 2, "signatures": (whole.signatures[0],) * 2}
    raw = msgspec.to_builtins(whole, builtin_types=(bytes,)) | twice

    with pytest.raises(Untrusted, match="two different bodies") as error:
        read_evidence(armoured(KIND, canonical(raw)).encode())

    assert error.value.doubt == "form"


def test_the_same_in_another_order_of_fields_is_refused() -> None:
    raw = msgspec.to_builtins(evidence_of(), builtin_types=(bytes,))
    turned = canonical(dict(reversed(raw.items())))

    with pytest.raises(Untrusted, match="another form"):
        read_evidence(armoured(KIND, turned).encode())


def test_evidence_is_for_its_own_federation_roster_and_role() -> None:
    whole = evidence_of()
    without = Members(removed(ROSTER, [whole.offender], VALIDITY))

    assert refused(forged(whole, federation="other"))[0] == "federation"
    assert refused(whole, without)[0] == "evidence"
    assert "is no holder" in refused(evidence_of("ann", "Vote"))[1]
    assert "is no trainer" in refused(evidence_of("holder-1", "ContributionHeader"))[1]


def test_evidence_is_read_as_it_was_written_and_fits_its_bound() -> None:
    for name in HOLDERS:
        whole = evidence_of(name)
        text = whole.to_text()

        assert read_evidence(text.encode()) == whole
        assert len(text) < MAX_TEXT


@given(st.data())
def test_no_flipped_bit_is_believed(data: st.DataObject) -> None:
    text = bytearray(evidence_of().to_text().encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(Untrusted):
        read_evidence(bytes(text)).require(MEMBERS)


@given(st.binary(max_size=300))
def test_any_bytes_are_evidence_or_refused(content: bytes) -> None:
    for text in (content, armoured(KIND, content).encode()):
        with pytest.raises(Untrusted):
            read_evidence(text).require(MEMBERS)
