from __future__ import annotations

import random
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import make_checks

from protocols.errors import Misuse
from protocols.secagg.field import FIELDS, PrimeField
from protocols.secagg.reed_solomon import (
    Codeword,
    Garbled,
    ReedSolomon,
    Unverified,
    evaluated,
    radius,
)

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
SMALL = PrimeField("p3", 7, np.dtype("<u4"))  # so small that all words can be tried


def plain(decoding) -> dict:
    match decoding:
        case Codeword():
            outcome = {"outcome": "codeword", "wrong": list(decoding.wrong)}
            return {**outcome, "coefficients": list(decoding.coefficients)}
        case Unverified():
            return {"outcome": "unverified", "coefficients": list(decoding.coefficients)}
        case Garbled():
            return {"outcome": "garbled"}


@pytest.mark.parametrize(("points", "terms"), [([1, 2, 3, 4, 5], 1), ([6, 1, 3, 2, 5], 3)])
def test_every_word_over_a_small_field_is_decoded_as_by_exhaustive_search(points, terms):
    code = ReedSolomon(SMALL, points, terms)
    draw = random.Random(terms)
    for word in product(range(7), repeat=len(points)):
        faults = draw.randrange(5)

        found = plain(code.decode(word, faults=faults))

        assert found == make_checks.decoded(7, points, list(word), terms, faults), (word, faults)


@st.composite
def spoilt_words(draw):
    field = draw(st.sampled_from(list(FIELDS.values())))
    residue = st.one_of(
        st.integers(0, field.modulus - 1), st.sampled_from([0, 1, field.modulus - 1])
    )
    points = draw(st.lists(st.integers(1, 64), min_size=1, max_size=9, unique=True))
    terms = draw(st.integers(1, len(points)))
    coefficients = draw(st.lists(residue, min_size=terms, max_size=terms))
    word = [make_checks.value(field.modulus, coefficients, x) for x in points]
    for position in draw(st.lists(st.integers(0, len(points) - 1), max_size=len(points))):
        word[position] = draw(residue)
    return field, points, terms, word, draw(st.integers(0, 5))


@settings(max_examples=400, deadline=None)
@given(spoilt_words())
def test_any_word_is_decoded_as_by_exhaustive_search(case):
    field, points, terms, word, faults = case

    found = ReedSolomon(field, points, terms).decode(word, faults=faults)

    assert plain(found) == make_checks.decoded(field.modulus, points, word, terms, faults)


@each_field
@pytest.mark.parametrize(("length", "terms"), [(10, 4), (20, 8), (20, 11), (64, 22), (255, 85)])
def test_as_many_errors_as_half_of_the_spare_points_are_all_found(field, length, terms):
    p, draw = field.modulus, random.Random(length)
    coefficients = tuple(draw.randrange(p) for _ in range(terms))
    word = [evaluated(coefficients, x, p) for x in range(1, length + 1)]
    most = (length - terms) // 2
    wrong = tuple(sorted(draw.sample(range(length), most)))
    for position in wrong:
        word[position] = (word[position] + draw.randrange(1, p)) % p

    found = ReedSolomon(field, range(1, length + 1), terms).decode(word, faults=most)

    assert found == Codeword(coefficients=coefficients, wrong=wrong)


@each_field
def test_one_error_more_than_that_is_detected_and_nobody_is_named(field):
    p = field.modulus
    word = [evaluated((3, 1, 4, 1), x, p) for x in range(1, 11)]
    for position in range(4):
        word[position] = (word[position] + 1) % p

    found = ReedSolomon(field, range(1, 11), 4).decode(word, faults=3)

    assert found == Garbled()


@pytest.mark.parametrize("spare", range(8))
@pytest.mark.parametrize("faults", range(8))
def test_the_radius_is_that_of_the_inequalities(spare, faults):
    terms = 3
    received = terms + spare

    found = radius(received, terms, faults)

    if received >= terms + max(2 * faults, 1):
        assert found == faults
    elif received >= terms + faults and spare:
        assert 0 <= found < faults
        # One wrong position more would also fit what the liars could have made up.
        assert found + 1 + faults > spare
    else:
        assert found == -1


def test_what_two_liars_made_up_is_not_pinned_on_the_third_holder():
    # Three points say x + 1; two of the others agreed on 1 - x, which four points then fit.
    points, p = [1, 2, 3, 4, 5, 6], 2**31 - 1
    word = [2, 3, 4, evaluated((1, p - 1), 4, p), evaluated((1, p - 1), 5, p), 7]
    code = ReedSolomon(FIELDS["p31"], points, 2)

    assert code.decode(word, faults=2) == Codeword(coefficients=(1, 1), wrong=(3, 4))
    assert code.decode(word, faults=1) == Garbled()
    assert code.decode(word, faults=3) == Garbled()


@each_field
def test_a_word_of_twenty_is_decoded_in_a_few_milliseconds_at_most(field):
    word = [evaluated(range(1, 9), x, field.modulus) ^ (x < 7) for x in range(1, 21)]
    code = ReedSolomon(field, range(1, 21), 8)

    times = []
    for _ in range(20):
        start = time.perf_counter()
        code.decode(word, faults=6)
        times.append(time.perf_counter() - start)

    assert min(times) < 0.005  # 0.2 ms where nothing else runs


def test_what_makes_no_sense_is_refused():
    field = FIELDS["p31"]
    for points in ([1, 1], [0, 1], [1, 2**31]):  # the last is one modulo p
        with pytest.raises(Misuse, match="different"):
            ReedSolomon(field, points, 1)
    for count, terms in ((3, 0), (3, 4), (256, 3)):
        with pytest.raises(Misuse, match="do not fit"):
            ReedSolomon(field, range(1, count + 1), terms)
    code = ReedSolomon(field, [1, 2, 3], 2)
    with pytest.raises(Misuse, match="2 values, 3 points"):
        code.decode([1, 2], faults=0)
    with pytest.raises(Misuse, match="faults"):
        code.decode([1, 2, 3], faults=-1)
    for value in (-1, 2**31 - 1):
        with pytest.raises(Misuse, match="not a residue"):
            code.decode([1, 2, value], faults=0)


def test_no_repr_shows_what_was_shared():
    code = ReedSolomon(FIELDS["p31"], [1, 2, 3], 2)

    assert "424242" not in repr(code.decode([424242] * 3, faults=1))
    assert "424242" not in repr(code.decode([424242] * 3, faults=2))
