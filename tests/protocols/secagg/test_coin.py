from __future__ import annotations

import numpy as np
import pytest
from fakes.dealt import uniform

from protocols.errors import Misuse
from protocols.secagg.coin import PIECE, Coin, digest_of
from protocols.secagg.field import FIELDS

SEED = bytes(range(32))
each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)


def coin_of(field, **changes) -> Coin:
    return Coin(**{"field": field, "seed": SEED, "context": b"set", **changes})


def distance(one, other) -> int:
    return int((one != other).sum())


@each_field
def test_no_two_uses_of_a_coin_share_coefficients(field):
    rows = coin_of(field).rows("rho", 0, 500)
    others = [
        coin_of(field).rows("rho", 1, 500),
        coin_of(field).rows("lambda", 0, 500),
        coin_of(field, context=b"other").rows("rho", 0, 500),
        coin_of(field, seed=bytes(32)).rows("rho", 0, 500),
    ]

    # Among 500 uniform words hardly any is the same by chance.
    assert all(distance(rows, other) > rows.size - 3 for other in others)
    for k in range(1, coin_of(field).repetitions):
        assert distance(rows[0], rows[k]) > 497


@each_field
def test_a_combination_is_the_sum_of_the_products_with_all_pieces(field):
    coin, draw = coin_of(field), np.random.default_rng(1)
    size = 2 * PIECE + 5
    vectors = [uniform(field, draw, size) for _ in range(3)]

    found = coin.combine(7, vectors)

    lengths = (PIECE, PIECE, 5)
    pieces = [coin.rows("rho", 7 * 2**32 + i, length) for i, length in enumerate(lengths)]
    rho = np.concatenate(pieces, axis=1).tolist()
    for vector, values in zip(vectors, found, strict=True):
        expected = tuple(
            sum(a * b for a, b in zip(row, vector.tolist(), strict=True)) % field.modulus
            for row in rho
        )
        assert values == expected


@each_field
def test_a_vector_alone_has_the_combination_that_it_has_among_others(field):
    coin, draw = coin_of(field), np.random.default_rng(2)
    vectors = [uniform(field, draw, 1000) for _ in range(3)]

    together = coin.combine(0, vectors)

    assert together == tuple(coin.combine(0, [vector])[0] for vector in vectors)


def test_the_sum_of_two_values_is_reduced():
    for field in FIELDS.values():
        coin = coin_of(field)
        top = (field.modulus - 1,) * coin.repetitions

        assert coin.plus(top, top) == (field.modulus - 2,) * coin.repetitions


def test_what_makes_no_sense_is_refused():
    field = FIELDS["p31"]
    zeros = np.zeros(4, dtype=np.uint32)

    with pytest.raises(Misuse, match="32 bytes"):
        coin_of(field, seed=b"short")
    for vectors in ([], [zeros, zeros[:3]]):
        with pytest.raises(Misuse, match="no common chunk"):
            coin_of(field).combine(0, vectors)
    with pytest.raises(Misuse, match="words of the field"):
        coin_of(field).combine(0, [zeros.astype(np.uint64)])


def test_the_digest_binds_places_and_parts_and_not_their_order():
    usual = digest_of(b"d", {0: b"ab", 1: b"c"}, b"context")

    assert digest_of(b"d", {1: b"c", 0: b"ab"}, b"context") == usual
    others = [
        digest_of(b"e", {0: b"ab", 1: b"c"}, b"context"),
        digest_of(b"d", {0: b"a", 1: b"bc"}, b"context"),
        digest_of(b"d", {0: b"ab", 2: b"c"}, b"context"),
        digest_of(b"d", {0: b"c", 1: b"ab"}, b"context"),
        digest_of(b"d", {0: b"ab", 1: b"c"}, b"contex"),
        digest_of(b"d", {0: b"ab"}, b"context"),
    ]
    assert len({usual, *others}) == 7


def test_no_repr_shows_the_seed():
    assert repr(SEED) not in repr(coin_of(FIELDS["p31"]))
    assert SEED.hex() not in repr(coin_of(FIELDS["p31"]))
