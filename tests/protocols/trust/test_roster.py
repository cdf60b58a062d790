"""The form of requests and rosters: what is read is what was signed, and nothing else is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from fakes.trusting import (
    AUTHORITY,
    FEDERATION,
    MEMBERS,
    VALIDITY,
    key_of,
    request_of,
    whole_body,
)
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.codec import canonical
from protocols.errors import Misuse
from protocols.round_config import Roster
from protocols.trust.armour import armoured, dearmoured
from protocols.trust.changes import founded, renewed
from protocols.trust.errors import Untrusted
from protocols.trust.keys import SigningKey
from protocols.trust.requests import KIND as REQUEST
from protocols.trust.requests import Request, read_request
from protocols.trust.roster import KIND as ROSTER
from protocols.trust.roster import (
    Entry,
    Revoked,
    RosterBody,
    Signed,
    SignedRoster,
    read_roster,
)

BODY = whole_body()
WHOLE = BODY.signed_by([AUTHORITY])
ALONE = founded("t", AUTHORITY.public, VALIDITY).signed_by([AUTHORITY])
ASKED = request_of("north")


def revoked(name: str) -> Revoked:
    return Revoked(key=key_of(name).public, name="gone", epoch=1)


def test_a_roster_is_read_as_it_was_written() -> None:
    again = read_roster(WHOLE.to_text().encode())

    assert again == WHOLE
    assert [(entry.name, entry.role) for entry in again.body.entries] == list(MEMBERS)


def test_a_request_is_read_as_it_was_written() -> None:
    both = request_of("north", key="new", replaces="north")

    assert read_request(ASKED.to_text().encode()) == ASKED
    assert read_request(both.to_text().encode()) == both


@pytest.mark.parametrize("read", [read_roster, read_request])
def test_every_flipped_bit_anywhere_is_refused(read: Callable[[bytes], Any]) -> None:
    text = (ALONE if read is read_roster else ASKED).to_text().encode()
    read(text)

    for position in range(len(text) * 8):
        changed = bytearray(text)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Untrusted):
            read(bytes(changed))


@pytest.mark.parametrize("kind", [ROSTER, REQUEST])
def test_every_flipped_bit_of_what_the_text_holds_is_refused(kind: str) -> None:
    read: Callable[[bytes], Any] = read_roster if kind == ROSTER else read_request
    content = canonical(ALONE if kind == ROSTER else ASKED)

    for position in range(len(content) * 8):
        changed = bytearray(content)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Untrusted):
            read(armoured(kind, bytes(changed)).encode())


@pytest.mark.parametrize("read", [read_roster, read_request])
def test_what_is_cut_off_or_added_is_refused(read: Callable[[bytes], Any]) -> None:
    text = (WHOLE if read is read_roster else ASKED).to_text().encode()

    for wrong in (*(text[:end] for end in range(len(text))), text + b"\n", b" " + text, text * 2):
        with pytest.raises(Untrusted):
            read(wrong)
    with pytest.raises(Untrusted):
        read(text.replace(b"\n", b"\r\n"))


@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_come_back_from_their_text(content: bytes) -> None:
    assert dearmoured(ROSTER, armoured(ROSTER, content).encode()) == content


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_no_roster_and_no_request(content: bytes, dressed: bool) -> None:
    for kind, read in ((ROSTER, read_roster), (REQUEST, read_request)):
        text = armoured(kind, content).encode() if dressed else content
        with pytest.raises(Untrusted) as refused:
            read(text)
        assert refused.value.doubt == "form"


@given(st.data())
def test_a_damaged_roster_is_refused_and_raises_nothing_else(data: st.DataObject) -> None:
    content = bytearray(canonical(WHOLE))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    changed = bytes(content)
    if changed == canonical(WHOLE):
        return

    with pytest.raises(Untrusted):
        read_roster(armoured(ROSTER, changed).encode())


def test_a_roster_is_no_request_and_neither_one_s_signature_is_the_other_s() -> None:
    with pytest.raises(Untrusted):
        read_request(WHOLE.to_text().encode())
    content = canonical(ASKED.request)
    assert ASKED.request.statement() != content
    assert b"quorate/request" in ASKED.request.statement()
    assert b"quorate/roster" in BODY.statement()


def test_another_form_of_the_same_values_is_refused() -> None:
    plain = msgspec.msgpack.decode(canonical(WHOLE))
    turned = msgspec.msgpack.encode({name: plain[name] for name in reversed(plain)})

    with pytest.raises(Untrusted, match="canonical"):
        read_roster(armoured(ROSTER, turned).encode())


def test_another_form_of_the_same_request_is_refused() -> None:
    plain = msgspec.msgpack.decode(canonical(ASKED))
    turned = msgspec.msgpack.encode({name: plain[name] for name in reversed(plain)})

    with pytest.raises(Untrusted, match="canonical"):
        read_request(armoured(REQUEST, turned).encode())


def test_a_request_signed_by_another_key_is_refused() -> None:
    forged = ASKED.request.signed_by(key_of("mallory"))

    with pytest.raises(Untrusted, match="not signed"):
        read_request(forged.to_text().encode())


def test_a_new_key_that_the_old_one_did_not_sign_is_refused() -> None:
    asked = request_of("north", key="new", replaces="north").request

    for forged in (
        asked.signed_by(key_of("new")),
        asked.signed_by(key_of("new"), key_of("mallory")),
        ASKED.request.signed_by(key_of("north"), key_of("mallory")),
        request_of("north", replaces="north"),
    ):
        with pytest.raises(Untrusted):
            read_request(forged.to_text().encode())


def test_a_request_with_a_key_of_small_order_is_refused() -> None:
    neutral = (1).to_bytes(32, "little")
    asked = Request(federation=FEDERATION, name="north", role="trainer", key=neutral)
    forged = msgspec.structs.replace(ASKED, request=asked, signature=neutral + bytes(32))

    with pytest.raises(Untrusted, match="small order"):
        read_request(forged.to_text().encode())


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("same name", {"entries": (*BODY.entries, msgspec.structs.replace(
            BODY.entries[-1], key=key_of("new").public))}),
        ("same key", {"entries": (*BODY.entries, msgspec.structs.replace(
            BODY.entries[-1], name="new"))}),
        ("same key", {"authorities": (BODY.entries[0].key,)}),
        ("same key", {"authorities": (AUTHORITY.public, AUTHORITY.public)}),
        ("more than one coordinator", {"entries": (*BODY.entries, Entry(
            name="new", role="coordinator", key=key_of("new").public))}),
        ("64 holders", {"entries": tuple(Entry(
            name=f"h-{number}", role="holder", key=number.to_bytes(32)) for number in range(65))}),
        ("was revoked", {"revoked": (revoked("north"),)}),
        ("was revoked", {"revoked": (revoked("the authority"),)}),
        ("not sorted", {"revoked": tuple(sorted(
            (revoked("x"), revoked("y")), key=lambda one: one.key, reverse=True))}),
        ("repeated", {"revoked": (revoked("x"), revoked("x"))}),
        ("future", {"revoked": (Revoked(key=key_of("x").public, name="x", epoch=3),)}),
        ("before it begins", {"valid_from": 5, "valid_until": 5}),
        ("first epoch", {"previous": None}),
        ("first epoch", {"epoch": 1}),
    ],
)  # fmt: skip
def test_what_could_be_confused_is_no_roster(text: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=text):
        msgspec.structs.replace(BODY, **changes)
    plain = msgspec.to_builtins(WHOLE, builtin_types=(bytes,))
    plain["body"] |= msgspec.to_builtins(changes, builtin_types=(bytes,))
    with pytest.raises(Untrusted):
        read_roster(armoured(ROSTER, msgspec.msgpack.encode(plain)).encode())


def test_a_member_whose_key_is_of_small_order_is_refused_although_the_authority_signed() -> None:
    neutral = (1).to_bytes(32, "little")
    entry = Entry(name="mallory", role="trainer", key=neutral)
    body = msgspec.structs.replace(BODY, entries=(*BODY.entries, entry))

    with pytest.raises(Untrusted, match="small order"):
        read_roster(body.signed_by([AUTHORITY]).to_text().encode())


def test_a_roster_that_none_of_its_authorities_signed_is_refused() -> None:
    with pytest.raises(Untrusted, match="none of the authorities") as refused:
        read_roster(BODY.signed_by([key_of("mallory")]).to_text().encode())

    assert refused.value.doubt == "authority"


def test_one_bad_signature_beside_a_good_one_is_refused() -> None:
    bad = Signed(key=key_of("other").public, signature=bytes(64))
    both = tuple(sorted((*WHOLE.signatures, bad), key=lambda signed: signed.key))

    with pytest.raises(Untrusted, match="not signed"):
        read_roster(SignedRoster(body=BODY, signatures=both).to_text().encode())
    with pytest.raises(ValueError, match="sorted"):
        SignedRoster(body=BODY, signatures=(*WHOLE.signatures, *WHOLE.signatures))


def test_the_names_are_todays_roster_and_their_digest_binds_keys_and_epoch() -> None:
    names = BODY.names()
    other_key = msgspec.structs.replace(
        BODY, entries=(*BODY.entries[:-1], msgspec.structs.replace(
            BODY.entries[-1], key=key_of("new").public)))  # fmt: skip

    assert names.coordinator == "coordinator"
    assert names.holders == ("holder-1", "holder-2")
    assert names.trainers == ("north", "middle", "south")
    assert names.keys == hashlib.sha256(canonical(BODY)).digest()
    digests = {body.names().digest() for body in (BODY, other_key, renewed(BODY, VALIDITY))}
    assert len(digests) == 3


def test_a_roster_of_names_only_keeps_its_digest() -> None:
    named = {"federation": "f", "coordinator": "c", "holders": ["h"], "trainers": ["t"]}
    roster = Roster(federation="f", coordinator="c", holders=("h",), trainers=("t",))

    assert roster.digest() == hashlib.sha256(msgspec.msgpack.encode(named)).digest()


def test_an_incomplete_roster_says_what_it_lacks_and_has_no_names() -> None:
    body = founded(FEDERATION, AUTHORITY.public, VALIDITY)

    assert len(body.faults()) == 3
    with pytest.raises(Misuse, match="no coordinator"):
        body.names()
    assert BODY.faults() == []


def test_the_form_of_a_body_is_what_its_schema_says() -> None:
    assert RosterBody.__struct_fields__ == (
        "federation", "epoch", "previous", "valid_from", "valid_until", "authorities", "entries",
        "revoked",
    )  # fmt: skip
    assert isinstance(AUTHORITY, SigningKey)
