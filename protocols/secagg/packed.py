"""Packed secret sharing: several secrets in one polynomial, so that a share is shorter.

Franklin and Yung, "Communication complexity of secure computation" (STOC 1992), section 4.
With k secrets and T random values a polynomial has T + k coefficients. Any T shares are uniform
and independent of the secrets; any T + k open them. The sharing is a *ramp*: T + j shares,
0 < j < k, determine j linear combinations of the k secrets and say nothing more. So what holders
may pool without learning anything is T, not T + k - 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protocols.errors import Misuse

from .field import PrimeField, Residues
from .kernels import KERNELS
from .shamir import MAX_HOLDERS


def secret_points(packing: int) -> tuple[int, ...]:
    """Return where k secrets are: -1 to -k, which no holder's point meets."""
    return tuple(-j for j in range(1, packing + 1))


def interpolated(
    field: PrimeField, points: Sequence[int], rows: Residues, wanted: Sequence[int]
) -> Residues:
    """Return the values of polynomials at some points from those at others.

    Args:
        field: of the values.
        points: t of them, different modulo p, at most 64.
        rows: shape (t, d), residues, in the order of the points.
        wanted: m points.

    Returns:
        Shape (m, d), residues.

    Raises:
        Misuse: points repeat, or their number is not that of the rows.

    Time O(m·t·d + m·t²); the rows are read once for all that is wanted.
    """
    if rows.ndim != 2 or not 1 <= len(points) == rows.shape[0] <= MAX_HOLDERS:
        raise Misuse(f"{len(points)} points do not fit rows {rows.shape}")
    if rows.dtype != field.dtype:
        raise Misuse(f"the rows must be words of the field {field.name}")
    matrix = [field.lagrange_at(where, points) for where in wanted]
    if not matrix:
        return np.empty((0, rows.shape[1]), dtype=field.dtype)
    return KERNELS[field.name].times(matrix, np.ascontiguousarray(rows))


def split_packed(
    field: PrimeField, secrets: Residues, randoms: Residues, holders: int, given: Sequence[int]
) -> Residues:
    """Share k vectors at once so that T holders learn nothing and T + k open them.

    T holders are given random words as they are; their shares and the secrets fix the
    polynomials, whose values at the other points are the other shares.

    Args:
        field: of the secrets.
        secrets: shape (k, m), residues.
        randoms: shape (T, m), residues, uniform and independent, used once; T is 1 or more.
        holders: n, from T + k to 64.
        given: the places of the T holders whose shares are the rows of `randoms`, in order.
            Which ones they are changes nothing in what anybody learns.

    Returns:
        Shape (n, m), residues: row i goes to the holder at place i, whose point is i + 1. The
        secrets are the values at -1 to -k.

    Raises:
        Misuse: shapes, word types, places or numbers make no sense.

    Time O((n - T)·(T + k)·m); memory for the result and two copies of the rows.
    """
    if secrets.ndim != 2 or randoms.ndim != 2 or secrets.shape[1] != randoms.shape[1]:
        raise Misuse(f"random rows {randoms.shape} do not fit secrets {secrets.shape}")
    packing, privacy = secrets.shape[0], randoms.shape[0]
    if packing < 1 or privacy < 1 or not packing + privacy <= holders <= MAX_HOLDERS:
        raise Misuse(f"packing {packing} with privacy {privacy} of {holders} is not possible")
    if len(given) != privacy or len(set(given)) != privacy:
        raise Misuse(f"{privacy} rows can't be given to the places {list(given)}")
    rows = dict(zip(given, randoms, strict=True))
    return spread(field, secret_points(packing), secrets, rows, holders)


def spread(
    field: PrimeField,
    points: Sequence[int],
    secrets: Residues,
    given: dict[int, Residues],
    holders: int,
) -> Residues:
    """Return the shares of all holders, where those of some are given.

    Args:
        field: of everything.
        points: where the secrets are: 0 for Shamir's scheme, -1 to -k for packed secrets.
        secrets: shape (k, m), residues.
        given: by place, shape (m,), residues: uniform and independent, used once. T of them.
        holders: n.

    Returns:
        Shape (n, m), residues.

    Raises:
        Misuse: a place that no holder has, points that repeat, shapes that disagree.
    """
    if not set(given) <= set(range(holders)):
        raise Misuse(f"a place is not one of {holders} holders")
    rows = np.concatenate((secrets, *(row[np.newaxis] for row in given.values())))
    others = [place for place in range(holders) if place not in given]
    shares = np.empty((holders, secrets.shape[1]), dtype=field.dtype)
    known = [*points, *(place + 1 for place in given)]
    shares[others] = interpolated(field, known, rows, [place + 1 for place in others])
    for place, row in given.items():
        shares[place] = row
    return shares


def reconstruct_packed(
    field: PrimeField, points: Sequence[int], rows: Residues, packing: int
) -> Residues:
    """Open packed vectors from T + k shares; with fewer, or a false one, the result is wrong.

    Args:
        field: of the shares.
        points: T + k of them, different; the holder at place i has i + 1.
        rows: shape (T + k, m), residues, in the order of the points.
        packing: k.

    Returns:
        Shape (k, m), residues.

    Raises:
        Misuse: points repeat, or their number is not that of the rows, or not above k.
    """
    if not 1 <= packing < len(points):
        raise Misuse(f"{len(points)} points do not open {packing} secrets of a polynomial")
    return interpolated(field, points, rows, secret_points(packing))
