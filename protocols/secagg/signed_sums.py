"""Sums of integers with random signs, from two bits for each: the loops of `norm_bound`."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .kernels import _compiled

Signs: TypeAlias = NDArray[np.int8]
"""Shape (tests, length): -1, 0 or 1 with probabilities 1/4, 1/2 and 1/4."""

MAX_VALUES = 2**30  # so many halves of 32 bits add up in a word

_LOW32, _S32 = np.int64(2**32 - 1), np.int64(32)


def unpacked(stream: NDArray[np.uint8], tests: int, length: int) -> Signs:
    """Return the signs of a stream: of each two bits, the first less the second.

    Row by row, the lowest bits of each byte first.
    """
    count = tests * length
    bits = np.unpackbits(stream, bitorder="little")
    drawn: Signs = bits[0 : 2 * count : 2].astype(np.int8)
    drawn -= bits[1 : 2 * count : 2].astype(np.int8)
    return drawn.reshape(tests, length)


def signed_sums(stream: NDArray[np.uint8], values: NDArray[np.int64], tests: int) -> list[int]:
    """Return, for each row of `unpacked`, the exact sum of the values with its signs.

    Args:
        stream: two bits for each test and value.
        values: shape (length,), contiguous, any int64; up to 2^30 of them.
        tests: how many rows.

    Time O(tests · length); the lock of the interpreter is released.
    """
    halves = np.zeros((tests, 2), dtype=np.int64)
    _signed(stream, values & _LOW32, values >> _S32, halves)
    return [(int(high) << 32) + int(low) for low, high in halves]


@_compiled
def _signed(
    stream: NDArray[np.uint8],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    halves: NDArray[np.int64],
) -> None:
    # Two bits of `stream` for each test and value, row by row.
    d = low.size
    for j in range(halves.shape[0]):
        below, above = np.int64(0), np.int64(0)
        first = j * d
        for i in range(d):
            place = first + i
            two = stream[place >> 2] >> ((place & 3) << 1)
            sign = np.int64(two & 1) - np.int64((two >> 1) & 1)
            below += sign * low[i]
            above += sign * high[i]
        halves[j, 0] = below
        halves[j, 1] = above
