"""Compiled dot products of residues: several rows of coefficients against one long row.

Like the loops of `kernels`, they release the interpreter lock. The long row is read once for
all rows of coefficients. Sums are associative, without folds in between, so that they vectorise;
they are exact, and reduced once at the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

from .field import P31, PrimeField, Residues
from .kernels import _compiled

_U64 = np.uint64
_LOW32, _S32 = np.uint64(2**32 - 1), np.uint64(32)
_LIMBS = 4  # a sum is Σ limb[i] · 2^(32·i)
_STEP = 4096  # four rows of coefficients and the piece of the long row stay in the caches
MAX_VALUES = 2**30  # a limb takes 2^32 words of 32 bits, and at most three for each value


# Slices before the inner loops: an index that is a sum keeps the compiler from vectorising.


@_compiled
def _dot31(rows: Residues, row: Residues, limbs: NDArray[np.uint64]) -> None:
    # rows (r, d), row (d,), limbs (r, 4). Four products below 2^62 fit in 64 bits.
    d = row.size
    for start in range(0, d, _STEP):
        stop = min(start + _STEP, d)
        quarter = (stop - start) // 4
        two, three, four = start + 2 * quarter, start + 3 * quarter, start + 4 * quarter
        y0, y1 = row[start : start + quarter], row[start + quarter : two]
        y2, y3 = row[two:three], row[three:four]
        for k in range(rows.shape[0]):
            w0, w1 = rows[k, start : start + quarter], rows[k, start + quarter : two]
            w2, w3 = rows[k, two:three], rows[k, three:four]
            low, high = _U64(0), _U64(0)
            for j in range(quarter):
                total = (
                    _U64(y0[j]) * _U64(w0[j])
                    + _U64(y1[j]) * _U64(w1[j])
                    + _U64(y2[j]) * _U64(w2[j])
                    + _U64(y3[j]) * _U64(w3[j])
                )
                low += total & _LOW32
                high += total >> _S32
            for j in range(four, stop):
                product = _U64(row[j]) * _U64(rows[k, j])
                low += product & _LOW32
                high += product >> _S32
            limbs[k, 0] += low
            limbs[k, 1] += high


@_compiled
def _dot61(rows: Residues, row: Residues, limbs: NDArray[np.uint64]) -> None:
    # rows (r, d), row (d,), limbs (r, 4). Halves of 32 and 29 bits: middle is below 2^62.
    d = row.size
    for start in range(0, d, _STEP):
        stop = min(start + _STEP, d)
        y = row[start:stop]
        for k in range(rows.shape[0]):
            w = rows[k, start:stop]
            l0, l1, l2, l3 = _U64(0), _U64(0), _U64(0), _U64(0)
            for j in range(stop - start):
                y0, y1, w0, w1 = y[j] & _LOW32, y[j] >> _S32, w[j] & _LOW32, w[j] >> _S32
                low, middle, high = y0 * w0, y1 * w0 + y0 * w1, y1 * w1
                l0 += low & _LOW32
                l1 += (low >> _S32) + (middle & _LOW32)
                l2 += (middle >> _S32) + (high & _LOW32)
                l3 += high >> _S32
            limbs[k, 0] += l0
            limbs[k, 1] += l1
            limbs[k, 2] += l2
            limbs[k, 3] += l3


def dot_products(field: PrimeField, rows: Residues, row: Residues) -> tuple[int, ...]:
    """Return Σ rows[k, j] · row[j] modulo p for each k.

    Args:
        field: of both.
        rows: shape (r, d), residues.
        row: shape (d,), residues, d up to 2^30.

    Raises:
        Misuse: shapes or word types do not fit.

    Time O(r·d); what is not contiguous is copied, as the loops would not vectorise.
    """
    if rows.ndim != 2 or row.shape != rows.shape[1:] or row.size > MAX_VALUES:
        raise Misuse(f"rows {rows.shape} do not fit a row {row.shape}")
    if rows.dtype != field.dtype or row.dtype != field.dtype:
        raise Misuse(f"the rows must be words of the field {field.name}")
    limbs = np.zeros((rows.shape[0], _LIMBS), dtype=np.uint64)
    loop = _dot31 if field.name == P31.name else _dot61
    loop(np.ascontiguousarray(rows), np.ascontiguousarray(row), limbs)
    return tuple(
        sum(int(limb) << (32 * i) for i, limb in enumerate(sums)) % field.modulus for sums in limbs
    )
