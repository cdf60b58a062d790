"""That a shared vector is short, checked on its shares: the arithmetic of docs/norm-bound.md.

The statement is that of PINE (Rothblum, Omri, Chen, Talwar, "PINE: Efficient norm-bound
verification for secret-shared vectors", 2023); shares of an honest majority are squared in
place of a proof. The written argument awaits review; rounds use it where a job says so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse, Unfit

from .coin import PIECE, digest_of
from .field import P61, PrimeField, Residues
from .signed_sums import Signs, signed_sums, unpacked

TESTS = 100
MAX_TESTS = 1000
_ALPHA_SQUARED = 76  # a test of an honest vector fails with probability 2 · exp(-76)
_K_SQUARED = 81  # p / a²: a vector that wraps passes a test with probability 1/2 at most
_PIECES = 2**32  # pieces of a chunk have the numbers from chunk · 2^32

Sums: TypeAlias = tuple[int, ...]
"""For each test <s, x>: integers of a vector, or such that count modulo p, of shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NormBound:
    """The statement: the sum of the squares is at most `squared`.

    Attributes:
        squared: β, of the integers that travel; from 1 to 2^54 / 76.
        tests: how many wraparound tests; each one halves the chance of a long vector.
    """

    squared: int
    tests: int = TESTS

    def __post_init__(self) -> None:
        if self.squared < 1 or not 1 <= self.tests <= MAX_TESTS:
            raise Misuse(f"a bound of {self.squared} with {self.tests} tests")
        if _K_SQUARED * self.offset**2 > self.field.modulus:
            raise Misuse(f"the bound {self.squared} is too large for the field p61")

    @property
    def field(self) -> PrimeField:
        """The field in which it is checked: p31 is too small for squares."""
        return P61

    @property
    def norm_bits(self) -> int:
        """Bits of β, of the squared norm, and of what is left up to β."""
        return self.squared.bit_length()

    @property
    def offset(self) -> int:
        """a, a power of two: an honest test lies in [-a, a)."""
        return 1 << math.isqrt(_ALPHA_SQUARED * self.squared - 1).bit_length()

    @property
    def test_bits(self) -> int:
        """Bits of a test plus a, from 0 to 2a - 1."""
        return self.offset.bit_length()

    @property
    def witness_length(self) -> int:
        """How many residues a trainer deals beside its vector, the masks not counted."""
        return 2 * self.norm_bits + self.tests * self.test_bits


def signs_seed(context: bytes, trainer: str, salt: bytes, digests: Sequence[bytes]) -> bytes:
    """Return the seed of a trainer's tests.

    Args:
        context: the round's id.
        trainer: its name.
        salt: 32 bytes; another one after a test that failed.
        digests: of each holder's share of the vector, in the order of places: the vector is
            fixed before its tests. They must be salted, as a share may be guessed.
    """
    parts = dict(enumerate((trainer.encode(), salt, *digests)))
    return digest_of(b"quorate norm tests", parts, context)


def signs(bound: NormBound, seed: bytes, piece: int, length: int) -> Signs:
    """Return the coefficients of all tests for piece number `piece` of a vector.

    Two bits of a SHAKE-256 stream make each coefficient: the difference of the bits.

    Time and memory O(tests · length).
    """
    return unpacked(_stream(bound, seed, piece, length), bound.tests, length)


def _stream(bound: NormBound, seed: bytes, piece: int, length: int) -> NDArray[np.uint8]:
    domain = b"quorate norm signs" + piece.to_bytes(8, "big")
    count = -(-bound.tests * length // 4)
    return np.frombuffer(hashlib.shake_256(domain + seed).digest(count), dtype=np.uint8)


def sums_of_tests(bound: NormBound, seed: bytes, chunk: int, values: NDArray[np.int64]) -> Sums:
    """Return what one chunk of a vector adds to each of its tests.

    The chunks must be cut alike for everybody; each is cut into pieces of `coin.PIECE`.

    Args:
        bound: of the round.
        seed: of the trainer's tests.
        chunk: number of the chunk, from 0.
        values: shape (length,), integers of any size, or residues of p61 taken as integers.

    Time O(tests · length), memory O(tests · PIECE / 4); the interpreter's lock is released.
    """
    totals = [0] * bound.tests
    for number, start in enumerate(range(0, values.size, PIECE)):
        part = np.ascontiguousarray(values[start : start + PIECE])
        stream = _stream(bound, seed, chunk * _PIECES + number, part.size)
        for j, value in enumerate(signed_sums(stream, part, bound.tests)):
            totals[j] += value
    return tuple(totals)


def squares_of(bound: NormBound, values: NDArray[np.int64]) -> int:
    """Return the sum of the squares of integers, exactly; beyond the bound any larger number.

    Time O(d).
    """
    largest = max(int(values.max()), -int(values.min())) if values.size else 0
    if largest**2 > bound.squared:
        return largest**2
    # A square is below 2^48, and a piece of 2^15 of them below 2^63.
    parts = (values[start : start + PIECE] for start in range(0, values.size, PIECE))
    return sum(int(part @ part) for part in parts)


def require_short(bound: NormBound, squared: int, unit: float) -> None:
    """Refuse a vector that is longer than the bound.

    Args:
        bound: of the round.
        squared: `squares_of` its integers.
        unit: what the integer 1 stands for.

    Raises:
        Unfit: "longer than the bound"; the text has both norms, for the owner's own eyes.
    """
    if squared > bound.squared:
        raise Unfit(
            "longer than the bound",
            f"the norm of the vector is {math.sqrt(squared) * unit:.6g} or more, and this job sums "
            f"vectors up to {math.sqrt(bound.squared) * unit:.6g} (secure_sum.norm_bound); clip "
            "the norm of what you contribute, weight and metrics included, to a little less",
        )


def witness(bound: NormBound, squared: int, sums: Sums) -> Residues | None:
    """Return what a trainer deals beside its vector, bits from the lowest.

    The order: those of ||x||², of β - ||x||², and of each test plus `offset`.

    Args:
        bound: that the vector keeps.
        squared: ||x||².
        sums: of its tests, `sums_of_tests` over all chunks.

    Returns:
        Shape (witness_length,), zeros and ones; None if a test fails, with probability below
        2^-101 for 100 tests: then another salt is tried.

    Raises:
        Misuse: the vector is longer than the bound.
    """
    if squared > bound.squared:
        raise Misuse("a vector that is too long has no witness")
    offset, test_bits = bound.offset, bound.test_bits
    shifted = [value + offset for value in sums]
    if any(not 0 <= value < 2 * offset for value in shifted):
        return None
    bits = [*_bits(squared, bound.norm_bits), *_bits(bound.squared - squared, bound.norm_bits)]
    for value in shifted:
        bits += _bits(value, test_bits)
    return np.array(bits, dtype=bound.field.dtype)


def vanishing(field: PrimeField, coefficients: Residues, holders: int) -> Residues:
    """Share zero at the doubled degree: a trainer's mask for one repetition.

    Args:
        field: of the shares.
        coefficients: shape (2t - 2,), uniform, used once.
        holders: n.

    Returns:
        Shape (n,): the values at 1 to n of a polynomial with 2t - 1 coefficients, zero at zero.
    """
    p, plain = field.modulus, coefficients.tolist()
    values = [
        sum(c * pow(point, k + 1, p) for k, c in enumerate(plain)) % p
        for point in range(1, holders + 1)
    ]
    return np.array(values, dtype=field.dtype)


def _bits(value: int, count: int) -> list[int]:
    return [value >> k & 1 for k in range(count)]
