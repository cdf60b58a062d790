"""The best that a lying trainer can deal beside a vector that is too long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.secagg.field import P61, Residues
from protocols.secagg.norm_bound import NormBound, sums_of_tests

P = P61.modulus


def best_bits(
    bound: NormBound, chunks: Sequence[NDArray[np.int64]], seed: bytes
) -> tuple[Residues, int]:
    """Return true bits of what fits modulo p, and how many tests can't be met.

    Args:
        bound: of the round.
        chunks: of the vector, integers of any size.
        seed: of the tests.
    """
    squared = sum(int(value) ** 2 for chunk in chunks for value in chunk) % P
    bits = [squared >> k & 1 for k in range(bound.norm_bits)]
    bits += [(bound.squared - squared) >> k & 1 for k in range(bound.norm_bits)]
    sums = [sums_of_tests(bound, seed, number, chunk) for number, chunk in enumerate(chunks)]
    missed = 0
    for total in map(sum, zip(*sums, strict=True)):
        value = (total + bound.offset) % P
        if value >= 2 * bound.offset:
            missed, value = missed + 1, 0
        bits += [value >> k & 1 for k in range(bound.test_bits)]
    return np.array(bits, dtype=np.uint64), missed
