from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.field import FIELDS, P31, P61

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


@each_field
@settings(derandomize=True)
@given(data=st.data())
def test_signed_values_survive_encoding(field, data):
    values = data.draw(st.lists(st.integers(-field.half, field.half), max_size=20))
    array = np.array(values, dtype=np.int64)

    residues = field.encode(array)

    assert [int(r) for r in residues] == [v % field.modulus for v in values]
    assert field.decode(residues).tolist() == values


@each_field
def test_the_extremes_survive_encoding_and_bytes(field):
    extremes = np.array([0, 1, -1, field.half, -field.half], dtype=np.int64)

    wire = field.to_bytes(field.encode(extremes))

    assert len(wire) == 5 * field.word_bytes
    assert field.decode(field.from_bytes(wire)).tolist() == extremes.tolist()


@each_field
@pytest.mark.parametrize("sign", [1, -1])
def test_a_value_beyond_half_the_modulus_is_never_wrapped(field, sign):
    with pytest.raises(Misuse, match="does not fit"):
        field.encode(np.array([0, sign * (field.half + 1)], dtype=np.int64))


def test_floats_are_not_encoded():
    with pytest.raises(Misuse, match="not int64"):
        P31.encode(np.zeros(3))


@each_field
@pytest.mark.parametrize("above", [0, 1])
def test_a_word_that_is_not_below_the_modulus_is_refused(field, above):
    word = (field.modulus + above).to_bytes(field.word_bytes, "little")

    with pytest.raises(Undecodable, match="below the modulus"):
        field.from_bytes(bytes(field.word_bytes) + word)


@each_field
def test_the_largest_residue_is_accepted(field):
    word = (field.modulus - 1).to_bytes(field.word_bytes, "little")

    assert field.from_bytes(word).tolist() == [field.modulus - 1]


@each_field
def test_torn_or_missing_words_are_refused(field):
    with pytest.raises(Undecodable, match="whole words"):
        field.from_bytes(bytes(field.word_bytes + 1))
    with pytest.raises(Undecodable, match="3 words"):
        field.from_bytes(bytes(2 * field.word_bytes), count=3)


def test_words_of_another_field_have_no_bytes_here():
    with pytest.raises(Misuse, match="not of the field p31"):
        P31.to_bytes(P61.encode(np.zeros(1, dtype=np.int64)))


@each_field
@pytest.mark.parametrize("value", [1, 2, -1, 2**29, 10**9])
def test_a_value_times_its_inverse_is_one(field, value):
    assert value * field.inverse(value) % field.modulus == 1


@each_field
def test_multiples_of_the_modulus_have_no_inverse(field):
    with pytest.raises(Misuse):
        field.inverse(2 * field.modulus)


@each_field
def test_lagrange_weights_give_the_value_at_zero(field):
    points = [5, 1, 64, 17]

    weights = field.lagrange_at_zero(points)

    for power in range(4):
        at_zero = sum(w * x**power for w, x in zip(weights, points, strict=True))
        assert at_zero % field.modulus == (1 if power == 0 else 0)


@each_field
@pytest.mark.parametrize("points", [(1, 2, 1), (0, 1)])
def test_points_that_repeat_or_are_the_secrets_own_are_refused(field, points):
    with pytest.raises(Misuse, match="different"):
        field.lagrange_at_zero(points)


@each_field
def test_points_that_meet_modulo_the_prime_are_refused(field):
    with pytest.raises(Misuse, match="different"):
        field.lagrange_at_zero((1, field.modulus + 1))
