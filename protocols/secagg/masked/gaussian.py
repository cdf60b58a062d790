"""The discrete Gaussian by a table, in a time that does not depend on what is drawn.

Inversion of the cumulative distribution: Peikert, "An efficient and parallel Gaussian sampler
for lattices" (CRYPTO 2010), section 4.1, with a scan of the whole table for every sample.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .parameters import SIGMA, TAIL

_PIECE = 8192  # words and counts of a piece stay in the cache while the table passes


@cache
def thresholds() -> tuple[int, ...]:
    """Return T with T[k-1] / 2^64 = Pr[|x| ≥ k] for k from 1 to the tail, all even.

    The probability of x is in proportion to exp(-x² / 2σ²), |x| ≤ `TAIL`. The lowest bit of a
    word is the sign, so probabilities are rounded to multiples of 2^-63.
    """
    with localcontext() as context:
        context.prec = 60
        double_variance = 2 * Decimal(SIGMA.numerator) ** 2 / Decimal(SIGMA.denominator) ** 2
        weights = [(-Decimal(k * k) / double_variance).exp() for k in range(TAIL + 1)]
        total = 2 * sum(weights[1:], Decimal(0)) + weights[0]
        table = []
        for k in range(1, TAIL + 1):
            above = 2 * sum(weights[k:], Decimal(0)) / total
            table.append(2 * int((above * 2**63).to_integral_value(ROUND_HALF_EVEN)))
    return tuple(table)


def gaussian(words: NDArray[np.uint64]) -> NDArray[np.int8]:
    """Turn uniform words into samples.

    Every word is compared with every threshold, and no branch, index or length depends on it.

    Args:
        words: shape (m,), uniform 64 bits each.

    Returns:
        Shape (m,), from -TAIL to TAIL.

    Time O(m · TAIL).
    """
    table = np.array(thresholds(), dtype=np.uint64)
    magnitudes = np.zeros(words.size, dtype=np.int8)
    smaller = np.empty(_PIECE, dtype=np.bool_)
    for start in range(0, words.size, _PIECE):
        piece = words[start : start + _PIECE]
        counts, flags = magnitudes[start : start + _PIECE], smaller[: piece.size]
        for threshold in table:
            np.less(piece, threshold, out=flags)
            np.add(counts, flags.view(np.int8), out=counts)
    # -m is ~m + 1, so no branch depends on the sign.
    signs = (words & np.uint64(1)).astype(np.int8)
    samples: NDArray[np.int8] = (magnitudes ^ -signs) + signs
    return samples
