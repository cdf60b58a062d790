from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from fakes.round_parts import ROSTER, config_of, key_of, opening
from fakes.round_parts import opened as opened_by
from hypothesis import given
from hypothesis import strategies as st

from protocols.codec import opened, seal
from protocols.errors import Misuse
from protocols.messages import (
    Announce,
    AnswerChunk,
    AnswerHeader,
    CloseRound,
    ContributionHeader,
    Goodbye,
    Hello,
    ShareChunk,
    Unsupported,
    Vote,
    Welcome,
    Wire,
    read,
)
from protocols.trust.errors import Untrusted
from protocols.trust.framing import framed
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import SigningKey
from protocols.trust.sealing import Binding
from protocols.trust.signing import NO_ROUND, Statement, body_digest, round_of

KNOWN = json.loads((Path(__file__).parents[2] / "vectors" / "trust.json").read_text())
KEY = SigningKey.from_seed(bytes(range(32)))
RING = KeyRing(KEY, {"north": KEY.public, "south": SigningKey.from_seed(bytes(32)).public})
CID = bytes(range(32))
SAID = Statement(
    federation="trial", round_id=CID, sender="north", type_name="Vote", body_digest=b"\x05" * 32
)


@pytest.mark.parametrize("known", KNOWN["statements"], ids=lambda known: known["type_name"])
def test_the_signed_bytes_and_their_signatures_are_the_known_ones(known: dict[str, str]) -> None:
    statement = Statement(
        federation=known["federation"],
        round_id=bytes.fromhex(known["round_id"]),
        sender=known["sender"],
        type_name=known["type_name"],
        body_digest=bytes.fromhex(known["body_digest"]),
    )
    key = SigningKey.from_seed(bytes.fromhex(known["seed"]))

    signature = statement.signed_by(key)

    assert key.public.hex() == known["key"]
    assert statement.to_bytes().hex() == known["statement"]
    assert signature.hex() == known["signature"]
    statement.require(KeyRing(key, {statement.sender: key.public}), signature)


@pytest.mark.parametrize("known", KNOWN["bindings"], ids=lambda known: known["fields"][0])
def test_what_a_box_is_bound_to_has_the_known_bytes(known: dict[str, Any]) -> None:
    purpose, federation, round_id, sender, recipient, header, index = known["fields"]

    binding = Binding(
        purpose=purpose,
        federation=federation,
        round_id=bytes.fromhex(round_id),
        sender=sender,
        recipient=recipient,
        header_digest=bytes.fromhex(header),
        index=index,
    )

    assert binding.to_bytes().hex() == known["bytes"]


@pytest.mark.parametrize(
    "other",
    [
        {"federation": "trials"},
        {"round_id": NO_ROUND},
        {"sender": "south"},
        {"type_name": "Votes"},
        {"body_digest": b"\x06" * 32},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_signature_is_good_for_nothing_else(other: dict[str, Any]) -> None:
    signature = SAID.signed_by(KEY)

    with pytest.raises(Untrusted) as refused:
        replace(SAID, **other).require(RING, signature)

    assert refused.value.doubt == "signature"


def test_a_signature_of_another_version_of_the_protocol_or_another_purpose_does_not_fit() -> None:
    parts = [SAID.federation.encode(), CID, b"north", b"Vote", SAID.body_digest]

    for domain, version in (("quorate/message", 2), ("quorate/roster", 1), ("quorate/messag", 1)):
        with pytest.raises(Untrusted, match="not signed"):
            SAID.require(RING, KEY.sign(framed(domain, version, *parts)))
    SAID.require(RING, KEY.sign(framed("quorate/message", 1, *parts)))


def test_a_signature_of_another_key_does_not_fit() -> None:
    other = SigningKey.from_seed(bytes(32))

    with pytest.raises(Untrusted, match="not signed"):
        SAID.require(RING, SAID.signed_by(other))


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_no_two_lists_of_fields_have_the_same_bytes(
    one: Sequence[bytes], other: Sequence[bytes]
) -> None:
    assert (framed("tag", 1, *one) == framed("tag", 1, *other)) == (list(one) == list(other))


@given(st.binary(max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_where_a_field_ends_and_the_next_begins_is_signed(
    text: bytes, first: int, second: int
) -> None:
    halves = [(text[:cut], text[cut:]) for cut in (first, second)]

    assert (framed("t", 1, *halves[0]) == framed("t", 1, *halves[1])) == (halves[0] == halves[1])


@pytest.mark.parametrize("domain", ["", "a" * 256, "é"])
def test_a_tag_is_short_ascii(domain: str) -> None:
    for _ in range(2):
        with pytest.raises(Misuse):
            framed(domain, 1)


def test_there_are_255_fields_at_most() -> None:
    most = [b""] * 255

    assert len(framed("tag", 1, *most)) == 1 + 3 + 4 + 1 + 255 * 4
    with pytest.raises(Misuse):
        framed("tag", 1, *most, b"")


@pytest.mark.parametrize(
    "wrong",
    [
        {"federation": ""},
        {"sender": "North"},
        {"sender": "a" * 64},
        {"round_id": b"\x00" * 31},
        {"body_digest": b""},
        {"type_name": ""},
        {"type_name": "Vote\n"},
    ],
    ids=str,
)
def test_a_statement_that_makes_no_sense_can_not_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        replace(SAID, **wrong)


def of_each_type() -> list[Wire]:
    """Return a message of every type: those with a plain `cid` are filled in by their schema."""
    config = config_of()
    header = ContributionHeader(cid=CID, trainer="north", share_bytes=0, share_digests=())
    answer = AnswerHeader(cid=CID, set_digest=CID, answer_bytes=0, answer_digest=CID)
    special: list[Wire] = [
        Hello(role="holder", software="", suites=(), fields=(), sealing=()),
        Goodbye(),
        Unsupported(versions=(1,)),
        Welcome(job="job", number=1),
        opening(config),
        Announce(config=config, opened=opened_by(*ROSTER.holders)),
        ShareChunk(header=header, index=0, payload=b""),
        AnswerChunk(header=answer, index=0, payload=b""),
        CloseRound(cid=CID, job="job", number=1, complete=True, reason=""),
    ]
    filled = {
        "cid": CID,
        "sealing_key": key_of("north"),
        "set_digest": CID,
        "kind": "",
        "spans": ((0, 1),),
        "contributions": (),
        "chosen": (),
        "commitment": CID,
        "committed": (),
        "opening": CID,
        "shares": (),
        "coin": CID,
        "tossed": (),
        "about": ((0, 1),),
        "values": (),
        "votes": (),
        "signatures": (),
        "evidence": b"",
        "apart": 3,
        "sets": (),
        "trainer": "north",
        "what": "",
        "reason": "",
    }
    plain = [
        kind(**{name: filled[name] for name in kind.__struct_fields__})
        for kind in get_args(Wire)
        if not isinstance(kind, type) or kind not in {type(message) for message in special}
    ]
    return [*special, *plain]


@pytest.mark.parametrize("message", of_each_type(), ids=lambda message: type(message).__name__)
def test_every_type_of_message_is_signed_for_its_round(message: Wire) -> None:
    envelope = opened(seal("north", message))
    _, again = read(seal("north", message))
    signature = Statement.of("trial", envelope.sender, message).signed_by(KEY)

    Statement.of("trial", "north", again).require(RING, signature)

    rounds = {NO_ROUND, CID, config_of().cid()}
    assert round_of(again) in rounds
    assert (round_of(again) == NO_ROUND) == (not _speaks_of_a_round(again))


def _speaks_of_a_round(message: msgspec.Struct) -> bool:
    return not {"cid", "header", "config"}.isdisjoint(message.__struct_fields__)


def test_of_each_type_leaves_none_out() -> None:
    assert {type(message) for message in of_each_type()} == set(get_args(Wire))
    assert {field.name for field in fields(Statement)} == {
        "federation", "round_id", "sender", "type_name", "body_digest",
    }  # fmt: skip


CHUNKS = {
    type(message): message
    for message in of_each_type()
    if isinstance(message, ShareChunk | AnswerChunk)
}
KEY_AND_TAG = (*range(1120), *range(-16, 0))


@pytest.mark.parametrize("kind", list(CHUNKS))
def test_of_a_box_its_key_tag_and_length_are_signed_whatever_lies_between(
    kind: type[ShareChunk | AnswerChunk],
) -> None:
    box = bytes(range(256)) * 20

    def digest(payload: bytes) -> bytes:
        return body_digest(msgspec.structs.replace(CHUNKS[kind], payload=payload))

    changed = [box[:place] + bytes([box[place] ^ 1]) + box[place:][1:] for place in KEY_AND_TAG]
    others = {digest(other) for other in (*changed, box[:2000] + box[2001:], box[:2000] + box)}

    assert len(others) == len(KEY_AND_TAG) + 2
    assert digest(box) not in others
    assert digest(box[:1120] + bytes(len(box) - 1136) + box[-16:]) == digest(box)


@pytest.mark.parametrize("size", [0, 1, 16, 1119, 1120, 1121, 1135, 1136])
def test_of_a_short_box_every_byte_is_signed(size: int) -> None:
    box = bytes(range(256)) * 5
    (chunk, *_) = CHUNKS.values()
    boxes = [box[:size], box[: size + 1]]
    boxes += [box[:place] + b"\xff" + box[place + 1 : size] for place in range(0, size, 7)]

    signed = {body_digest(msgspec.structs.replace(chunk, payload=one)) for one in boxes}

    assert len(signed) == len(set(boxes))


def test_a_vote_of_one_round_is_none_of_another() -> None:
    vote = Vote(cid=CID, set_digest=CID)
    other = Vote(cid=NO_ROUND, set_digest=CID)
    signature = Statement.of("trial", "north", vote).signed_by(KEY)

    with pytest.raises(Untrusted):
        Statement.about("trial", "north", other, body_digest(vote)).require(RING, signature)
    with pytest.raises(Untrusted):
        Statement.about("trial", "north", vote, body_digest(other)).require(RING, signature)
