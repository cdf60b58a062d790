"""Finished clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .fits import Columns, coefficients, design, heading, plain, short
from .table import Vector

_SHOWN = 6
_BLOCK = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class KMeansFit:
    """Centres (k, p) in units of the columns as they are, with the rows that each has (k,).

    Distances are measured in `unit` (p,), and so is the `inertia`, the sum of their squares.
    """

    names: tuple[str, ...]
    centres: Vector = field(repr=False)
    sizes: Vector = field(repr=False)
    unit: Vector = field(repr=False)
    mean: Vector = field(repr=False)
    scale: Vector = field(repr=False)
    inertia: float
    iterations: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def predict(self, columns: Columns) -> NDArray[np.int64]:
        """Return the cluster (n,) of each row, from 0."""
        x = design(columns, self.names)[:, 1:]
        return nearest((x - self.mean) / self.unit, (self.centres - self.mean) / self.unit)

    def summary(self) -> str:
        """Return the centres, a few beside each other."""
        left = [("Clusters:", str(len(self.centres))), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(int(self.sizes.sum()))),
            ("Inertia:", f"{self.inertia:.6g}"),
            ("No. Iterations:", str(self.iterations)),
        ]
        title = f"K-Means over {len(self.owners)} Owners"
        tables = []
        for first in range(0, len(self.centres), _SHOWN):
            block = slice(first, first + _SHOWN)
            sizes = [str(int(size)) for size in self.sizes[block]]
            heads = [f"cluster {first + place}" for place in range(len(sizes))]
            rows = [[short(float(value)) for value in row] for row in self.centres[block].T]
            tables.append(coefficients(("rows", *self.names), heads, [sizes, *rows]))
        return "\n".join([heading(title, left, right), *tables, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "kmeans",
            "names": self.names,
            "centres": self.centres,
            "sizes": self.sizes,
            "unit": self.unit,
            "inertia": self.inertia,
            "iterations": self.iterations,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}


def nearest(x: Vector, centres: Vector) -> NDArray[np.int64]:
    """Return the place of the nearest centre (n,) for rows (n, p); the first of several."""
    labels = np.empty(len(x), dtype=np.int64)
    rows = max(1, _BLOCK // max(centres.size, 1))
    for first in range(0, len(x), rows):
        part = x[first : first + rows]
        distances = ((part[:, None, :] - centres) ** 2).sum(axis=2)
        labels[first : first + rows] = distances.argmin(axis=1)
    return labels
