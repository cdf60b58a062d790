"""The negacyclic number-theoretic transform modulo a 30-bit prime, many polynomials at a time.

Cooley-Tukey butterflies that are lazy in the sense of Harvey, "Faster arithmetic for
number-theoretic transforms" (2014): a product is reduced, the sum and the difference are not.
They grow by one modulus with each of the log2(N) stages, so up to N = 8192 they stay below
14·p, and times another residue below 2^64.

Evaluations are in the order that the inverse reads without permuting: with N = R·C and
C >= R, the one of psi^(2·rev(r·C + c) + 1) stands at c·R + r, where rev reverses the bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

Words = NDArray[np.uint64]

TILE = 2**15
"""Coefficients that are transformed at a time: with all beside them they stay in the L2 cache."""


class Room:
    """What a transform of up to `TILE` coefficients needs beside them, used again and again."""

    def __init__(self, coefficients: int = TILE) -> None:
        self.products, self.quotients = (np.empty(coefficients // 2, np.uint64) for _ in range(2))
        self.ordered, self.whole = (np.empty(coefficients, np.uint64) for _ in range(2))


def root_of_unity(order: int, prime: int) -> int:
    """Return the power (p - 1) / order of the smallest number that gives a primitive root.

    Args:
        order: a power of two that divides p - 1.
        prime: p.
    """
    for base in range(2, prime):
        root = pow(base, (prime - 1) // order, prime)
        if pow(root, order // 2, prime) == prime - 1:
            return root
    raise Misuse(f"{prime} has no root of order {order}")


def reduce(values: Words, prime: int, quotients: Words) -> None:
    """Reduce words modulo p in place; `quotients` is room of the same shape."""
    # numpy divides by a scalar with a multiplication and shifts, in the same time for any value.
    np.floor_divide(values, np.uint64(prime), out=quotients)
    np.multiply(quotients, np.uint64(prime), out=quotients)
    np.subtract(values, quotients, out=values)


@dataclass(frozen=True, slots=True)
class Transform:
    """The tables of one degree and one prime.

    Attributes:
        degree: N.
        prime: p.
        rows, columns: R and C.
        forward_twiddles: of stage m the powers psi^rev(m + i), i < m, shape (m, 1).
        inverse_twiddles: of the stage of half-size h the powers omega^-j, j < h.
        untwist: psi^-i / N, the last factor of coefficient i.
    """

    degree: int
    prime: int
    rows: int
    columns: int
    forward_twiddles: tuple[Words, ...]
    inverse_twiddles: tuple[Words, ...]
    untwist: Words

    def forward(self, coefficients: Words) -> Words:
        """Return the evaluations of polynomials.

        Args:
            coefficients: shape (P, N), residues.

        Returns:
            Shape (P, N), residues, in the order above.
        """
        polynomials = coefficients.shape[0]
        values, room = coefficients.copy(), Room(coefficients.size)
        half = self.degree // 2
        for twiddles in self.forward_twiddles:
            pairs = values.reshape(polynomials, -1, 2, half)
            self._butterflies(pairs[:, :, 0], pairs[:, :, 1], twiddles, room)
            half //= 2
        reduce(values, self.prime, np.empty_like(values))
        reversed_order = values.reshape(polynomials, self.rows, self.columns)
        ordered = np.ascontiguousarray(reversed_order.transpose(0, 2, 1))
        return ordered.reshape(polynomials, self.degree)

    def inverse(self, evaluations: Words) -> Words:
        """Return the coefficients of polynomials; `evaluations` is overwritten.

        Args:
            evaluations: shape (P, N), residues.

        Returns:
            Shape (P, N), residues.
        """
        room = Room(evaluations.size)
        values = self.lazy_inverse(evaluations, room)
        np.multiply(values, self.untwist, out=values)
        reduce(values, self.prime, room.whole.reshape(values.shape))
        return values

    def lazy_inverse(self, evaluations: Words, room: Room) -> Words:
        """Return coefficients before their last factor: times `untwist` they are right.

        Args:
            evaluations: shape (P, N), residues; overwritten.
            room: for P·N coefficients or more.

        Returns:
            Shape (P, N), below (log2(N) + 1)·p; a part of `room`, valid until it is used again.
        """
        polynomials, switch = evaluations.shape[0], self.columns.bit_length() - 1
        pairs = evaluations.reshape(polynomials, -1, 2, self.rows)
        self._first_butterflies(pairs[:, :, 0], pairs[:, :, 1], room)
        for twiddles in self.inverse_twiddles[1:switch]:
            groups = evaluations.reshape(polynomials, -1, 2, twiddles.size, self.rows)
            upper, lower = groups[:, :, 0], groups[:, :, 1]
            self._butterflies(upper, lower, twiddles[:, np.newaxis], room)
        ordered = room.ordered[: evaluations.size].reshape(evaluations.shape)
        np.copyto(
            ordered.reshape(polynomials, self.rows, self.columns),
            evaluations.reshape(polynomials, self.columns, self.rows).transpose(0, 2, 1),
        )
        for twiddles in self.inverse_twiddles[switch:]:
            pairs = ordered.reshape(polynomials, -1, 2, twiddles.size)
            self._butterflies(pairs[:, :, 0], pairs[:, :, 1], twiddles, room)
        return ordered

    def _butterflies(self, upper: Words, lower: Words, twiddles: Words, room: Room) -> None:
        # (x, y) becomes (x + w·y, x - w·y + p).
        product, opposite = room.products[: lower.size], room.quotients[: lower.size]
        np.multiply(lower, twiddles, out=product.reshape(lower.shape))
        reduce(product, self.prime, opposite)
        self._sums(upper, lower, product, opposite)

    def _first_butterflies(self, upper: Words, lower: Words, room: Room) -> None:
        # Their only twiddle is one, and residues need no reduction.
        product, opposite = room.products[: lower.size], room.quotients[: lower.size]
        np.copyto(product.reshape(lower.shape), lower)
        self._sums(upper, lower, product, opposite)

    def _sums(self, upper: Words, lower: Words, product: Words, opposite: Words) -> None:
        # What lies in one piece is several times faster than the halves of `upper` and `lower`.
        np.subtract(np.uint64(self.prime), product, out=opposite)
        np.add(upper, opposite.reshape(lower.shape), out=lower)
        np.add(upper, product.reshape(lower.shape), out=upper)


@cache
def transform_of(degree: int, prime: int) -> Transform:
    """Return the tables; they are made once for each degree and prime.

    Args:
        degree: N, a power of two up to 8192.
        prime: below 2^30, and 1 modulo 2N.
    """
    psi = root_of_unity(2 * degree, prime)
    inverse_psi = pow(psi, -1, prime)
    stages = degree.bit_length() - 1
    rows = 2 ** (stages // 2)
    reversed_powers = [pow(psi, _reversed(i, stages), prime) for i in range(degree)]
    forward = tuple(
        _words(reversed_powers[2**k : 2 ** (k + 1)])[:, np.newaxis] for k in range(stages)
    )
    inverse = tuple(
        _words(_powers(pow(inverse_psi, degree // 2**k, prime), 2**k, prime)) for k in range(stages)
    )
    share = pow(degree, -1, prime)
    untwist = _words([share * power % prime for power in _powers(inverse_psi, degree, prime)])
    return Transform(degree, prime, rows, degree // rows, forward, inverse, untwist)


def _powers(base: int, count: int, prime: int) -> list[int]:
    powers = [1]
    while len(powers) < count:
        powers.append(powers[-1] * base % prime)
    return powers


def _reversed(index: int, bits: int) -> int:
    return int(f"{index:0{bits}b}"[::-1], 2)


def _words(values: list[int]) -> Words:
    words = np.array(values, dtype=np.uint64)
    words.flags.writeable = False
    return words
