"""Finished principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .fits import Columns, coefficients, design, heading, plain, short
from .table import Vector

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PcaFit:
    """Components (k, p) of columns (x - mean) / unit, each with its largest loading above 0.

    `variances` (k,) are theirs over n - 1, and `total` is that of all columns.
    """

    names: tuple[str, ...]
    mean: Vector = field(repr=False)
    unit: Vector = field(repr=False)
    components: Vector = field(repr=False)
    variances: Vector = field(repr=False)
    total: float
    rows: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def ratios(self) -> Vector:
        """Return the explained part (k,) of the total variance."""
        return self.variances / self.total

    def predict(self, columns: Columns) -> Vector:
        """Return the scores (n, k) of rows."""
        x = design(columns, self.names)[:, 1:]
        return np.asarray((x - self.mean) / self.unit @ self.components.T)

    def summary(self) -> str:
        """Return variances, and the loadings of the first components."""
        left = [("Components:", str(len(self.components))), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Explained:", f"{100 * self.ratios.sum():.2f} %"),
        ]
        title = f"Principal Components over {len(self.owners)} Owners"
        shown = self.components[:_SHOWN]
        heads = [f"PC{number}" for number in range(1, len(shown) + 1)]
        spread = coefficients(
            ("variance", "ratio", "cumulative"),
            heads,
            [
                [short(float(value)) for value in values[: len(shown)]]
                for values in (self.variances, self.ratios, np.cumsum(self.ratios))
            ],
        )
        loadings = [[short(float(value)) for value in row] for row in shown.T]
        table = coefficients(self.names, heads, loadings)
        more = []
        if len(shown) < len(self.components):
            more = [f"the first {len(shown)} of {len(self.components)} components; --json has all"]
        return "\n".join([heading(title, left, right), spread, table, *more, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "pca",
            "names": self.names,
            "mean": self.mean,
            "unit": self.unit,
            "components": self.components,
            "variances": self.variances,
            "ratios": self.ratios,
            "rows": self.rows,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
