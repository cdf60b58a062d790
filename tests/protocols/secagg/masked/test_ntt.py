"""Transforms against their definition: products coefficient by coefficient, values at powers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectors import make_masked

from protocols.errors import Misuse
from protocols.secagg.masked.masking import products
from protocols.secagg.masked.ntt import TILE, Room, reduce, root_of_unity, transform_of
from protocols.secagg.masked.parameters import A, B

PRIMES = B.primes  # those of A among them
each_prime = pytest.mark.parametrize("prime", PRIMES)


def random_words(prime: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, prime, shape).astype(np.uint64)


@each_prime
@pytest.mark.parametrize("degree", [2, 4, 8, 16, 32, 64])
def test_products_are_those_of_the_schoolbook(prime, degree):
    transform = transform_of(degree, prime)
    one, other = random_words(prime, (3, degree), 1), random_words(prime, (3, degree), 2)

    product = transform.forward(one) * transform.forward(other) % np.uint64(prime)

    expected = [
        make_masked.multiplied(prime, a, b)
        for a, b in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert transform.inverse(product).tolist() == expected


@settings(deadline=None)
@given(data=st.data())
def test_any_product_of_small_degree(data):
    prime, degree = data.draw(st.sampled_from(PRIMES)), data.draw(st.sampled_from([2, 8, 16]))
    words = st.lists(
        st.integers(0, prime - 1) | st.just(prime - 1), min_size=degree, max_size=degree
    )
    one, other = data.draw(words), data.draw(words)
    transform = transform_of(degree, prime)

    points = [transform.forward(np.array([each], dtype=np.uint64)) for each in (one, other)]
    product = transform.inverse(points[0] * points[1] % np.uint64(prime))

    assert product[0].tolist() == make_masked.multiplied(prime, one, other)


def by_big_integers(prime: int, one: list[int], other: list[int]) -> list[int]:
    """Multiply modulo X^N + 1 with one multiplication of integers (Kronecker)."""
    degree, room = len(one), 10  # bytes for a sum of 8192 products of 30 bits each
    numbers = [
        int.from_bytes(b"".join(x.to_bytes(room, "little") for x in each), "little")
        for each in (one, other)
    ]
    data = (numbers[0] * numbers[1]).to_bytes(2 * degree * room, "little")
    whole = [
        int.from_bytes(data[start : start + room], "little") for start in range(0, len(data), room)
    ]
    return [(low - high) % prime for low, high in zip(whole[:degree], whole[degree:], strict=True)]


@each_prime
@pytest.mark.parametrize("degree", [4096, 8192])
def test_products_of_the_large_rings_are_those_of_big_integers(prime, degree):
    transform = transform_of(degree, prime)
    one, other = random_words(prime, (1, degree), 8), random_words(prime, (1, degree), 9)
    other[0, :100] = prime - 1

    product = transform.inverse(
        transform.forward(one) * transform.forward(other) % np.uint64(prime)
    )

    assert product[0].tolist() == by_big_integers(prime, one[0].tolist(), other[0].tolist())


@pytest.mark.parametrize(("degree", "prime"), [(4096, A.primes[0]), (8192, B.primes[-1])])
def test_evaluations_are_at_the_powers_in_the_order_that_is_written(degree, prime):
    coefficients = random_words(prime, (2, degree), 3)
    points = transform_of(degree, prime).forward(coefficients)
    psi, exponents = root_of_unity(2 * degree, prime), make_masked.exponents(degree)

    for place in [0, 1, degree - 1, *random.Random(0).sample(range(degree), 12)]:
        x = pow(psi, exponents[place], prime)
        for row in range(2):
            value = 0
            for coefficient in reversed(coefficients[row].tolist()):
                value = (value * x + coefficient) % prime
            assert points[row, place] == value


@each_prime
@pytest.mark.parametrize("degree", [4096, 8192])
@pytest.mark.parametrize("count", [1, 5])
def test_the_inverse_undoes_the_transform(prime, degree, count):
    coefficients = random_words(prime, (count, degree), 4)
    transform = transform_of(degree, prime)

    assert (transform.inverse(transform.forward(coefficients)) == coefficients).all()


@each_prime
@pytest.mark.parametrize("degree", [4096, 8192])
def test_lazy_sums_stay_within_their_bound_at_the_extremes(prime, degree):
    transform, stages = transform_of(degree, prime), degree.bit_length() - 1
    worst = [
        np.full((1, degree), prime - 1, dtype=np.uint64),
        np.where(np.arange(degree) % 2, np.uint64(prime - 1), np.uint64(0))[np.newaxis],
        random_words(prime, (1, degree), 5),
    ]
    for values in worst:
        expected = transform.inverse(values.copy())
        lazy = transform.lazy_inverse(values.copy(), Room(degree)).copy()

        assert int(lazy.max()) < (stages + 1) * prime
        scaled = [
            x * w % prime for x, w in zip(lazy[0].tolist(), transform.untwist.tolist(), strict=True)
        ]
        assert scaled == expected[0].tolist()


@pytest.mark.parametrize("polynomials", [1, 7, 8, 9, 20])
def test_products_come_piece_by_piece_and_equal_those_at_once(polynomials):
    degree, prime = 4096, A.primes[1]
    transform = transform_of(degree, prime)
    public = random_words(prime, (polynomials, degree), 6).astype(np.uint32)
    factor = random_words(prime, (degree,), 7)

    found, starts = [], []
    for start, lazy, room in products(transform, public.reshape(-1), factor):
        starts.append(start)
        assert lazy.size == room.size <= TILE
        found.append(lazy.reshape(-1) % np.uint64(prime))

    expected = transform.inverse(public.astype(np.uint64) * factor % np.uint64(prime))
    assert starts == list(range(0, polynomials * degree, TILE))
    assert (np.concatenate(found) == expected.reshape(-1)).all()


@settings(deadline=None)
@given(value=st.integers(0, 2**64 - 1), prime=st.sampled_from(PRIMES))
def test_words_are_reduced_over_their_whole_range(value, prime):
    words = np.array([value, 0, prime - 1, prime, 2**64 - 1], dtype=np.uint64)

    reduce(words, prime, np.empty_like(words))

    assert words.tolist() == [x % prime for x in (value, 0, prime - 1, prime, 2**64 - 1)]


def test_a_root_that_there_is_not_is_refused():
    with pytest.raises(Misuse, match="no root of order 4"):
        root_of_unity(4, 7)
