"""The random coefficients of a check, and the combinations of long vectors under them.

A coin is tossed after everything that it judges is fixed. Its coefficients come from the
pinned generator chunk by chunk, so that they are never held as a whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from protocols.errors import Misuse

from .dot_products import dot_products
from .field import P31, P61, PrimeField, Residues
from .prg import SEED_BYTES, residues, stream_info

Values: TypeAlias = tuple[int, ...]
"""One residue for each repetition."""

REPETITIONS: Mapping[str, int] = MappingProxyType({P31.name: 4, P61.name: 2})
"""By the name of the field: a check that errs with 2 / p once errs below 2^-119 in all."""

# So many coefficients of each repetition are made at a time, and stay in the second-level
# cache while the vectors pass by. Part of the wire format, as it is of the public coin.
PIECE = 2**15
_PIECES = 2**32  # pieces of a chunk have the numbers from chunk · 2^32


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """Uniform coefficients, the same for all who know the seed.

    Attributes:
        field: of the coefficients.
        seed: 32 bytes. Until all that is judged is fixed nobody who could still change it
            may know them: with the coefficients at hand an error of two coordinates is
            easily made that no combination shows.
        context: says what is judged; another context gives other coefficients.
    """

    field: PrimeField
    seed: bytes = dataclasses.field(repr=False)
    context: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise Misuse(f"a seed has {SEED_BYTES} bytes, not {len(self.seed)}")

    @property
    def repetitions(self) -> int:
        """How many independent combinations there are."""
        return REPETITIONS[self.field.name]

    def rows(self, purpose: str, index: int, length: int) -> Residues:
        """Return fresh coefficients of shape (repetitions, length) for one use."""
        info = stream_info(suite="check", cid=self.context, purpose=purpose, index=index)
        drawn = residues(self.field, self.seed, info, self.repetitions * length)
        return drawn.reshape(self.repetitions, length)

    def combine(self, chunk: int, vectors: Sequence[Residues]) -> tuple[Values, ...]:
        """Return <rho, y> modulo p of the same chunk of several vectors.

        The sum over all chunks is the combination of the whole vector. The chunks must be
        cut alike for everybody. The lock of the interpreter is released in the loops.

        Args:
            chunk: number of the chunk, from 0.
            vectors: at least one, all of shape (length,), residues.

        Returns:
            The values of each vector, in the given order.

        Raises:
            Misuse: no vectors, or of different lengths or word types.

        Time O(repetitions · length) for the coefficients, which are made once for all
        vectors, and as much for each vector; memory O(repetitions · `PIECE`).
        """
        lengths = {vector.size for vector in vectors}
        if len(lengths) != 1:
            raise Misuse(f"vectors of {sorted(lengths)} values have no common chunk")
        (length,) = lengths
        totals = [(0,) * self.repetitions for _ in vectors]
        for number, start in enumerate(range(0, length, PIECE)):
            stop = min(start + PIECE, length)
            rho = self.rows("rho", chunk * _PIECES + number, stop - start)
            totals = [
                self.plus(total, dot_products(self.field, rho, vector[start:stop]))
                for total, vector in zip(totals, vectors, strict=True)
            ]
        return tuple(totals)

    def plus(self, one: Values, other: Values) -> Values:
        """Return the sums modulo p."""
        return tuple((a + b) % self.field.modulus for a, b in zip(one, other, strict=True))


def digest_of(domain: bytes, parts: Mapping[int, bytes], context: bytes) -> bytes:
    """Return the SHA-256 that binds what each place said, and about what.

    Every part goes behind its length in eight big-endian bytes, places in ascending order.
    """
    digest = hashlib.sha256()
    for part in (domain, context):
        digest.update(len(part).to_bytes(8, "big") + part)
    for place in sorted(parts):
        digest.update(place.to_bytes(8, "big") + len(parts[place]).to_bytes(8, "big"))
        digest.update(parts[place])
    return digest.digest()
