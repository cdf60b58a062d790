"""Which values fit, and what is said when they do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.secagg.masked.layout import Layout, chosen, layouts
from protocols.secagg.masked.parameters import SETS, SIGMA, TAIL, A, B, ParameterSet

# secure-aggregation design, section 2.3: noise bits and widths of three, two and four slots of A.
# A million trainers fill 17 bits alone, so four slots hold nothing of them.
DESIGN = {
    100: (12, 25, 38, 19),
    1_000: (14, 25, 37, 18),
    10_000: (15, 24, 37, 18),
    100_000: (17, 24, 36, 18),
    1_000_000: (19, 23, 35, None),
}
each_set = pytest.mark.parametrize("parameters", SETS.values(), ids=SETS)


def is_prime(number: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7):  # enough below 3.2e9
        power = pow(base, odd, number)
        if power not in (1, number - 1) and not any(
            pow(power, 2**k, number) == number - 1 for k in range(twos)
        ):
            return False
    return True


def with_slots(parameters: ParameterSet, trainers: int, slots: int) -> Layout:
    return Layout(parameters=parameters, trainers=trainers, slots=slots)


@each_set
def test_the_moduli_are_primes_with_the_roots_that_the_ring_needs(parameters):
    assert all(is_prime(p) and p % (2 * parameters.degree) == 1 for p in parameters.primes)


def test_the_moduli_leave_the_margin_of_the_estimate():
    assert 2**89.9 < A.modulus < 2**90
    assert 2**179.9 < B.modulus < 2**180
    assert (A.degree, B.degree) == (4096, 8192)


@pytest.mark.parametrize("trainers", DESIGN)
def test_widths_are_those_of_the_design(trainers):
    noise, three, two, four = DESIGN[trainers]

    assert with_slots(A, trainers, 3).noise_bits == noise
    assert with_slots(A, trainers, 3).width == three
    assert with_slots(A, trainers, 2).width == two
    if four is not None:
        assert with_slots(A, trainers, 4).width == four


def test_set_b_is_denser():
    assert [with_slots(B, 1_000, slots).width for slots in (5, 6, 8)] == [33, 27, 20]
    assert with_slots(B, 1_000, 8).bytes_per_value == 2.8125
    assert with_slots(A, 1_000, 3).bytes_per_value == 3.75


@each_set
@settings(deadline=None)
@given(trainers=st.integers(1, 17_000_000), slots=st.integers(1, 16))
def test_every_sum_and_its_noise_stay_where_they_belong(parameters, trainers, slots):
    try:
        layout = with_slots(parameters, trainers, slots)
    except ValueError as error:
        assert "use fewer slots or fewer trainers" in str(error)  # noqa: PT017
        return

    assert trainers * layout.limit < 2 ** (layout.width - 1)
    assert (layout.limit + 1) * trainers >= 2 ** (layout.width - 1)
    assert layout.noise_bits + slots * layout.width <= math.floor(math.log2(parameters.modulus))
    # Twelve standard deviations on either side leave the highest bit of the noise unused.
    assert 12 * float(SIGMA) * math.sqrt(trainers) <= 2 ** (layout.noise_bits - 2)
    assert trainers * TAIL < 2**30


@settings(deadline=None)
@given(trainers=st.integers(1, 1_000_000), largest=st.integers(0, 2**40))
def test_the_chosen_layout_fits_and_none_with_fewer_bytes_does(trainers, largest):
    layout = chosen(trainers, largest)

    assert largest <= layout.limit
    assert layout.headroom_bits(largest) >= 0
    for other in layouts(trainers):
        if other.bytes_per_value < layout.bytes_per_value:
            assert other.limit < largest


def test_headroom_counts_doublings():
    layout = with_slots(A, 1_000, 3)

    assert layout.headroom_bits(layout.limit) == 0
    assert layout.headroom_bits(2**10) == pytest.approx(math.log2(layout.limit) - 10)
    assert layout.headroom_bits(4 * layout.limit) == pytest.approx(-2)
    assert layout.headroom_bits(0) == math.inf
    with pytest.raises(ValueError, match="not negative"):
        layout.headroom_bits(-1)


def test_what_does_not_fit_is_refused_with_the_bits_and_the_ways_out():
    layout = with_slots(A, 1_000, 3)
    layout.check_fits(layout.limit)

    with pytest.raises(ValueError, match="1 bit is missing") as caught:
        layout.check_fits(layout.limit + 1)
    assert "limit for each of 1000 trainers is 16777" in str(caught.value)
    assert "use set B with 6 slots of 27 bits (3.75 bytes for a value), fewer" in str(caught.value)
    with pytest.raises(ValueError, match="7 bits are missing"):
        layout.check_fits(100 * layout.limit)


def test_what_no_layout_holds_is_refused():
    with pytest.raises(ValueError, match=r"set . with 1 slots of 62 bits.* bits are missing"):
        chosen(1_000, 2**61)
    with pytest.raises(ValueError, match="a smaller clip norm or fewer trainers"):
        chosen(1_000, 2**61)
    with pytest.raises(ValueError, match="18000000 trainers are not between 1 and 17895697"):
        chosen(18_000_000, 1)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"degree": 4095}, "not a power of two"),
        ({"degree": 16384}, "64 bits do not hold its sums"),
        ({"primes": (2**31 - 1,)}, "not a 30-bit prime"),
        ({"primes": (1073643521, 1073643521)}, "different from each other"),
    ],
)
def test_a_ring_that_the_kernels_can_not_compute_in_is_refused(changes, what):
    usual = {"name": "x", "degree": 4096, "primes": A.primes, "block_polynomials": 1}
    with pytest.raises(ValueError, match=what):
        ParameterSet(**{**usual, **changes})


def test_a_layout_without_room_is_refused():
    with pytest.raises(ValueError, match="0 trainers are not between 1"):
        with_slots(A, 0, 3)
    with pytest.raises(ValueError, match="17 slots"):
        with_slots(A, 3, 17)
    with pytest.raises(ValueError, match="hold no sum of 1000000 trainers"):
        with_slots(A, 1_000_000, 4)


@each_set
def test_the_largest_sums_of_the_kernels_fit_in_64_bits(parameters):
    p, stages = max(parameters.primes), parameters.degree.bit_length() - 1
    lazy, lift = (stages + 1) * p * p, 2**29 * p
    for trainers in (1, 3, 1000):
        for layout in layouts(trainers):
            if layout.parameters is not parameters:
                continue
            pieces = -(-layout.limit.bit_length() // 24)
            message = layout.slots * pieces * 2**24 * p + TAIL
            assert lazy + lift + message < 2**64
            assert message < 2**29 * min(parameters.primes)
    assert stages * p * p < np.iinfo(np.uint64).max


@each_set
def test_half_of_sigma_is_above_the_smoothing_line_of_a_whole_span(parameters):
    # Hint-MLWE (Kim, Lee, Seo, Song 2023) wants sigma / 2 >= sqrt(2) · eta for epsilon 2^-128;
    # eta of Z^n is at most sqrt(ln(2n · (1 + 1 / epsilon)) / (2 · pi^2)).
    for slots in (1, 2, 3, 6, 8):
        n = parameters.span_values / slots + 2 * parameters.degree
        eta = math.sqrt((math.log(2 * n) + 128 * math.log(2)) / (2 * math.pi**2))
        assert float(SIGMA) / 2 > math.sqrt(2) * eta
