from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocols.errors import Misuse, Unfit
from protocols.secagg.field import FIELDS, P31, P61
from protocols.secagg.fixed_point import FixedPoint

every_codec = st.builds(
    FixedPoint,
    st.sampled_from(list(FIELDS.values())),
    st.integers(0, 60),
    st.integers(1, 100_000),
)


def doubles(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@settings(derandomize=True)
@given(codec=every_codec, value=st.floats(allow_nan=False, allow_infinity=False))
@example(codec=FixedPoint(P61, 0, 1), value=2.0**60)
@example(codec=FixedPoint(P61, 0, 2), value=2.0**59)
@example(codec=FixedPoint(P31, 0, 1), value=2.0**30)
@example(codec=FixedPoint(P31, 0, 1), value=2.0**30 - 0.5)
@example(codec=FixedPoint(P31, 0, 1), value=-(2.0**30) + 0.75)
@example(codec=FixedPoint(P61, 60, 1), value=1.0)
@example(codec=FixedPoint(P61, 60, 1), value=-1.7e308)
def test_a_value_is_encoded_exactly_or_refused_but_never_wrapped(codec, value):
    exact = round(Fraction(value) * 2**codec.fraction_bits)

    if abs(exact) <= codec.limit:
        assert codec.encode(doubles(value)).tolist() == [exact]
    else:
        with pytest.raises(Unfit, match="too large"):
            codec.encode(doubles(value))


@settings(derandomize=True)
@given(codec=every_codec)
def test_the_sum_of_all_trainers_at_the_limit_never_wraps(codec):
    p = codec.field.modulus

    assert codec.trainers * codec.limit <= (p - 1) // 2
    assert codec.trainers * (codec.limit + 1) > (p - 1) // 2


@settings(derandomize=True)
@given(codec=every_codec, largest=st.floats(0, 1e300))
def test_a_configuration_fits_exactly_when_its_largest_value_does(codec, largest):
    try:
        codec.encode(doubles(largest, -largest))
    except Unfit:
        with pytest.raises(ValueError, match="headroom"):
            codec.check_fits(largest)
    else:
        codec.check_fits(largest)


def test_one_trainer_has_almost_half_of_the_field():
    assert FixedPoint(P61, 0, 1).limit == 2**60 - 1
    assert FixedPoint(P31, 0, 1).limit == 2**30 - 1


def test_near_the_limit_the_next_float_is_refused():
    codec = FixedPoint(P61, 0, 1)
    largest = math.nextafter(2.0**60, 0)

    assert codec.encode(doubles(largest, -largest)).tolist() == [2**60 - 128, 128 - 2**60]
    with pytest.raises(Unfit):
        codec.encode(doubles(2.0**60))


def test_halves_are_rounded_to_even():
    halves = doubles(0.5, 1.5, 2.5, -0.5, -1.5, 0.25)

    assert FixedPoint(P31, 0, 3).encode(halves).tolist() == [0, 2, 2, 0, -2, 0]
    assert FixedPoint(P31, 1, 3).encode(halves).tolist() == [1, 3, 5, -1, -3, 0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_its_place(value):
    codec = FixedPoint(P31, 16, 3)

    with pytest.raises(Unfit, match=r"coordinate 2 \(weight 2\)") as refused:
        codec.encode(doubles(0, 1, value), name_of=lambda index: f"weight {index}")

    assert refused.value.kind == "not finite"


@pytest.mark.parametrize(
    ("field", "bits"),
    [(P31, 16), (P31, 0), (P61, 16), (P61, 0)],
    ids=["p31 with fractions", "p31", "p61 with fractions", "p61"],
)
def test_what_is_too_large_is_refused_with_three_ways_out_and_without_its_value(field, bits):
    codec = FixedPoint(field, bits, 100)

    with pytest.raises(Unfit) as refused:
        codec.encode(doubles(1, 7.654321e18, 1))

    text = str(refused.value)
    assert refused.value.kind == "too large"
    assert "coordinate 1 " in text
    assert not re.search(r"7[.,]?6", text)
    ways = ("field p61", "fewer fraction bits", "smaller weights", "clip norm", "fewer trainers")
    assert sum(way in text for way in ways) >= 3
    assert ("use the field p61" in text) == (field is P31)
    assert ("fewer fraction bits" in text) == (bits > 0)


def test_a_configuration_that_can_wrap_is_refused_with_the_missing_bits():
    codec = FixedPoint(P31, 20, 1000)

    with pytest.raises(ValueError, match=r"headroom is -6\.61 bits, 7 bits are missing") as refused:
        codec.check_fits(100.0)

    assert "field p61" in str(refused.value)
    FixedPoint(P61, 20, 1000).check_fits(100.0)


def test_headroom_counts_the_doublings_left():
    codec = FixedPoint(P61, 20, 1)

    assert codec.headroom_bits(1.0) == pytest.approx(40)
    assert codec.headroom_bits(2.0**43) == pytest.approx(-3)
    assert codec.headroom_bits(0) == math.inf


@pytest.mark.parametrize("largest", [math.nan, math.inf, -1.0])
def test_headroom_needs_a_finite_magnitude(largest):
    with pytest.raises(ValueError, match="finite"):
        FixedPoint(P31, 0, 1).headroom_bits(largest)


def test_decoding_undoes_encoding_up_to_rounding():
    codec = FixedPoint(P31, 10, 3)
    reals = doubles(0, 1, -1, 3.14159, -2.71828, 1e-9)

    back = codec.decode(codec.encode(reals))

    assert np.abs(back - reals).max() <= 2.0**-11
    assert FixedPoint(P61, 0, 1).decode(np.array([2**60 - 128])).tolist() == [2.0**60 - 128]


@pytest.mark.parametrize(("bits", "trainers"), [(-1, 3), (61, 3), (8, 0), (8, 2**31)])
def test_a_codec_without_room_or_sense_is_refused(bits, trainers):
    with pytest.raises(ValueError, match=r"fraction bits|trainers"):
        FixedPoint(P31, bits, trainers)


def test_only_doubles_are_encoded():
    with pytest.raises(Misuse, match="not float64"):
        FixedPoint(P31, 0, 3).encode(np.zeros(3, dtype=np.float32))


@settings(derandomize=True)
@given(codec=every_codec, values=st.lists(st.integers(-(2**62), 2**62), max_size=9))
def test_integers_are_decoded_in_their_own_memory_as_anywhere_else(codec, values):
    integers = np.array(values * 20_000, dtype=np.int64)  # more than one piece
    expected = codec.decode(integers)

    reals = codec.decode_in_place(integers)

    assert np.array_equal(reals, expected)
    assert reals.size == 0 or np.shares_memory(reals, integers)
