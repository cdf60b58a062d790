"""Shamir's secret sharing of whole vectors, one polynomial for each coordinate.

Shamir, "How to share a secret" (CACM 22(11), 1979), section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protocols.errors import Misuse

from .field import PrimeField, Residues
from .kernels import KERNELS

MAX_HOLDERS = 64  # the kernels' bounds on intermediate sums hold up to here


def split(field: PrimeField, secrets: Residues, coefficients: Residues, holders: int) -> Residues:
    """Share a vector so that any t holders can open it and fewer learn nothing.

    The polynomial of coordinate j is secrets[j] + Σ coefficients[k-1, j] · x^k.

    Args:
        field: of the secrets.
        secrets: shape (d,), residues.
        coefficients: shape (t - 1, d), residues, uniform and independent, used once; t is
            at least 2, as a constant polynomial would hand the secret to every holder.
        holders: n, from t to 64.

    Returns:
        Shape (n, d), residues: row i goes to the holder at place i, whose point is i + 1.
        The secret is the value at zero. Any t - 1 rows are uniform and independent of it.

    Raises:
        Misuse: shapes, word types or the threshold make no sense.

    Time O(n·t·d); memory for the result and one copy of the rows.
    """
    if secrets.ndim != 1 or coefficients.ndim != 2 or coefficients.shape[1] != secrets.size:
        raise Misuse(f"coefficients {coefficients.shape} do not fit secrets {secrets.shape}")
    if secrets.dtype != field.dtype or coefficients.dtype != field.dtype:
        raise Misuse(f"secrets and coefficients must be words of the field {field.name}")
    threshold = coefficients.shape[0] + 1
    if not 2 <= threshold <= holders <= MAX_HOLDERS:
        raise Misuse(f"threshold {threshold} of {holders} holders is not possible")
    rows = np.concatenate((secrets[np.newaxis], coefficients))
    return KERNELS[field.name].split(rows, holders)


def reconstruct(field: PrimeField, points: Sequence[int], rows: Residues) -> Residues:
    """Open a shared vector: the values at zero of the polynomials through the shares.

    With fewer rows than the threshold, or with a false one, the result is a wrong vector
    and nothing shows it: the caller counts.

    Args:
        field: of the shares.
        points: t of them, different; the holder at place i has i + 1.
        rows: shape (t, d), residues, in the order of the points.

    Returns:
        Shape (d,), residues.

    Raises:
        Misuse: points repeat or are zero, or their number is not that of the rows.

    Time O(t·d + t²).
    """
    if rows.ndim != 2 or not 1 <= len(points) == rows.shape[0] <= MAX_HOLDERS:
        raise Misuse(f"{len(points)} points do not fit rows {rows.shape}")
    if rows.dtype != field.dtype:
        raise Misuse(f"the rows must be words of the field {field.name}")
    weights = field.lagrange_at_zero(points)
    return KERNELS[field.name].combine(weights, np.ascontiguousarray(rows))
