"""A finished linear discriminant analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .fits import Columns, coefficients, design, heading, plain, short
from .naive_bayes_fit import softmaxed
from .table import Vector

_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LdaFit:
    """Scores of classes that are linear in the columns as they are.

    Attributes:
        sizes: rows (c,) of each class; `means` (c, p) theirs, `mean` (p,) that of all rows.
        coefficients: shape (c, p), with `intercepts` (c,).
        directions: shape (p, r), in which the means differ most, in units of the deviation
            within classes; `ratios` (r,) is how much of their variance each explains.
    """

    target: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    sizes: Vector = field(repr=False)
    mean: Vector = field(repr=False)
    means: Vector = field(repr=False)
    coefficients: Vector = field(repr=False)
    intercepts: Vector = field(repr=False)
    directions: Vector = field(repr=False)
    ratios: Vector = field(repr=False)
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def chances(self, columns: Columns) -> Vector:
        """Return the chance (n, c) of each class, for each row."""
        x = design(columns, self.names)[:, 1:]
        return softmaxed(x @ self.coefficients.T + self.intercepts)

    def predict(self, columns: Columns) -> tuple[str, ...]:
        """Return the most likely class of each row."""
        return tuple(self.levels[place] for place in self.chances(columns).argmax(axis=1))

    def projected(self, columns: Columns) -> Vector:
        """Return the places (n, r) of rows along the directions."""
        return np.asarray((design(columns, self.names)[:, 1:] - self.mean) @ self.directions)

    def summary(self) -> str:
        """Return the coefficients of each class, a few beside each other."""
        left = [("Dep. Variable:", self.target), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(int(self.sizes.sum()))),
            ("Classes:", str(len(self.levels))),
            ("Explained:", " ".join(f"{ratio:.3f}" for ratio in self.ratios[:4])),
        ]
        title = f"Linear Discriminant Analysis over {len(self.owners)} Owners"
        tables = []
        for first in range(0, len(self.levels), _SHOWN):
            block = slice(first, first + _SHOWN)
            rows = np.column_stack([self.intercepts[block], self.coefficients[block]]).T
            cells = [[short(float(value)) for value in row] for row in rows]
            tables.append(coefficients(("const", *self.names), self.levels[block], cells))
        return "\n".join([heading(title, left, right), *tables, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "lda",
            "target": self.target,
            "levels": self.levels,
            "names": self.names,
            "sizes": self.sizes,
            "mean": self.mean,
            "means": self.means,
            "coefficients": self.coefficients,
            "intercepts": self.intercepts,
            "directions": self.directions,
            "ratios": self.ratios,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
