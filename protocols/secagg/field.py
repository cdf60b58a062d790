"""The two prime fields that shares live in, as numpy arrays of reduced words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse

Residues: TypeAlias = NDArray[np.unsignedinteger]
"""Words of a field's `dtype`, every one below its modulus."""


@dataclass(frozen=True, slots=True)
class PrimeField:
    """The integers modulo a Mersenne prime, and how they stand for signed numbers.

    Attributes:
        name: what a round config calls the field.
        modulus: p = 2^k - 1; reduction is a shift and an addition.
        dtype: a little-endian unsigned word that holds a residue; the wire form.
    """

    name: str
    modulus: int
    dtype: np.dtype[np.unsignedinteger]

    @property
    def half(self) -> int:
        """The largest magnitude that survives `encode` and `decode`: (p - 1) / 2."""
        return (self.modulus - 1) // 2

    @property
    def word_bytes(self) -> int:
        """Bytes that one residue takes."""
        return self.dtype.itemsize

    def encode(self, values: NDArray[np.int64]) -> Residues:
        """Return the residues of signed integers; a negative v becomes p + v.

        Args:
            values: shape (d,), magnitudes up to `half`.

        Returns:
            Shape (d,), residues.

        Raises:
            Misuse: a value is outside of the range, so its residue would mean another one.

        Time O(d).
        """
        if values.dtype != np.int64:
            raise Misuse(f"{values.dtype} values are not int64")
        if values.size and (values.max() > self.half or values.min() < -self.half):
            raise Misuse(f"a value does not fit the field {self.name}")
        # The sign, spread over the word, selects p: no branch depends on a private value.
        wrapped = values + ((values >> np.int64(63)) & np.int64(self.modulus))
        return wrapped.astype(self.dtype)

    def decode(self, residues: Residues) -> NDArray[np.int64]:
        """Return the signed integer of smallest magnitude of each residue.

        Args:
            residues: shape (d,), every word below the modulus.

        Returns:
            Shape (d,), magnitudes up to `half`.

        Time O(d).
        """
        values = residues.astype(np.int64)
        values -= np.int64(self.modulus) * (values > self.half)
        return values

    def to_bytes(self, residues: Residues) -> bytes:
        """Return the wire form, `word_bytes` little-endian bytes for each residue."""
        if residues.dtype != self.dtype:
            raise Misuse(f"{residues.dtype} words are not of the field {self.name}")
        return residues.tobytes()

    def from_bytes(self, data: bytes, *, count: int | None = None) -> Residues:
        """Read residues that anybody may have sent.

        Args:
            data: the wire form.
            count: how many residues there must be; None for any number.

        Returns:
            Shape (count,), read-only, no copy.

        Raises:
            Undecodable: a wrong number of bytes, or a word that is not below the modulus.
        """
        extra = len(data) % self.word_bytes
        if extra or (count is not None and len(data) != count * self.word_bytes):
            expected = "whole words" if count is None else f"{count} words"
            raise Undecodable(
                f"{len(data)} bytes are not {expected} of {self.word_bytes} bytes each"
            )
        residues: Residues = np.frombuffer(data, dtype=self.dtype)
        if residues.size and residues.max() >= self.modulus:
            raise Undecodable(f"a word is not below the modulus of the field {self.name}")
        return residues

    def inverse(self, value: int) -> int:
        """Return the multiplicative inverse; `Misuse` for multiples of the modulus."""
        if value % self.modulus == 0:
            raise Misuse("zero has no inverse")
        return pow(value, -1, self.modulus)

    def lagrange_at_zero(self, points: Sequence[int]) -> tuple[int, ...]:
        """Return the weights w with f(0) = Σ w_i · f(x_i) for every f of degree < len(points).

        Shamir, "How to share a secret" (CACM 1979), section 2: interpolation at zero.

        Args:
            points: x_i, different from each other and from zero modulo p.

        Raises:
            Misuse: two points are equal, or one is zero.

        Time O(t²) on Python integers.
        """
        if 0 in [point % self.modulus for point in points]:
            raise Misuse("the points must be different from each other and from zero")
        return self.lagrange_at(0, points)

    def lagrange_at(self, where: int, points: Sequence[int]) -> tuple[int, ...]:
        """Return the weights w with f(where) = Σ w_i · f(x_i) for deg f < len(points).

        Args:
            where: any number; at one of the points the weights only pick its value.
            points: x_i, different from each other modulo p.

        Raises:
            Misuse: two points are equal.

        Time O(t²) on Python integers.
        """
        p = self.modulus
        reduced = [point % p for point in points]
        if len(set(reduced)) != len(reduced):
            raise Misuse("the points must be different from each other")
        weights = []
        for i, own in enumerate(reduced):
            above, below = 1, 1
            for other in reduced[:i] + reduced[i + 1 :]:
                above = above * (other - where) % p
                below = below * (other - own) % p
            weights.append(above * self.inverse(below) % p)
        return tuple(weights)


P31 = PrimeField("p31", 2**31 - 1, np.dtype("<u4"))
P61 = PrimeField("p61", 2**61 - 1, np.dtype("<u8"))
FIELDS: Mapping[str, PrimeField] = MappingProxyType({field.name: field for field in (P31, P61)})
