"""Regression trees on binned columns: the best split of a histogram, and the way down a tree.

A tree of depth d is an array of 2^(d+1) - 1 nodes; below the node i lie 2i + 1 and 2i + 2. Its
`columns` are -1 at leaves, else the column to ask; bins up to `cut` go left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .table import Vector

Whole: TypeAlias = NDArray[np.int64]

# With less curvature than that on one side a split is rounding; as in scikit-learn.
_LEAST_CURVATURE = 1e-3
_TINY = 1e-15
# Splits whose gains are that near, relative to what they are the difference of, are alike: the
# first column and cut is taken, and not the one that rounding favours.
_TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows, gradients and curvatures, in all or for each of some places."""

    rows: Vector
    gradient: Vector
    curvature: Vector

    def weight(self, l2: float) -> Vector:
        """Return the value that makes the loss least, -G / (H + l2)."""
        return np.asarray(-self.gradient / (self.curvature + l2 + _TINY))

    def worth(self, l2: float) -> Vector:
        """Return twice what that value takes from the loss, G² / (H + l2)."""
        return np.asarray(self.gradient**2 / (self.curvature + l2 + _TINY))

    def at(self, *place: int) -> Totals:
        """Return the totals of one place."""
        parts = (self.rows, self.gradient, self.curvature)
        return Totals(*(np.asarray(part[place]) for part in parts))


@dataclass(frozen=True, slots=True)
class Split:
    """The best split of a node: bins of a column up to `cut` go left."""

    column: int
    cut: int
    gain: float
    left: Totals
    right: Totals


def best_split(node: Totals, *, leaf_rows: int, l2: float) -> Split | None:
    """Return the split of a node's histograms (p, bins) that takes most from the loss.

    None where each side would have fewer than `leaf_rows` rows, or nothing is gained.
    """
    parts = (node.rows, node.gradient, node.curvature)
    sums = [np.cumsum(part, axis=1) for part in parts]
    left = Totals(*(part[:, :-1] for part in sums))
    right = Totals(*(part[:, -1:] - part[:, :-1] for part in sums))
    whole = Totals(*(part[:, -1:] for part in sums))
    allowed = (np.minimum(left.rows, right.rows) >= leaf_rows) & (
        np.minimum(left.curvature, right.curvature) >= _LEAST_CURVATURE
    )
    gains = np.where(allowed, left.worth(l2) + right.worth(l2) - whole.worth(l2), -np.inf)
    if gains.size == 0:
        return None
    if not gains.max() > 0:
        return None
    best = gains >= gains.max() - _TIE * float(np.abs(whole.worth(l2) + gains.max()).max())
    column, cut = (int(i) for i in np.unravel_index(int(best.argmax()), gains.shape))
    gain = float(gains[column, cut])
    return Split(column, cut, gain, left.at(column, cut), right.at(column, cut))


def binned(x: Vector, edges: Vector) -> Whole:
    """Return the bins (n, p) of rows, for edges (p, b) that end in infinities; at one is below."""
    bins = np.empty(x.shape, dtype=np.int64)
    for column in range(x.shape[1]):
        bins[:, column] = np.searchsorted(edges[column], x[:, column], side="left")
    return bins


def reached(bins: Whole, columns: Whole, cuts: Whole) -> Whole:
    """Return the node (n,) at which each row ends in a tree."""
    node, rows = np.zeros(len(bins), dtype=np.int64), np.arange(len(bins))
    for _ in range(int(np.log2(len(columns) + 1)) - 1):
        column = columns[node]
        right = bins[rows, column] > cuts[node]  # at a leaf column -1 is asked in vain
        node = np.where(column >= 0, 2 * node + 1 + right, node)
    return node


def histograms(bins: Whole, nodes: Whole, weights: Vector, shape: tuple[int, int, int]) -> Vector:
    """Return the sums (m, p, b) of weights (n,) in each bin, for rows in the nodes 0 ... m - 1.

    Rows in the node -1 are left out.
    """
    inside = nodes >= 0
    _, columns, width = shape
    places = (nodes[inside, None] * columns + np.arange(columns)) * width + bins[inside]
    repeated = np.repeat(weights[inside], columns)
    sums = np.bincount(places.reshape(-1), repeated, minlength=int(np.prod(shape)))
    return np.asarray(sums.reshape(shape), dtype=np.float64)
