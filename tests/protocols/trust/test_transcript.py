"""The form of transcripts: their bytes, what is signed of them, and how files are read."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from fakes.transcribed import chain, changed, complete, evidence_of, signed
from fakes.trusting import key_of
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import canonical
from protocols.messages import MAX_TRAINERS, Contribution
from protocols.trust.armour import MAX_TEXT, armoured, dearmoured
from protocols.trust.errors import Untrusted
from protocols.trust.keys import verify
from protocols.trust.signing import Statement
from protocols.trust.transcript import (
    KIND,
    SignedTranscript,
    countersigned,
    digest_of_sum,
    read_transcript,
    voted,
)

KNOWN = json.loads((Path(__file__).parents[2] / "vectors" / "transcript.json").read_text())
TRUE = complete()


def known() -> SignedTranscript:
    return read_transcript(armoured(KIND, bytes.fromhex(KNOWN["signed"])).encode())


def test_the_known_transcript_is_read_and_its_signatures_are_those_of_the_definition() -> None:
    found = known()
    transcript = found.transcript

    assert canonical(found).hex() == KNOWN["signed"]
    assert transcript.digest().hex() == KNOWN["digest"]
    assert transcript.config.cid().hex() == KNOWN["cid"]
    assert transcript.signed_by(key_of("coordinator")) == found
    assert canonical(transcript.evidence[0]).hex() == KNOWN["evidence"]


def test_the_known_members_signed_what_we_say_that_they_signed() -> None:
    transcript = known().transcript
    federation, cid, digest = transcript.federation, transcript.config.cid(), transcript.set_digest
    assert digest is not None

    for opened in transcript.opened:
        statement = countersigned(federation, cid, opened)
        assert statement.signed_by(key_of(opened.holder)) == opened.signature
    for vote in transcript.votes:
        statement = voted(federation, cid, vote.holder, digest)
        assert statement.signed_by(key_of(vote.holder)) == vote.signature
    for answer in transcript.answers:
        statement = Statement.of_header(federation, answer.holder, answer.header)
        assert statement.signed_by(key_of(answer.holder)) == answer.signature


def test_a_sum_has_the_known_digest_in_whatever_form_it_lies_in_memory() -> None:
    total = np.array(KNOWN["sum"], dtype=np.int64)
    expected = known().transcript.sum_digest

    assert digest_of_sum(total) == expected
    assert digest_of_sum(total.astype(">i8")) == expected
    assert digest_of_sum(np.repeat(total, 2)[::2]) == expected
    assert digest_of_sum(total[::-1]) != expected


def test_a_transcript_is_read_as_it_was_written() -> None:
    for one in (*chain(), signed(changed(TRUE, evidence=(evidence_of(),)))):
        assert read_transcript(one.to_text().encode()) == one


def test_what_is_signed_is_framed_with_its_own_tag() -> None:
    whole = signed(TRUE)
    statement = TRUE.statement()

    assert statement.startswith(b"\x12quorate/transcript\x00\x00\x00\x01\x01")
    assert statement.endswith(canonical(TRUE))
    verify(key_of("coordinator").public, whole.signature, statement)


def test_a_transcript_of_another_kind_of_file_is_refused_with_what_it_lacks() -> None:
    whole = signed(TRUE)
    for text in (
        b"",
        evidence_of().to_text().encode(),
        armoured("ROSTER", canonical(whole)).encode(),
        whole.to_text().encode()[:-1],
        whole.to_text().replace("\n", "\r\n").encode(),
        armoured(KIND, canonical(whole) + b"\x00").encode(),
        armoured(KIND, canonical(TRUE)).encode(),
        b" " * (MAX_TEXT + 1),
    ):
        with pytest.raises(Untrusted) as error:
            read_transcript(text)
        assert error.value.doubt == "form"


def test_the_largest_set_fits_a_file() -> None:
    names = (f"{place:06}".ljust(63, "x") for place in range(MAX_TRAINERS))
    chosen = tuple(Contribution(trainer=name, digest=bytes(32)) for name in names)
    whole = signed(changed(TRUE, chosen=chosen))

    text = whole.to_text().encode()

    assert len(text) <= MAX_TEXT
    assert read_transcript(text) == whole


def test_the_same_in_another_order_of_fields_is_refused() -> None:
    whole = signed(TRUE)
    turned = canonical({"signature": whole.signature, "transcript": whole.transcript})

    with pytest.raises(Untrusted, match="another form"):
        read_transcript(armoured(KIND, turned).encode())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_transcript_or_refused(content: bytes) -> None:
    for text in (content, armoured(KIND, content).encode()):
        with pytest.raises(Untrusted):
            read_transcript(text)


@given(st.data())
def test_cut_or_longer_content_is_refused(data: st.DataObject) -> None:
    content = dearmoured(KIND, signed(TRUE).to_text().encode())
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    longer = content + data.draw(st.binary(min_size=1, max_size=20))

    for other in (cut, longer):
        with pytest.raises(Untrusted):
            read_transcript(armoured(KIND, other).encode())


def test_reading_what_claims_to_be_huge_takes_no_memory() -> None:
    claims = canonical({"transcript": {"federation": "trial", "chosen": []}})
    huge = claims[:-1] + b"\xdd\xff\xff\xff\xff"  # an array of 2^32 - 1 elements
    tracemalloc.start()
    try:
        with pytest.raises(Untrusted):
            read_transcript(armoured(KIND, huge).encode())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2**20
