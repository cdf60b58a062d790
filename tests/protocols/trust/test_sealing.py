"""Keys of a round, and boxes that open for one recipient and one purpose only."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fakes import hpke_reference as reference
from hypothesis import given
from hypothesis import strategies as st

from actors.ports import Sealing
from infra.hpke_sealing import HpkeSealing
from protocols.codec import Undecodable, canonical, parse
from protocols.errors import Misuse
from protocols.messages import ContributionHeader, ShareChunk
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import (
    CLASSICAL,
    ENCAPSULATED_BYTES,
    HYBRID,
    OVERHEAD_BYTES,
    PUBLIC_BYTES,
    Binding,
    BoxKey,
    SealingKey,
    SuiteName,
    suites,
)
from protocols.trust.signing import Statement, require_said

ENTROPY = bytes(range(32))
BOUND = Binding(
    purpose="share",
    federation="trial",
    round_id=b"\x01" * 32,
    sender="north",
    recipient="holder-1",
    header_digest=b"\x02" * 32,
    index=3,
)
HEADER = ContributionHeader(
    cid=BOUND.round_id, trainer="north", share_bytes=5000, share_digests=(bytes(32),)
)
CONTENT = b"a share of a secret"
SEALING: Sealing = HpkeSealing()
both = pytest.mark.parametrize("suite", [HYBRID, CLASSICAL])


def test_the_installed_library_has_the_hybrid_and_it_comes_first() -> None:
    assert suites() == (HYBRID, CLASSICAL)


@both
def test_a_box_opens_for_its_recipient(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)

    box = SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT)

    assert SEALING.open(key, BOUND.to_bytes(), box) == CONTENT
    assert len(box) == len(CONTENT) + OVERHEAD_BYTES[suite]
    assert SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT) != box


@both
@pytest.mark.parametrize(
    "other",
    [
        {"purpose": "answer"},
        {"federation": "trials"},
        {"round_id": bytes(32)},
        {"sender": "south"},
        {"recipient": "holder-2"},
        {"header_digest": bytes(32)},
        {"index": 4},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_box_does_not_open_as_anything_else(suite: SuiteName, other: dict[str, Any]) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)
    box = SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT)

    with pytest.raises(Untrusted) as refused:
        SEALING.open(key, replace(BOUND, **other).to_bytes(), box)

    assert refused.value.doubt == "sealed"


@both
def test_a_box_does_not_open_with_another_key(suite: SuiteName) -> None:
    key, other = (BoxKey.from_entropy(suite, bytes([number]) * 32) for number in (1, 2))
    box = SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT)

    with pytest.raises(Untrusted):
        SEALING.open(other, BOUND.to_bytes(), box)


@both
def test_a_box_of_one_suite_does_not_open_in_the_other(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)
    other = BoxKey.from_entropy(CLASSICAL if suite == HYBRID else HYBRID, ENTROPY)
    box = SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT)

    with pytest.raises(Untrusted):
        SEALING.open(other, BOUND.to_bytes(), box)


def test_a_hybrid_box_needs_both_halves_of_the_private_key() -> None:
    key = BoxKey.from_entropy(HYBRID, ENTROPY).sealing_key
    other = BoxKey.from_entropy(HYBRID, bytes(32)).sealing_key
    mixed = (key.key[:1184] + other.key[1184:], other.key[:1184] + key.key[1184:])

    for public in mixed:
        box = SEALING.seal(SealingKey(suite=HYBRID, key=public), BOUND.to_bytes(), CONTENT)
        with pytest.raises(Untrusted):
            SEALING.open(BoxKey.from_entropy(HYBRID, ENTROPY), BOUND.to_bytes(), box)


def test_every_flipped_bit_of_a_box_is_refused() -> None:
    key = BoxKey.from_entropy(CLASSICAL, ENTROPY)
    box = SEALING.seal(key.sealing_key, BOUND.to_bytes(), CONTENT)

    for position in range(len(box) * 8):
        changed = bytearray(box)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(Untrusted):
            SEALING.open(key, BOUND.to_bytes(), bytes(changed))


@both
def test_who_carries_a_signed_chunk_can_put_no_other_box_in_its_place(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)
    info, content, ring = BOUND.to_bytes(), bytes(5000), Believer()
    head = ENCAPSULATED_BYTES[suite]
    box, own = (SEALING.seal(key.sealing_key, info, content) for _ in range(2))
    chunk = ShareChunk(header=HEADER, index=1, payload=box)
    said = Statement.of("trial", "north", chunk).to_bytes()
    others = [
        own,
        own[:-16] + box[-16:],
        box[:head] + own[head:],
        box[:head] + own[head:-16] + box[-16:],
        own[:head] + box[head:],
        box[:3000] + bytes([box[3000] ^ 1]) + box[3001:],
        box[:3000] + box[3001:],
        box[:3000] + b"x" + box[3000:],
    ]

    def taken(payload: bytes) -> bytes:
        require_said(ring, "trial", "north", msgspec.structs.replace(chunk, payload=payload), said)
        return SEALING.open(key, info, payload)

    assert taken(box) == content
    for other in others:
        with pytest.raises(Untrusted):
            taken(other)


class Believer:
    """Takes a statement itself for its signature: only its very words pass."""

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        if statement != signature:
            raise Untrusted("signature", f"not signed by {member}")


@both
@given(box=st.binary(max_size=1300))
def test_any_bytes_are_no_box(suite: SuiteName, box: bytes) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)

    with pytest.raises(Untrusted):
        SEALING.open(key, BOUND.to_bytes(), box)


def test_a_box_is_the_one_that_rfc_9180_defines() -> None:
    private = X25519PrivateKey.from_private_bytes(ENTROPY)
    key = BoxKey.from_entropy(CLASSICAL, ENTROPY)
    info = BOUND.to_bytes()

    box = SEALING.seal(key.sealing_key, info, CONTENT)

    exchanged = private.exchange(X25519PublicKey.from_public_bytes(box[:32]))
    shared = reference.secret_of_exchange(exchanged, box[:32], key.sealing_key.key)
    cipher, nonce = reference.key_and_nonce(reference.X25519_KEM, shared, info)
    assert AESGCM(cipher).decrypt(nonce, box[32:], b"") == CONTENT


def test_a_hybrid_box_is_the_one_that_the_draft_defines() -> None:
    expanded = hashlib.shake_256(ENTROPY).digest(96)
    lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    key = BoxKey.from_entropy(HYBRID, ENTROPY)
    info = BOUND.to_bytes()

    box = SEALING.seal(key.sealing_key, info, CONTENT)

    exchanged = curve.exchange(X25519PublicKey.from_public_bytes(box[1088:1120]))
    shared = reference.secret_of_both(
        lattice.decapsulate(box[:1088]), exchanged, box[1088:1120], key.sealing_key.key[1184:]
    )
    cipher, nonce = reference.key_and_nonce(reference.XWING_KEM, shared, info)
    assert AESGCM(cipher).decrypt(nonce, box[1120:], b"") == CONTENT


@both
def test_the_same_entropy_gives_the_same_keys(suite: SuiteName) -> None:
    first, again, other = (
        BoxKey.from_entropy(suite, entropy).sealing_key for entropy in (ENTROPY, ENTROPY, bytes(32))
    )

    assert first == again
    assert first != other
    assert len(first.key) == PUBLIC_BYTES[suite]


@both
def test_a_public_key_travels_as_it_is(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY).sealing_key

    again = parse(canonical(key), SealingKey)

    box = SEALING.seal(again, BOUND.to_bytes(), CONTENT)
    assert again == key
    assert hash(again) == hash(key)
    assert canonical(again) == canonical(key)
    assert SEALING.open(BoxKey.from_entropy(suite, ENTROPY), BOUND.to_bytes(), box) == CONTENT


@both
def test_a_public_key_is_looked_at_once_and_another_one_for_itself(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY).sealing_key
    other = BoxKey.from_entropy(suite, ENTROPY[::-1])
    assert key.public() is key.public()

    changed = msgspec.structs.replace(key, key=other.sealing_key.key)

    box = SEALING.seal(changed, BOUND.to_bytes(), CONTENT)
    assert SEALING.open(other, BOUND.to_bytes(), box) == CONTENT


@pytest.mark.parametrize(
    ("suite", "key", "text"),
    [
        (CLASSICAL, bytes(32), "small order"),
        (CLASSICAL, (1).to_bytes(32, "little"), "small order"),
        (CLASSICAL, (2**255 - 19 + 9).to_bytes(32, "little"), "canonical"),
        (CLASSICAL, (9 | 2**255).to_bytes(32, "little"), "canonical"),
        (CLASSICAL, bytes(33), "33 bytes"),
        (HYBRID, bytes(1216), "small order"),
        (HYBRID, b"\xff" * 1184 + b"\x09" + bytes(31), "ML-KEM"),
        (HYBRID, bytes(1184) + b"\xff" * 32, "canonical"),
        (HYBRID, bytes(32), "32 bytes"),
    ],
)
def test_a_public_key_that_nobody_may_have_is_refused(
    suite: SuiteName, key: bytes, text: str
) -> None:
    wrong = SealingKey(suite=suite, key=key)

    for _ in range(2):
        with pytest.raises(Untrusted, match=text) as refused:
            SEALING.seal(wrong, BOUND.to_bytes(), CONTENT)

        assert refused.value.doubt == "key"


@given(st.sampled_from([HYBRID, CLASSICAL]), st.binary(max_size=1300))
def test_any_bytes_are_a_key_or_are_refused(suite: SuiteName, key: bytes) -> None:
    try:
        found = parse(msgspec.msgpack.encode({"suite": suite, "key": key}), SealingKey)
    except Undecodable:
        assert not 32 <= len(key) <= 1216
        return
    if len(key) != PUBLIC_BYTES[suite]:
        with pytest.raises(Untrusted, match="no public key"):
            found.public()
        return
    with contextlib.suppress(Untrusted):  # and it raises nothing else
        found.public()


@both
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_are_made_of_32_bytes(suite: SuiteName, length: int) -> None:
    with pytest.raises(Misuse, match="32 bytes"):
        BoxKey.from_entropy(suite, bytes(length))


@both
def test_a_private_key_shows_nothing_and_is_not_pickled(suite: SuiteName) -> None:
    key = BoxKey.from_entropy(suite, ENTROPY)

    assert ENTROPY.hex() not in repr(key)
    assert repr(key) == f"BoxKey({suite}, {key.sealing_key.key[:4].hex()})"
    with pytest.raises(TypeError, match="private"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "wrong", [{"round_id": b""}, {"header_digest": bytes(31)}, {"index": -1}, {"index": 2**32}]
)
def test_a_binding_that_makes_no_sense_can_not_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        replace(BOUND, **wrong)
