"""The coordinator's part: masked blocks added up in place, and their sum opened exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse

from .crt import any_above, bits, garner
from .layout import Layout
from .masked_round import MaskedRound
from .masking import products
from .noise import Noise
from .ntt import Words, reduce, transform_of
from .packing import packed_bytes, unpack
from .streams import public_residues

_PIECE = 8192  # coefficients that are decoded at a time

Total = NDArray[np.uint32]
"""Residues of the sum of one block, shape (primes, coefficients): 12 bytes for each of set A."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One block of a sum.

    Attributes:
        values: the exact signed sum, shape (length of the block,).
        noise: what was left of the mask; it says whether the values mean anything.
    """

    values: NDArray[np.int64] = field(repr=False)
    noise: Noise


def add(of: MaskedRound, block: int, total: Total | None, payload: bytes | memoryview) -> Total:
    """Add a masked block to the sum of its like.

    Args:
        of: the round.
        block: number of the block.
        total: what `add` returned before, changed in place; None at the first.
        payload: from anybody.

    Raises:
        Undecodable: not residues, or of a wrong length; the sum is unchanged.
        Misuse: a sum of another block.
    """
    primes, count = of.layout.parameters.primes, of.coefficients(block)
    if len(payload) != of.payload_bytes(block):
        raise Undecodable(f"block {block} has {of.payload_bytes(block)} bytes, not {len(payload)}")
    if total is not None and total.shape != (len(primes), count):
        raise Misuse(f"a sum of shape {total.shape} is not one of block {block}")
    size, view = packed_bytes(count), memoryview(payload)
    rows = [unpack(view[k * size : (k + 1) * size], count, prime) for k, prime in enumerate(primes)]
    if total is None:
        return np.stack(rows)
    for sums, row, prime in zip(total, rows, primes, strict=True):
        np.add(sums, row, out=sums)
        # Of x and x - p, which wraps, the smaller is the residue.
        np.subtract(sums, np.uint32(prime), out=row)
        np.minimum(sums, row, out=sums)
    return total


def open_block(of: MaskedRound, block: int, total: Total, secret: Words) -> Opened:
    """Take the mask off the sum of a block.

    Args:
        of: the round.
        block: number of the block.
        total: of the payloads of some trainers.
        secret: `evaluations` of the sum of the same trainers' secrets of the block's span.

    Returns:
        The sum. If total and secret are not of the same trainers, or one of them lied, it is
        garbage, and `noise.verdict` says so.

    Raises:
        Misuse: a sum of another block.

    Time O(coefficients · (log N + primes)) for each prime; memory O(block).
    """
    layout, count = of.layout, of.coefficients(block)
    if total.shape != (len(layout.parameters.primes), count):
        raise Misuse(f"a sum of shape {total.shape} is not one of block {block}")
    residues = np.empty(total.shape, dtype=np.uint64)
    for number in range(len(residues)):
        _unmask(of, (block, number), total[number], secret[number], residues[number])
    slots = np.empty((layout.slots, count), dtype=np.int64)
    noise = Noise()
    for start in range(0, count, _PIECE):
        piece = slice(start, start + _PIECE)
        noise += _decode(layout, residues[:, piece], slots[:, piece])
    return Opened(slots.reshape(-1)[: of.length(block)], noise)


def _unmask(
    of: MaskedRound, place: tuple[int, int], total: Total, secret: Words, out: Words
) -> None:
    # c + offset - a·s, with a multiple of p above a·s before it is reduced.
    block, number = place
    parameters = of.layout.parameters
    prime, degree = parameters.primes[number], parameters.degree
    public = public_residues(of.cid, prime, block, of.polynomials(block) * degree)
    offset = _offset(of.layout) % prime
    above = np.uint64(degree.bit_length() * prime * prime + offset)
    for start, lazy, room in products(transform_of(degree, prime), public, secret):
        piece = out[start : start + lazy.size]
        np.subtract(above, lazy.reshape(-1)[: piece.size], out=piece)
        np.add(piece, total[start : start + lazy.size], out=piece)
        reduce(piece, prime, room[: piece.size])


def _offset(layout: Layout) -> int:
    # Added to a coefficient it makes noise and every slot positive, so that no bit is borrowed.
    return sum(2 ** (start + width - 1) for start, width in _fields(layout))


def _fields(layout: Layout) -> Iterator[tuple[int, int]]:
    # Where noise and slots begin, and how wide they are.
    yield 0, layout.noise_bits
    for k in range(layout.slots):
        yield layout.noise_bits + k * layout.width, layout.width


def _decode(layout: Layout, residues: Words, slots: NDArray[np.int64]) -> Noise:
    limbs = garner(layout.parameters.primes).limbs(residues)
    signed = [
        bits(limbs, start, width).astype(np.int64) - np.int64(2 ** (width - 1))
        for start, width in _fields(layout)
    ]
    noise, slots[:] = signed[0], signed[1:]
    return Noise(
        count=noise.size,
        largest=int(np.abs(noise).max()),
        squares=int(np.dot(noise, noise)),
        strays=int(any_above(limbs, layout.noise_bits + layout.slots * layout.width).sum()),
    )
