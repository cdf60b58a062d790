from __future__ import annotations

from itertools import combinations

import galois
import numpy as np
import pytest
from vectors import make_packed

from protocols.errors import Misuse
from protocols.secagg.field import FIELDS, P31, P61
from protocols.secagg.kernels import BLOCK
from protocols.secagg.packed import (
    reconstruct_packed,
    secret_points,
    split_packed,
)
from protocols.secagg.shamir import reconstruct

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
# packing, privacy, holders
SHAPES = [
    (1, 1, 2),
    (1, 2, 5),
    (2, 1, 4),
    (2, 2, 5),
    (3, 2, 7),
    (3, 5, 10),
    (10, 6, 20),
    (32, 32, 64),
]
each_shape = pytest.mark.parametrize(("packing", "privacy", "holders"), SHAPES)


def extreme_columns(field, rows: int) -> np.ndarray:
    """Columns of extreme residues only, mixed ones, and random ones."""
    p, rng = field.modulus, np.random.default_rng(rows)
    extremes = (0, 1, p - 1, p - 2)
    columns = [
        [one if i % 2 else other for i in range(rows)] for one in extremes for other in extremes
    ]
    columns += rng.integers(0, p, size=(4, rows)).tolist()
    return np.array(columns, dtype=field.dtype).T.copy()


def random_rows(field, count: int, d: int, entropy: int = 0) -> np.ndarray:
    rng = np.random.default_rng([count, d, entropy])
    return rng.integers(0, field.modulus, size=(count, d), dtype=field.dtype)


@each_field
@each_shape
def test_shares_at_the_extremes_agree_with_plain_integers(field, packing, privacy, holders):
    rows = extreme_columns(field, packing + privacy)
    secrets, randoms = rows[:packing], rows[packing:]

    shares = split_packed(field, secrets, randoms, holders, range(privacy))

    given = dict(enumerate(randoms.tolist()))
    at = [-j for j in range(1, packing + 1)]
    plain = make_packed.shares_of(field.modulus, secrets.tolist(), at, given, holders)
    assert shares.tolist() == plain


@each_field
@each_shape
def test_galois_finds_secrets_and_shares_on_one_polynomial_of_lowest_degree(
    field, packing, privacy, holders
):
    GF, terms = galois.GF(field.modulus), packing + privacy
    rows = extreme_columns(field, terms)
    places = list(range(holders - privacy, holders))
    shares = split_packed(field, rows[:packing], rows[packing:], holders, places)

    for column in (0, 7, len(rows[0]) - 1):
        points = GF(
            [int(x) % field.modulus for x in secret_points(packing)] + [p + 1 for p in places]
        )
        polynomial = galois.lagrange_poly(points, GF([int(y) for y in rows[:, column]]))
        seen = polynomial(GF(list(range(1, holders + 1))))
        assert shares[:, column].tolist() == [int(y) for y in seen]
        assert polynomial.degree < terms


@each_field
@each_shape
def test_as_many_holders_as_the_threshold_open_all_rows(field, packing, privacy, holders):
    rows = extreme_columns(field, packing + privacy)
    shares = split_packed(field, rows[:packing], rows[packing:], holders, range(privacy))
    rng = np.random.default_rng(holders)

    for _ in range(5):
        places = rng.permutation(holders)[: packing + privacy].tolist()
        points = [place + 1 for place in places]
        opened = reconstruct_packed(field, points, shares[places], packing)
        assert opened.tolist() == rows[:packing].tolist()
        at = [-j for j in range(1, packing + 1)]
        plain = make_packed.opened(field.modulus, points, shares[places].tolist(), at)
        assert opened.tolist() == plain


@each_field
def test_every_group_of_the_threshold_opens_the_same(field):
    rows = extreme_columns(field, 4)
    shares = split_packed(field, rows[:2], rows[2:], 6, [1, 4])

    for places in combinations(range(6), 4):
        points = [place + 1 for place in places]
        opened = reconstruct_packed(field, points, shares[list(places)], 2)
        assert opened.tolist() == rows[:2].tolist()


@each_field
@pytest.mark.parametrize("d", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_every_column_is_shared_whatever_the_length(field, d):
    rows = random_rows(field, 5, d)

    shares = split_packed(field, rows[:3], rows[3:], 7, [5, 2])

    opened = reconstruct_packed(field, [7, 1, 5, 2, 4], shares[[6, 0, 4, 1, 3]], 3)
    assert opened.tolist() == rows[:3].tolist()
    edges = [column for column in (0, BLOCK - 1, BLOCK, d - 1) if 0 <= column < d]
    given = {5: rows[3, edges].tolist(), 2: rows[4, edges].tolist()}
    plain = make_packed.shares_of(field.modulus, rows[:3, edges].tolist(), [-1, -2, -3], given, 7)
    assert shares[:, edges].tolist() == plain


@each_field
@pytest.mark.parametrize(("packing", "privacy", "holders"), [(2, 2, 5), (3, 2, 7), (3, 5, 10)])
def test_any_secrets_fit_what_as_many_as_the_privacy_see(field, packing, privacy, holders):
    rows = random_rows(field, packing + privacy, 20)
    shares = split_packed(field, rows[:packing], rows[packing:], holders, range(privacy))
    others = random_rows(field, packing, 20, entropy=1)

    for places in combinations(range(holders), privacy):
        seen = shares[list(places)]
        again = split_packed(field, others, seen, holders, places)

        assert again[list(places)].tolist() == seen.tolist()
        opened = reconstruct_packed(
            field, range(1, packing + privacy + 1), again[: packing + privacy], packing
        )
        assert opened.tolist() == others.tolist()


@each_field
def test_one_holder_beyond_the_privacy_learns_one_combination_and_no_more(field):
    p, packing, places = field.modulus, 3, [6, 3, 0]
    rows = random_rows(field, 5, 20)
    shares = split_packed(field, rows[:3], rows[3:], 7, [6, 3])

    # What the third share tells: a combination of all three secrets, known but for them.
    points = [*secret_points(packing), 7, 4]
    *of_secrets, six, three = field.lagrange_at(1, points)
    seen = shares.astype(object)
    learnt = (seen[0] - six * seen[6] - three * seen[3]) % p
    assert learnt.tolist() == [
        sum(w * s for w, s in zip(of_secrets, column, strict=True)) % p
        for column in rows[:3].T.tolist()
    ]
    assert all(of_secrets)

    # And no more: other secrets with the same combination fit the same three shares.
    others = random_rows(field, 3, 20, entropy=1)
    first = others[1].astype(object) * of_secrets[1] + others[2].astype(object) * of_secrets[2]
    others[0] = (learnt - first) * field.inverse(of_secrets[0]) % p
    again = split_packed(field, others, shares[[6, 3]], 7, [6, 3])
    assert again[places].tolist() == shares[places].tolist()
    assert not (others == rows[:3]).any()


@each_field
def test_one_holder_less_than_the_threshold_opens_nothing(field):
    rows = random_rows(field, 5, 200)
    shares = split_packed(field, rows[:3], rows[3:], 7, range(2))

    guessed = reconstruct_packed(field, [1, 2, 3, 4], shares[:4], 3)

    assert not (guessed == rows[:3]).any()


@each_field
def test_one_secret_in_a_polynomial_is_a_sharing_that_opens_at_minus_one(field):
    rows = random_rows(field, 3, 20)

    shares = split_packed(field, rows[:1], rows[1:], 5, range(2))

    moved = reconstruct(field, [2, 4, 6], shares[[0, 2, 4]])  # every point one further
    assert moved.tolist() == rows[0].tolist()


@each_field
def test_the_given_holders_get_the_random_words_as_they_are(field):
    rows = random_rows(field, 5, 20)

    shares = split_packed(field, rows[:3], rows[3:], 7, [6, 1])

    assert shares[[6, 1]].tolist() == rows[3:].tolist()


@pytest.mark.parametrize(
    ("packing", "privacy", "holders"), [(2, 2, 3), (3, 0, 5), (0, 3, 5), (3, 3, 65)]
)
def test_numbers_that_make_no_sense_are_refused(packing, privacy, holders):
    with pytest.raises(Misuse, match="not possible"):
        split_packed(
            P31, random_rows(P31, packing, 2), random_rows(P31, privacy, 2), holders, range(privacy)
        )


def test_shapes_types_and_places_that_disagree_are_refused():
    rows = random_rows(P31, 4, 6)

    with pytest.raises(Misuse, match="do not fit"):
        split_packed(P31, rows[:2, :3], rows[2:], 5, [0, 1])
    with pytest.raises(Misuse, match="words of the field"):
        split_packed(P61, rows[:2], rows[2:], 5, [0, 1])
    with pytest.raises(Misuse, match="not one of"):
        split_packed(P31, rows[:2], rows[2:], 5, [0, 5])
    for places in ([0], [0, 1, 2], [1, 1]):
        with pytest.raises(Misuse, match="can't be given"):
            split_packed(P31, rows[:2], rows[2:], 5, places)
    with pytest.raises(Misuse, match="do not fit"):
        reconstruct_packed(P31, [1, 2, 3], rows, 2)
    with pytest.raises(Misuse, match="different"):
        reconstruct_packed(P31, [1, 2, 3, 3], rows, 2)
    for packing in (0, 4):
        with pytest.raises(Misuse, match="do not open"):
            reconstruct_packed(P31, [1, 2, 3, 4], rows, packing)
