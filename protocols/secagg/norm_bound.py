"""That a shared vector is short, checked on its shares: the arithmetic of docs/norm-bound.md.

The statement is that of PINE (Rothblum, Omri, Chen, Talwar, "PINE: Efficient norm-bound
verification for secret-shared vectors", 2023); shares of an honest majority are squared in
place of a proof. The written argument awaits review, and nothing uses this yet.
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

from .coin import PIECE, Coin, Values, digest_of
from .dot_products import dot_products
from .field import P61, PrimeField, Residues

TESTS = 100
MAX_TESTS = 1000
_ALPHA_SQUARED = 76  # a test of an honest vector fails with probability 2 · exp(-76)
_K_SQUARED = 81  # p / a²: a vector that wraps passes a test with probability 1/2 at most

Signs: TypeAlias = NDArray[np.int8]
"""Shape (tests, length): -1, 0 or 1 with probabilities 1/4, 1/2 and 1/4."""


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

    The vector is cut into pieces of `coin.PIECE` coordinates. Two bits of a SHAKE-256 stream
    make each coefficient: the difference of the bits.

    Time and memory O(tests · length).
    """
    count = bound.tests * length
    domain = b"quorate norm signs" + piece.to_bytes(8, "big")
    stream = hashlib.shake_256(domain + seed).digest(-(-count // 4))
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8), bitorder="little")
    drawn: Signs = bits[0 : 2 * count : 2].astype(np.int8)
    drawn -= bits[1 : 2 * count : 2].astype(np.int8)
    return drawn.reshape(bound.tests, length)


def witness(bound: NormBound, vector: NDArray[np.int64], seed: bytes) -> Residues | None:
    """Return what a trainer deals beside its vector, bits from the lowest.

    The order: those of ||x||², of β - ||x||², and of each test plus `offset`.

    Args:
        bound: that the vector keeps.
        vector: shape (d,).
        seed: of the tests, `signs_seed`.

    Returns:
        Shape (witness_length,), zeros and ones; None if a test fails, with probability below
        2^-101 for 100 tests: then another salt is tried.

    Raises:
        Unfit: "too large", if the vector is longer than the bound.

    Time O(tests · d).
    """
    squared = sum(value * value for value in vector.tolist())
    if squared > bound.squared:
        raise Unfit("too large", "the vector is longer than the round's bound; clip its norm")
    totals = np.zeros(bound.tests, dtype=np.int64)
    for piece, start in enumerate(range(0, vector.size, PIECE)):
        part = vector[start : start + PIECE]
        # No overflow: |x_j| is below 2^24 for every bound, and d below 2^32.
        totals += signs(bound, seed, piece, part.size) @ part
    shifted = [int(total) + bound.offset for total in totals]
    if any(not 0 <= value < 2 * bound.offset for value in shifted):
        return None
    bits = [*_bits(squared, bound.norm_bits), *_bits(bound.squared - squared, bound.norm_bits)]
    for value in shifted:
        bits += _bits(value, bound.test_bits)
    return np.array(bits, dtype=bound.field.dtype)


def check_values(
    bound: NormBound, coin: Coin, seed: bytes, shares: tuple[Residues, Residues]
) -> Values:
    """Return a holder's unmasked values for one trainer.

    On the true vector and its witness they would be zero; on shares of threshold t they are
    the values of a polynomial with 2t - 1 coefficients that is zero at zero. They depend on
    single shares: only with the mask of `vanishing` added may anybody see them.

    Args:
        bound: of the round.
        coin: the public one, tossed after all was fixed.
        seed: of the trainer's tests.
        shares: of the vector, shape (d,), and of the witness, residues of p61.

    Raises:
        Misuse: a witness of another length, or words of another field.

    Time O(tests · d), memory O(tests · PIECE).
    """
    vector, dealt = shares
    if dealt.shape != (bound.witness_length,) or coin.field is not bound.field:
        raise Misuse(f"a witness {dealt.shape} for {bound.witness_length} residues of p61")
    rho = coin.rows("norm", 0, 2 + bound.tests + bound.witness_length).astype(object)
    p, relations = coin.field.modulus, rho[:, : 2 + bound.tests]
    squares, tests = 0, [0] * coin.repetitions
    for piece, start in enumerate(range(0, vector.size, PIECE)):
        part = np.ascontiguousarray(vector[start : start + PIECE])
        squares += dot_products(coin.field, part[np.newaxis], part)[0]
        folded = _folded(coin.field, relations[:, 2:], signs(bound, seed, piece, part.size))
        for k, value in enumerate(dot_products(coin.field, folded, part)):
            tests[k] += value
    bits = dealt.astype(object)
    gaps = np.array(_gaps(bound, squares, bits), dtype=object)
    boolean = rho[:, 2 + bound.tests :] @ (bits * (bits - 1))
    return tuple(
        int((tests[k] + relations[k] @ gaps + boolean[k]) % p) for k in range(coin.repetitions)
    )


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


def _gaps(bound: NormBound, squares: int, bits: NDArray[np.object_]) -> list[int]:
    """Return what is zero if the bits are right, each test's signed sum not yet added."""
    ends = [bound.norm_bits, 2 * bound.norm_bits]
    ends += [ends[1] + bound.test_bits * (j + 1) for j in range(bound.tests - 1)]
    norm, rest, *tests = (
        sum(int(bit) << k for k, bit in enumerate(number)) for number in np.split(bits, ends)
    )
    return [squares - norm, norm + rest - bound.squared, *(bound.offset - test for test in tests)]


def _folded(field: PrimeField, weights: NDArray[np.object_], drawn: Signs) -> Residues:
    """Return Σ weights[k, j] · drawn[j] modulo p61, shape (repetitions, length).

    In halves of 32 and 29 bits, so that sums over `MAX_TESTS` are exact in float64.
    """
    reals = drawn.astype(np.float64)
    low = ((weights & (2**32 - 1)).astype(np.float64) @ reals).astype(np.int64)
    high = ((weights >> 32).astype(np.float64) @ reals).astype(np.int64) % field.modulus
    # 2^32 · m = (m >> 29) + ((m mod 2^29) << 32) modulo p, as 2^61 = 1 there.
    shifted = (high >> 29) + ((high & (2**29 - 1)) << 32)
    folded: Residues = ((shifted + low) % field.modulus).astype(field.dtype)
    return folded
