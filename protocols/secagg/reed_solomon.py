"""Shamir shares as words of a Reed-Solomon code: which of them are wrong, and what was meant.

Gao, "A new algorithm for decoding Reed-Solomon codes" (2003); that shares of a secret are
such a word: McEliece and Sarwate (CACM 24(9), 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from protocols.errors import Misuse

from .field import PrimeField

MAX_LENGTH = 255

_Polynomial: TypeAlias = list[int]  # constant first, without leading zeros; [] is zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Codeword:
    """The word is a codeword but for `wrong`.

    Attributes:
        coefficients: of the polynomial, as many as the code has terms, constant first.
        wrong: positions in the word, ascending; empty if nothing is wrong.
    """

    coefficients: tuple[int, ...] = field(repr=False)
    wrong: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """A polynomial fits, and would have fitted whatever the wrong positions said."""

    coefficients: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something is wrong, and in too many positions to say which."""


Decoding: TypeAlias = Codeword | Unverified | Garbled


def radius(received: int, terms: int, faults: int) -> int:
    """Return how many wrong positions can be named when at most `faults` are wrong.

    A codeword other than the right one differs from it in received - terms + 1 positions or
    more, so it is at least received - terms + 1 - faults away from the word. Hence all faults
    are named if received >= terms + 2 · faults, and none from there down to terms + faults,
    where they are still noticed; below that they may go unnoticed, and -1 is returned.
    """
    spare = received - terms
    if spare < max(faults, 1):
        return -1
    return min(faults, spare - faults)


class ReedSolomon:
    """Polynomials with `terms` coefficients, seen at some points.

    Building takes O(n²) inversions, decoding O(n²) multiplications of Python integers: for
    20 points under a millisecond, for 255 some tens of them.
    """

    def __init__(self, field: PrimeField, points: Sequence[int], terms: int) -> None:
        """Prepare a code.

        Args:
            field: of the values.
            points: where the polynomial is seen: different modulo p, none zero, at most 255.
            terms: number of coefficients, from 1 to that of the points: the threshold t.

        Raises:
            Misuse: the points or the terms make no sense.
        """
        p = field.modulus
        self._p, self._terms = p, terms
        self._points = tuple(point % p for point in points)
        if len(set(self._points)) != len(self._points) or 0 in self._points:
            raise Misuse("the points must be different from each other and from zero")
        if not 1 <= terms <= len(self._points) <= MAX_LENGTH:
            raise Misuse(f"{terms} terms do not fit {len(self._points)} points")
        self._inverses = [
            [pow(x - other, -1, p) for other in self._points[:i]]
            for i, x in enumerate(self._points)
        ]

    def decode(self, word: Sequence[int], *, faults: int) -> Decoding:
        """Find the polynomial and the wrong positions.

        Args:
            word: one value for each point, from 0 to p - 1.
            faults: the most positions that may be wrong, by assumption. If more are, the
                outcome may be wrong too, as the liars may have agreed on another codeword.

        Returns:
            `Codeword` with up to `radius` wrong positions; `Garbled` if there is none so
            near, so that something is wrong for certain; `Unverified` if the word fits a
            polynomial and `faults` wrong positions could have made it fit.

        Raises:
            Misuse: another length, a value out of range, or negative faults.
        """
        if len(word) != len(self._points) or faults < 0:
            raise Misuse(f"{len(word)} values, {len(self._points)} points, {faults} faults")
        if not all(0 <= value < self._p for value in word):
            raise Misuse("a value of the word is not a residue")
        most = radius(len(word), self._terms, faults)
        through_all = self._interpolated(word)
        if len(through_all) <= self._terms:
            coefficients = self._padded(through_all)
            if most < 0:
                return Unverified(coefficients=coefficients)
            return Codeword(coefficients=coefficients, wrong=())
        if most <= 0:
            return Garbled()
        near = self._nearest(through_all)
        if len(near) > self._terms:
            return Garbled()
        wrong = tuple(
            i for i, x in enumerate(self._points) if evaluated(near, x, self._p) != word[i]
        )
        if len(wrong) > most:
            return Garbled()
        return Codeword(coefficients=self._padded(near), wrong=wrong)

    def _padded(self, polynomial: _Polynomial) -> tuple[int, ...]:
        return (*polynomial, *[0] * (self._terms - len(polynomial)))

    def _interpolated(self, word: Sequence[int]) -> _Polynomial:
        # Newton's divided differences, then Horner over (x - x_i) from the last to the first.
        p, table = self._p, list(word)
        for step in range(1, len(table)):
            for i in range(len(table) - 1, step - 1, -1):
                table[i] = (table[i] - table[i - 1]) * self._inverses[i][i - step] % p
        polynomial: _Polynomial = []
        for value, x in zip(reversed(table), reversed(self._points), strict=True):
            polynomial = _times_root(polynomial, x, p)
            if polynomial:
                polynomial[0] = (polynomial[0] + value) % p
            elif value:
                polynomial = [value]
        return polynomial

    def _nearest(self, through_all: _Polynomial) -> _Polynomial:
        """Return the only candidate within half the distance; it is not compared yet."""
        p, bound = self._p, len(self._points) + self._terms
        above: _Polynomial = [1]
        for x in self._points:
            above = _times_root(above, x, p)
        below, previous, locator = through_all, [], [1]
        while 2 * (len(below) - 1) >= bound:
            quotient, rest = _divided(above, below, p)
            above, below = below, rest
            previous, locator = locator, _minus_product(previous, quotient, locator, p)
        # A remainder would say that there is none; comparing with the word says it as well.
        near, _ = _divided(below, locator, p)
        return near


def evaluated(polynomial: Sequence[int], x: int, p: int) -> int:
    """Return the value at x of coefficients with the constant first."""
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * x + coefficient) % p
    return value


def _trimmed(polynomial: _Polynomial) -> _Polynomial:
    while polynomial and not polynomial[-1]:
        polynomial.pop()
    return polynomial


def _times_root(polynomial: _Polynomial, x: int, p: int) -> _Polynomial:
    """Return polynomial · (X - x)."""
    if not polynomial:
        return []
    shifted, kept = [0, *polynomial], [*polynomial, 0]
    return [(high - x * low) % p for high, low in zip(shifted, kept, strict=True)]


def _divided(above: _Polynomial, below: _Polynomial, p: int) -> tuple[_Polynomial, _Polynomial]:
    """Return quotient and remainder; `below` is not zero."""
    rest, lead = list(above), pow(below[-1], -1, p)
    quotient = [0] * max(len(above) - len(below) + 1, 0)
    for shift in range(len(quotient) - 1, -1, -1):
        factor = rest[shift + len(below) - 1] * lead % p
        quotient[shift] = factor
        if factor:
            for i, coefficient in enumerate(below):
                rest[shift + i] = (rest[shift + i] - factor * coefficient) % p
    return _trimmed(quotient), _trimmed(rest)


def _minus_product(base: _Polynomial, one: _Polynomial, other: _Polynomial, p: int) -> _Polynomial:
    """Return base - one · other."""
    result = base + [0] * (len(one) + len(other) - 1 - len(base))
    for i, factor in enumerate(one):
        for j, coefficient in enumerate(other):
            result[i + j] = (result[i + j] - factor * coefficient) % p
    return _trimmed(result)
