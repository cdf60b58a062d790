"""Vectors dealt to share-holders, honestly or not, for the tests of what shows the lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocols.secagg.coin import Coin
from protocols.secagg.degree_check import masked
from protocols.secagg.field import PrimeField, Residues
from protocols.secagg.shamir import split


def uniform(field: PrimeField, draw: np.random.Generator, *shape: int) -> Residues:
    return draw.integers(0, field.modulus, size=shape, dtype=field.dtype)


def plus(field: PrimeField, residue: int, error: int) -> int:
    return (int(residue) + error) % field.modulus


def unseen(field: PrimeField, rows: Residues) -> list[int]:
    """Return an error in r + 1 coordinates that r known rows of coefficients don't show."""
    p, r = field.modulus, rows.shape[0]
    table = [[int(value) for value in row[: r + 1]] for row in rows]
    for i in range(r):  # to the identity, beside one column
        scale = pow(table[i][i], -1, p)
        table[i] = [value * scale % p for value in table[i]]
        for k in range(r):
            if k != i:
                factor = table[k][i]
                pairs = zip(table[k], table[i], strict=True)
                table[k] = [(value - factor * pivot) % p for value, pivot in pairs]
    return [*(-row[r] % p for row in table), 1]


@dataclass
class Dealing:
    """What one trainer dealt: for each holder a share of the vector and of the masks."""

    shares: Residues  # (n, d)
    masks: Residues  # (n, r)

    def spoil(self, field: PrimeField, place: int, coordinate: int, error: int = 1) -> None:
        share = self.shares[place]
        share[coordinate] = plus(field, share[coordinate], error)

    def values(self, coin: Coin) -> dict[int, tuple[int, ...]]:
        """What honest holders compute from it."""
        rows = coin.combine(0, list(self.shares))
        return {place: masked(coin, row, self.masks[place]) for place, row in enumerate(rows)}


def dealing(
    field: PrimeField, draw: np.random.Generator, *, t: int, n: int, size: int, repetitions: int
) -> Dealing:
    def rows(length: int) -> Residues:
        return split(field, uniform(field, draw, length), uniform(field, draw, t - 1, length), n)

    return Dealing(rows(size), rows(repetitions))
