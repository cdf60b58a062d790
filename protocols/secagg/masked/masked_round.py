"""One masked sum: where values lie, in blocks that travel alone and spans with one secret each."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.errors import Misuse
from protocols.secagg.prg import SEED_BYTES

from .layout import Layout

LEAST_COEFFICIENTS = 128
"""Of a block: garbage passes the noise check with probability 2^-LEAST_COEFFICIENTS or less."""

_WORDS_IN, _WORDS_OUT = 16, 15  # residues of 30 bits, words of 32 bits


@dataclass(frozen=True, slots=True)
class MaskedRound:
    """Which round it is, and how a vector is cut.

    Block b has values [b·F, (b+1)·F), F = slots · `block_coefficients`, the last one fewer.
    Slot k of its c coefficients holds its values [k·c, (k+1)·c); zeros fill up the rest.

    Attributes:
        cid: the round's id, 32 bytes; it fixes the public polynomials.
        layout: of a coefficient.
        dimension: d, values in the vector.
        block_bytes: a full block has no more, but at least 128 coefficients; 0 where the
            parameter set alone says how long it is.
    """

    cid: bytes
    layout: Layout
    dimension: int
    block_bytes: int = 0

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ValueError("a vector has at least one value")
        if len(self.cid) != SEED_BYTES:
            raise ValueError(f"a round's id has {SEED_BYTES} bytes, not {len(self.cid)}")

    @property
    def block_coefficients(self) -> int:
        """Coefficients of a full block: whole polynomials, or a piece of one if none fits."""
        parameters = self.layout.parameters
        if not self.block_bytes:
            return parameters.block_coefficients
        row_bytes = len(parameters.primes) * _WORDS_OUT * 4
        fitting = self.block_bytes // row_bytes * _WORDS_IN
        if fitting >= parameters.degree:
            whole = fitting - fitting % parameters.degree
            return min(whole, parameters.block_coefficients)
        return max(fitting, min(LEAST_COEFFICIENTS, parameters.block_coefficients))

    @property
    def block_values(self) -> int:
        """Values in a full block."""
        return self.layout.slots * self.block_coefficients

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.dimension // self.block_values)

    @property
    def span_blocks(self) -> int:
        """Blocks under one secret."""
        return max(1, self.layout.parameters.span_values // self.block_values)

    @property
    def spans(self) -> int:
        """How many secrets a contribution has."""
        return -(-self.blocks // self.span_blocks)

    def span_of(self, block: int) -> int:
        """Return the number of the secret that masks a block."""
        self._check(block)
        return block // self.span_blocks

    def start(self, block: int) -> int:
        """Return the number of a block's first value."""
        self._check(block)
        return block * self.block_values

    def length(self, block: int) -> int:
        """Return how many values a block has."""
        return min(self.block_values, self.dimension - self.start(block))

    def coefficients(self, block: int) -> int:
        """Return how many coefficients a block has: no more than its values need, or 128."""
        least = min(LEAST_COEFFICIENTS, self.block_coefficients)
        return max(-(-self.length(block) // self.layout.slots), least)

    def polynomials(self, block: int) -> int:
        """Return how many polynomials its coefficients are from; the last may be cut off."""
        return -(-self.coefficients(block) // self.layout.parameters.degree)

    def payload_bytes(self, block: int) -> int:
        """Return the bytes of a masked block."""
        rows = -(-self.coefficients(block) // _WORDS_IN)
        return len(self.layout.parameters.primes) * rows * _WORDS_OUT * 4

    def upload_bytes(self) -> int:
        """Return the bytes of all masked blocks together."""
        last = self.blocks - 1
        return last * self.payload_bytes(0) + self.payload_bytes(last)

    def _check(self, block: int) -> None:
        if not 0 <= block < self.blocks:
            raise Misuse(f"block {block} of {self.blocks}")
