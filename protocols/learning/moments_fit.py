"""Means and variances that a job has found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from .fits import coefficients, heading, plain, short
from .table import Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentsFit:
    """Mean and variance (g, p) of p columns in g groups, or in one without a name.

    A group without rows has neither, and one with a single row no variance: nan.
    """

    features: tuple[str, ...]
    rows: Vector = field(repr=False)
    mean: Vector = field(repr=False)
    variance: Vector = field(repr=False)
    owners: tuple[str, ...]
    by: str = ""
    groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        mean = np.where(self.rows[:, None] > 0, self.mean, np.nan)
        # Without groups one row has the variance 0, as it always had here.
        enough = self.rows[:, None] > (1 if self.groups else 0)
        variance = np.where(enough, self.variance, np.nan)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "variance", variance)

    @property
    def deviation(self) -> Vector:
        """Return standard deviations (g, p)."""
        return np.sqrt(self.variance)

    @property
    def errors(self) -> Vector:
        """Return the standard errors (g, p) of the means."""
        return self.deviation / np.sqrt(np.maximum(self.rows, 1))[:, None]

    def summary(self) -> str:
        """Return a table, a line for each column, or for each column and group."""
        left = [("Columns:", str(len(self.features))), ("Owners:", str(len(self.owners)))]
        right = [("No. Observations:", f"{self.rows.sum():.0f}")]
        if self.groups:
            right.append(("By:", self.by))
        top = heading(f"Means and Variances over {len(self.owners)} Owners", left, right)
        lines = list(self._lines())
        heads = ("rows", "mean", "std err", "std dev", "variance")
        names = [name for name, _ in lines]
        return "\n".join([top, coefficients(names, heads, [c for _, c in lines]), *self.notes])

    def _lines(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for p, feature in enumerate(self.features):
            for g, group in enumerate(self.groups or ("",)):
                found = (self.mean, self.errors, self.deviation, self.variance)
                name = f"{feature}, {group}" if group else feature
                yield name, (f"{self.rows[g]:.0f}", *(short(float(each[g, p])) for each in found))

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON; lists of groups of columns where there are groups."""
        of_columns = {
            "mean": self.mean,
            "variance": self.variance,
            "deviation": self.deviation,
            "standard_errors": self.errors,
        }
        rows = self.rows.astype(np.int64)
        found: dict[str, object] = {
            "model": "grouped_moments" if self.groups else "moments",
            "features": self.features,
            "rows": rows if self.groups else int(rows[0]),
            **{k: array if self.groups else array[0] for k, array in of_columns.items()},
            "owners": self.owners,
            "notes": self.notes,
        }
        if self.groups:
            found |= {"by": self.by, "groups": self.groups}
        return {name: plain(value) for name, value in found.items()}
