"""What a holder tells of a vector's length: one word of the relations of `norm_bound`."""

from __future__ import annotations

import numpy as np

from protocols.errors import Misuse

from .coin import Coin, Values
from .dot_products import dot_products
from .field import Residues
from .kernels import squares61
from .norm_bound import NormBound, sums_of_tests


class Relations:
    """All relations of a norm bound under the coefficients of one coin, for every trainer.

    Folded into one polynomial of the squares, the tests and the bits, whose value is zero where
    all relations hold.
    """

    def __init__(self, bound: NormBound, coin: Coin) -> None:
        """Draw the coefficients.

        Args:
            bound: of the round.
            coin: the public one, tossed after all was fixed.

        Raises:
            Misuse: the coin is of another field.

        Time O(witness_length), on Python integers.
        """
        if coin.field is not bound.field:
            raise Misuse(f"a norm is checked in the field p61, not in {coin.field.name}")
        self.bound, self.coin = bound, coin
        relations = 2 + bound.tests
        rho = coin.rows("norm", 0, relations + bound.witness_length)
        self._of_relations = [[int(value) for value in row[:relations]] for row in rho]
        self._of_squared_bits = np.ascontiguousarray(rho[:, relations:])
        self._of_bits = np.array(
            [self._linear(row, bits) for row, bits in zip(self._of_relations, rho, strict=True)],
            dtype=bound.field.dtype,
        )

    def _linear(self, rho: list[int], drawn: Residues) -> list[int]:
        """Return what each bit is multiplied with, once the squares of the bits are apart."""
        bound, p = self.bound, self.bound.field.modulus
        norm = [(rho[1] - rho[0]) << k for k in range(bound.norm_bits)]
        rest = [rho[1] << k for k in range(bound.norm_bits)]
        places = range(bound.test_bits)
        tests = [-weight << k for weight in rho[2:] for k in places]
        own = drawn[len(rho) :].tolist()
        return [(a - b) % p for a, b in zip((*norm, *rest, *tests), own, strict=True)]

    def values(self, squares: int, sums: list[int], dealt: Residues) -> Values:
        """Return their value at one holder, for each repetition.

        Args:
            squares: of its share of the vector.
            sums: of the tests on it, in any representation modulo p.
            dealt: its share of the witness.

        Raises:
            Misuse: a witness of another length.
        """
        bound, field = self.bound, self.bound.field
        if dealt.shape != (bound.witness_length,):
            raise Misuse(f"a witness {dealt.shape} for {bound.witness_length} residues of p61")
        linear = dot_products(field, self._of_bits, dealt)
        squared = dot_products(field, self._of_squared_bits, squares61(dealt))
        offset = bound.offset
        shifted = [total + offset for total in sums]
        told = []
        for k, rho in enumerate(self._of_relations):
            tests = sum([weight * one for weight, one in zip(rho[2:], shifted, strict=True)])
            total = rho[0] * squares - rho[1] * bound.squared + tests + linear[k] + squared[k]
            told.append(total % field.modulus)
        return tuple(told)


class NormWord:
    """A holder's unmasked values for one trainer, its share of the vector chunk by chunk.

    On the true vector and its witness they would be zero; on shares of threshold t they are
    the values of a polynomial with 2t - 1 coefficients that is zero at zero. They depend on
    single shares: only with the mask of `vanishing` added may anybody see them.
    """

    def __init__(self, relations: Relations, seed: bytes) -> None:
        """Begin with the seed of the trainer's tests."""
        self._relations, self._seed = relations, seed
        self._squares, self._sums = 0, [0] * relations.bound.tests

    def add(self, chunk: int, share: Residues) -> None:
        """Take one chunk, residues of p61; each once, in any order. Time O(tests · length)."""
        bound, row = self._relations.bound, np.ascontiguousarray(share)
        self._squares += dot_products(bound.field, row[np.newaxis], row)[0]
        sums = sums_of_tests(bound, self._seed, chunk, row.view(np.int64))
        for j, value in enumerate(sums):
            self._sums[j] += value

    def values(self, dealt: Residues) -> Values:
        """Return the values; `dealt` is the holder's share of the witness. Raises `Misuse`."""
        return self._relations.values(self._squares, self._sums, dealt)
