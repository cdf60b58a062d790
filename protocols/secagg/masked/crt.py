"""From residues to the bits of the integer that they stand for: Garner, once per round.

Knuth, "The Art of Computer Programming" 2, section 4.3.2: mixed radix digits. The integer is
kept as limbs of 30 bits, so no product leaves 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from .ntt import Words, reduce

LIMB_BITS = 30
_LOW = np.uint64(2**LIMB_BITS - 1)


@dataclass(frozen=True, slots=True)
class Garner:
    """The constants of one list of primes.

    Attributes:
        primes: different from each other, below 2^30, at most eight.
        bases: limbs of p_0 ··· p_(k-1) for each k.
        inverses: of p_0 ··· p_(k-1) modulo p_k.
    """

    primes: tuple[int, ...]
    bases: tuple[tuple[int, ...], ...]
    inverses: tuple[int, ...]

    def digits(self, residues: Words) -> Words:
        """Return the mixed radix digits: x = Σ digit_k · p_0 ··· p_(k-1).

        Args:
            residues: shape (primes, m).

        Returns:
            Shape (primes, m), digit k below p_k.
        """
        digits, room = np.empty_like(residues), np.empty_like(residues[0])
        for k, prime in enumerate(self.primes):
            known = np.zeros(residues.shape[1], dtype=np.uint64)
            for j in range(k - 1, -1, -1):
                # Horner: below 2^60 + 2^30 before it is reduced.
                known *= np.uint64(self.primes[j] % prime)
                known += digits[j]
                reduce(known, prime, room)
            digits[k] = (residues[k] + (np.uint64(prime) - known)) * np.uint64(self.inverses[k])
            reduce(digits[k], prime, room)
        return digits

    def limbs(self, residues: Words) -> Words:
        """Return the integers modulo the product of the primes.

        Args:
            residues: shape (primes, m).

        Returns:
            Shape (primes, m): limb l counts 2^(30·l), the lowest first.
        """
        digits = self.digits(residues)
        limbs = np.zeros_like(digits)
        for digit, base in zip(digits, self.bases, strict=True):
            for number, factor in enumerate(base):
                limbs[number] += digit * np.uint64(factor)  # eight products below 2^60
        for number in range(len(limbs) - 1):
            limbs[number + 1] += limbs[number] >> np.uint64(LIMB_BITS)
            limbs[number] &= _LOW
        return limbs


def bits(limbs: Words, start: int, width: int) -> Words:
    """Return bits [start, start + width) of integers, width up to 63; above the limbs are zeros."""
    found = np.zeros(limbs.shape[1], dtype=np.uint64)
    for number, limb in enumerate(limbs):
        shift = number * LIMB_BITS - start
        if 0 <= shift < 64:
            found |= limb << np.uint64(shift)
        elif -LIMB_BITS < shift < 0:
            found |= limb >> np.uint64(-shift)
    found &= np.uint64(2**width - 1)
    return found


def any_above(limbs: Words, bit: int) -> NDArray[np.bool_]:
    """Return which integers are 2^bit or more."""
    found = np.zeros(limbs.shape[1], dtype=np.bool_)
    for number, limb in enumerate(limbs):
        lowest = min(max(bit - number * LIMB_BITS, 0), 63)
        found |= (limb >> np.uint64(lowest)) != 0
    return found


@cache
def garner(primes: tuple[int, ...]) -> Garner:
    """Return the constants; they are made once for each list of primes."""
    bases, inverses = [], []
    for k, prime in enumerate(primes):
        base = prod(primes[:k])
        low = 2**LIMB_BITS - 1
        bases.append(tuple(base >> (LIMB_BITS * number) & low for number in range(len(primes))))
        inverses.append(pow(base, -1, prime))
    return Garner(primes, tuple(bases), tuple(inverses))
