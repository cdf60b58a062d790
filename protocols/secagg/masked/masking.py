"""The trainer's part: the secret of a span, and blocks hidden under it.

A block is c = a·s + e + 2^κ·Pack(x) modulo Q, for each polynomial and each prime of Q, with a
public a, the span's secret s and fresh noise e (docs/masked.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

from .gaussian import gaussian
from .masked_round import MaskedRound
from .ntt import TILE, Room, Transform, Words, reduce, transform_of
from .packing import pack
from .parameters import ParameterSet
from .streams import private_words, public_residues

PIECE_BITS = 24
"""A value is cut into pieces this wide, so that all of a coefficient times residues fit."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One trainer's secret of one span, never used for another contribution.

    Attributes:
        values: s, shape (N,), from -TAIL to TAIL: what the holders get shares of.
        evaluations: of s modulo each prime, shape (primes, N): what the mask is made with.
    """

    values: NDArray[np.int64] = field(repr=False)
    evaluations: Words = field(repr=False)


def secret_of(of: MaskedRound, seed: bytes, span: int) -> Secret:
    """Draw the secret of a span; equal arguments give an equal secret.

    Args:
        of: the round.
        seed: 32 secret bytes, drawn for this contribution and never used with other values:
            the difference of two vectors under one secret and one noise would be seen.
        span: number of the span.

    Raises:
        Misuse: there is no such span, or a seed of a wrong length.
    """
    if not 0 <= span < of.spans:
        raise Misuse(f"span {span} of {of.spans}")
    parameters = of.layout.parameters
    words = private_words(of.cid, seed, "secret", span, parameters.degree)
    values = gaussian(words).astype(np.int64)
    return Secret(values, evaluations(parameters, values))


def evaluations(parameters: ParameterSet, values: NDArray[np.int64]) -> Words:
    """Return the evaluations of a polynomial modulo each prime, shape (primes, N).

    Args:
        parameters: the ring.
        values: shape (N,), magnitudes below every prime.
    """
    rows = []
    for prime in parameters.primes:
        # The sign, spread over the word, selects p: no branch depends on a secret.
        residues = (values + ((values >> np.int64(63)) & np.int64(prime))).astype(np.uint64)
        rows.append(transform_of(parameters.degree, prime).forward(residues[np.newaxis])[0])
    return np.stack(rows)


def mask(
    of: MaskedRound, seed: bytes, block: int, values: NDArray[np.int64], secret: Secret
) -> bytes:
    """Hide one block of a vector.

    Args:
        of: the round.
        seed: as for `secret_of`, the same for all blocks of a contribution.
        block: number of the block.
        values: shape (length of the block,), magnitudes up to the layout's limit.
        secret: of the block's span.

    Returns:
        `of.payload_bytes(block)` bytes. Equal arguments give equal bytes.

    Raises:
        Misuse: values of a wrong length, type or size, or a seed of a wrong length.

    Time O(coefficients · log N) for each prime; memory O(block).
    """
    layout, degree = of.layout, of.layout.parameters.degree
    message = _message(of, seed, block, values)
    payload = []
    for number, prime in enumerate(layout.parameters.primes):
        public = public_residues(of.cid, prime, block, of.polynomials(block) * degree)
        transform = transform_of(degree, prime)
        hidden = np.empty(of.coefficients(block), dtype=np.uint32)
        for start, lazy, room in products(transform, public, secret.evaluations[number]):
            piece = hidden[start : start + lazy.size]
            total, quotients = lazy.reshape(-1)[: piece.size], room[: piece.size]
            message.add_to(total, prime, start, quotients)
            reduce(total, prime, quotients)
            piece[:] = total
        payload.append(pack(hidden))
    return b"".join(payload)


@dataclass(frozen=True, slots=True)
class _Message:
    """Noise and values of a block, before they are residues.

    Attributes:
        noise: shape (coefficients,).
        pieces: of values, each with the number of its lowest bit in the coefficient; shape
            (coefficients,), magnitudes up to 2^PIECE_BITS.
    """

    noise: NDArray[np.int8]
    pieces: tuple[tuple[int, NDArray[np.int64]], ...]

    def add_to(self, total: Words, prime: int, start: int, room: Words) -> None:
        """Add coefficients from number `start` on to words that have 2^60 to spare, in place."""
        signed, stop = total.view(np.int64), start + total.size  # wraps, as the words do
        for bit, piece in self.pieces:
            factor = np.int64(pow(2, bit, prime))
            np.multiply(piece[start:stop], factor, out=room.view(np.int64))
            np.add(total, room, out=total)
        np.add(signed, self.noise[start:stop], out=signed)
        # A multiple of p above any negative sum.
        np.add(total, np.uint64(2**29 * prime), out=total)


def _message(of: MaskedRound, seed: bytes, block: int, values: NDArray[np.int64]) -> _Message:
    length, layout = of.length(block), of.layout
    if values.shape != (length,) or values.dtype != np.int64:
        raise Misuse(f"block {block} has {length} int64 values, not {values.dtype}{values.shape}")
    if values.size and (values.max() > layout.limit or values.min() < -layout.limit):
        raise Misuse(f"a value does not fit {layout}")
    count = of.coefficients(block)
    slots = np.zeros((layout.slots, count), dtype=np.int64)
    slots.reshape(-1)[:length] = values
    noise = gaussian(private_words(of.cid, seed, "noise", block, count))
    lowest = [layout.noise_bits + k * layout.width for k in range(layout.slots)]
    pieces = tuple(
        piece
        for bit, slot in zip(lowest, slots, strict=True)
        for piece in _pieces(bit, slot, layout.limit)
    )
    return _Message(noise, pieces)


def _pieces(
    bit: int, slot: NDArray[np.int64], limit: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    # How many there are depends on the limit, never on a value; the highest has the sign.
    while limit >= 2**PIECE_BITS:
        yield bit, slot & np.int64(2**PIECE_BITS - 1)
        bit, slot, limit = bit + PIECE_BITS, slot >> np.int64(PIECE_BITS), limit >> PIECE_BITS
    yield bit, slot


def products(
    transform: Transform, public: NDArray[np.uint32], factor: Words
) -> Iterator[tuple[int, Words, Words]]:
    """Multiply public polynomials with one other, some at a time, not reduced.

    Args:
        transform: of one prime.
        public: evaluations, shape (P·N,).
        factor: evaluations of the other one, shape (N,).

    Yields:
        The number of the first coefficient; coefficients, shape (polynomials, N), below
        (log2(N) + 1)·p², congruent to the product; and room for as many, flat. Both are used
        again for the next ones.
    """
    degree = transform.degree
    step = max(TILE, degree)
    room, values = Room(step), np.empty(step, dtype=np.uint64)
    for start in range(0, public.size, step):
        piece = public[start : start + step]
        points = values[: piece.size].reshape(-1, degree)
        np.multiply(piece.reshape(-1, degree), factor, out=points)
        reduce(points, transform.prime, room.whole[: piece.size].reshape(points.shape))
        lazy = transform.lazy_inverse(points, room)
        np.multiply(lazy, transform.untwist, out=lazy)
        yield start, lazy, room.whole[: piece.size]
