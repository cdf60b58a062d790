from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import make_trust

from protocols.errors import Misuse
from protocols.trust.errors import Untrusted
from protocols.trust.keys import SigningKey, key_id, require_key, verify

SEED = bytes(range(32))
KEY = SigningKey.from_seed(SEED)
STATEMENT = b"what is signed"
ORDER = 2**252 + 27742317777372353535851937790883648493


def points_of_small_order() -> set[bytes]:
    """Find them from the definition: L times any point leaves what has an order of 8 or less."""
    found: set[bytes] = set()
    for number in range(2, 40):
        point = make_trust.from_bytes(number.to_bytes(32, "little"))
        if point is not None:
            small = make_trust.times(ORDER, point)
            found |= {make_trust.to_bytes(make_trust.times(factor, small)) for factor in range(8)}
    return found


def other_forms() -> list[bytes]:
    """Return encodings of y above the prime, and of x = 0 with a sign."""
    above = [2**255 - 19 + y for y in range(19)]
    signed = [number | 2**255 for number in above]
    zeros = [1 | 2**255, (2**255 - 20) | 2**255]
    return [number.to_bytes(32, "little") for number in (*above, *signed, *zeros)]


def test_a_signature_is_that_of_the_definition_and_fits() -> None:
    signature = KEY.sign(STATEMENT)

    verify(KEY.public, signature, STATEMENT)

    assert KEY.public == make_trust.public(SEED)
    assert signature == make_trust.sign(SEED, STATEMENT)


def test_points_of_small_order_are_nobodys_key() -> None:
    points = points_of_small_order()

    assert len(points) == 8
    for point in points:
        with pytest.raises(Untrusted, match="small order") as refused:
            require_key(point)
        assert refused.value.doubt == "key"


def test_a_key_of_small_order_signs_nothing() -> None:
    neutral = (1).to_bytes(32, "little")
    fits_anything = neutral + bytes(32)

    with pytest.raises(Untrusted, match="small order"):
        verify(neutral, fits_anything, STATEMENT)


def test_second_encodings_of_points_are_nobodys_key() -> None:
    for key in other_forms():
        with pytest.raises(Untrusted):
            require_key(key)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Untrusted, match="32 bytes"):
        require_key(bytes(length))


def test_s_above_the_order_is_refused() -> None:
    signature = KEY.sign(STATEMENT)
    response = int.from_bytes(signature[32:], "little")

    for again in (1, 2, 8):
        raised = response + again * ORDER
        if raised >= 2**256:
            break
        with pytest.raises(Untrusted, match="not signed"):
            verify(KEY.public, signature[:32] + raised.to_bytes(32, "little"), STATEMENT)


def test_every_flipped_bit_of_signature_key_or_statement_is_refused() -> None:
    signature = KEY.sign(STATEMENT)

    for position in range(64 * 8):
        with pytest.raises(Untrusted):
            verify(KEY.public, flipped(signature, position), STATEMENT)
    for position in range(32 * 8):
        with pytest.raises(Untrusted):
            verify(flipped(KEY.public, position), signature, STATEMENT)
    for position in range(len(STATEMENT) * 8):
        with pytest.raises(Untrusted):
            verify(KEY.public, signature, flipped(STATEMENT, position))


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    padded = KEY.sign(STATEMENT) + bytes(64)

    with pytest.raises(Untrusted):
        verify(KEY.public, padded[:length], STATEMENT)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=40))
def test_any_bytes_are_no_signature(key: bytes, signature: bytes, statement: bytes) -> None:
    with pytest.raises(Untrusted):
        verify(key, signature, statement)


def test_a_private_key_shows_nothing_and_is_not_pickled() -> None:
    assert repr(KEY) == f"SigningKey({key_id(KEY.public)})"
    assert SEED.hex() not in repr(KEY)
    with pytest.raises(TypeError, match="private"):
        pickle.dumps(KEY)
    with pytest.raises(Misuse, match="32 bytes"):
        SigningKey.from_seed(b"short")


def flipped(text: bytes, position: int) -> bytes:
    changed = bytearray(text)
    changed[position // 8] ^= 1 << position % 8
    return bytes(changed)
