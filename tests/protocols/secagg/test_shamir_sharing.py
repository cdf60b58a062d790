from __future__ import annotations

from itertools import combinations

import galois
import numba
import numpy as np
import pytest
from mpyc import finfields, thresha
from vectors import make_shamir

from protocols.errors import Misuse
from protocols.secagg import kernels
from protocols.secagg.field import FIELDS, P31, P61
from protocols.secagg.kernels import BLOCK, KERNELS
from protocols.secagg.shamir import reconstruct, split

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
SHAPES = [(2, 2), (2, 64), (3, 5), (4, 7), (6, 10), (8, 20), (11, 20), (33, 64), (64, 64)]


def extreme_rows(field, threshold: int) -> np.ndarray:
    """One column for each pair of an extreme secret and constant coefficients, and random ones."""
    p, rng = field.modulus, np.random.default_rng(threshold)
    extremes = (0, 1, p - 1, p - 2)
    columns = [[s] + [c] * (threshold - 1) for s in extremes for c in extremes]
    columns += rng.integers(0, p, size=(4, threshold)).tolist()
    return np.array(columns, dtype=field.dtype).T.copy()


def random_rows(field, threshold: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(d)
    return rng.integers(0, field.modulus, size=(threshold, d), dtype=field.dtype)


@each_field
def test_shares_at_the_extremes_agree_with_plain_integers_for_every_threshold(field):
    for threshold in range(2, 65):
        rows = extreme_rows(field, threshold)

        shares = split(field, rows[0], rows[1:], 64)

        plain = rows.tolist()
        assert shares.tolist() == make_shamir.shares_of(field.modulus, plain[0], plain[1:], 64)


@each_field
def test_opening_extreme_shares_agrees_with_plain_integers_for_every_threshold(field):
    p = field.modulus
    for threshold in range(1, 65):
        points = list(range(65 - threshold, 65))
        # Any words are shares of something: here the largest, and a mixture.
        rows = extreme_rows(field, threshold)
        rows[:, 0] = p - 1

        secrets = reconstruct(field, points, rows)

        assert secrets.tolist() == make_shamir.opened(p, points, rows.tolist())


@each_field
@pytest.mark.parametrize(("threshold", "holders"), SHAPES)
def test_shares_are_the_values_of_the_polynomial_that_galois_finds(field, threshold, holders):
    GF = galois.GF(field.modulus)
    rows = extreme_rows(field, threshold)

    shares = split(field, rows[0], rows[1:], holders)

    points = GF(list(range(1, holders + 1)))
    for column in (0, 10, 15, 19):  # all zero, all p - 1, all p - 2, random
        polynomial = galois.Poly(GF([int(c) for c in rows[::-1, column]]))
        assert shares[:, column].tolist() == [int(y) for y in polynomial(points)]


@each_field
@pytest.mark.parametrize(("threshold", "holders"), [(3, 5), (6, 10), (11, 20)])
def test_galois_interpolates_our_shares_to_the_secret(field, threshold, holders):
    GF = galois.GF(field.modulus)
    rows = extreme_rows(field, threshold)
    shares = split(field, rows[0], rows[1:], holders)

    chosen = [holders - k for k in range(threshold)]
    for column in (0, 10, 15, 19):
        values = GF([int(shares[x - 1, column]) for x in chosen])
        polynomial = galois.lagrange_poly(GF(chosen), values)

        assert int(polynomial(GF(0))) == rows[0, column]


@each_field
@pytest.mark.parametrize(("threshold", "holders"), SHAPES)
def test_mpyc_and_we_open_each_others_shares(field, threshold, holders):
    p, GF = field.modulus, finfields.GF(field.modulus)
    rows = extreme_rows(field, threshold)
    secrets, points = rows[0].tolist(), list(range(1, threshold + 1))

    ours = split(field, rows[0], rows[1:], holders)
    theirs = thresha.random_split(GF, [GF(s) for s in secrets], threshold - 1, holders)

    opened = thresha.recombine(GF, [(x, ours[x - 1].tolist()) for x in points])
    assert [value % p for value in opened] == secrets
    received = np.array([theirs[x - 1] for x in points], dtype=field.dtype)
    assert reconstruct(field, points, received).tolist() == secrets


@each_field
def test_every_group_of_threshold_holders_opens_the_same(field):
    rows = extreme_rows(field, 3)
    shares = split(field, rows[0], rows[1:], 6)

    for places in combinations(range(6), 3):
        points = [place + 1 for place in places]
        assert reconstruct(field, points, shares[list(places)]).tolist() == rows[0].tolist()


@each_field
@pytest.mark.parametrize("d", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_every_column_is_shared_whatever_the_length(field, d):
    rows = random_rows(field, 4, d)

    shares = split(field, rows[0], rows[1:], 5)

    assert reconstruct(field, [5, 1, 3, 2], shares[[4, 0, 2, 1]]).tolist() == rows[0].tolist()
    edges = [column for column in (0, BLOCK - 1, BLOCK, d - 1) if 0 <= column < d]
    plain = rows[:, edges].tolist()
    expected = make_shamir.shares_of(field.modulus, plain[0], plain[1:], 5)
    assert shares[:, edges].tolist() == expected


@each_field
def test_fewer_holders_than_the_threshold_open_nothing(field):
    rows = random_rows(field, 4, 200)
    shares = split(field, rows[0], rows[1:], 5)

    guessed = reconstruct(field, [1, 2, 3], shares[:3])

    assert not (guessed == rows[0]).any()


def test_the_lazy_sum_holds_for_two_to_the_33_of_the_largest_shares():
    p = P31.modulus
    accumulator = np.full(3, (2**33 - 1) * (p - 1), dtype=np.uint64)

    KERNELS["p31"].add(accumulator, np.full(3, p - 1, dtype=np.uint32))

    assert accumulator.tolist() == [2**33 * (p - 1)] * 3
    assert KERNELS["p31"].reduce(accumulator).tolist() == [2**33 * (p - 1) % p] * 3


def test_reduction_holds_for_every_kind_of_accumulator():
    p = P31.modulus
    edges = [0, 1, p - 1, p, p + 1, 2 * p, p * p, p << 33, 2**62, 2**63 - 1, 2**64 - 1, 2**64 - p]

    reduced = KERNELS["p31"].reduce(np.array(edges, dtype=np.uint64))

    assert reduced.tolist() == [edge % p for edge in edges]


def test_the_sum_of_p61_shares_stays_reduced():
    p = P61.modulus
    accumulator = np.array([0, p - 1, p - 1, 1], dtype=np.uint64)

    KERNELS["p61"].add(accumulator, np.array([0, p - 1, 1, p - 1], dtype=np.uint64))

    assert accumulator.tolist() == [0, p - 2, 0, 0]


@pytest.mark.parametrize(("threshold", "holders"), [(1, 3), (4, 3), (3, 65)])
def test_a_threshold_that_makes_no_sense_is_refused(threshold, holders):
    rows = random_rows(P31, threshold, 2)

    with pytest.raises(Misuse, match="not possible"):
        split(P31, rows[0], rows[1:], holders)


def test_shapes_and_types_that_disagree_are_refused():
    rows = random_rows(P31, 3, 4)

    with pytest.raises(Misuse, match="do not fit"):
        split(P31, rows[0, :3], rows[1:], 5)
    with pytest.raises(Misuse, match="do not fit"):
        split(P31, rows[0], rows[1], 5)
    with pytest.raises(Misuse, match="words of the field"):
        split(P61, rows[0], rows[1:], 5)
    with pytest.raises(Misuse, match="do not fit"):
        reconstruct(P31, [1, 2], rows)
    with pytest.raises(Misuse, match="words of the field"):
        reconstruct(P61, [1, 2, 3], rows)
    with pytest.raises(Misuse, match="different"):
        reconstruct(P31, [1, 2, 2], rows)


def test_the_loops_compile_where_nothing_can_be_written(monkeypatch):
    njit = numba.njit

    def read_only(*, cache: bool = False, **options: bool):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", read_only)

    assert kernels._compiled(lambda value: value + 1)(1) == 2
