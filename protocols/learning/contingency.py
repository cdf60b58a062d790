"""How often the levels of two columns come together, and whether they depend on each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .distributions import chi2_tail
from .fits import coefficients, heading, plain, probability, short, shortened
from .job import JobFailed, require
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Column, Table, Vector
from .tabular import Tabular


@dataclass(frozen=True, slots=True)
class Cells(Phase[Table]):
    """Rows in each cell of the table; then `counts` (r, c)."""

    row: Column
    column: Column
    name: str = "cells"

    def layout(self, state: State) -> Layout:
        return Layout({"counts": count(len(self.row.levels), len(self.column.levels))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {"counts": self.counts(data)}

    def counts(self, data: Table) -> NDArray[np.int64]:
        """Return an owner's counts (r, c)."""
        shape = len(self.row.levels), len(self.column.levels)
        rows, columns = data.column(self.row.name), data.column(self.column.name)
        places = (rows * shape[1] + columns).astype(np.int64)
        return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int64)

    def update(self, state: State, sums: Sums) -> State:
        if sums["counts"].sum() < 1:
            raise JobFailed("the owners have no rows at all")
        return state.evolved({"counts": sums["counts"].astype(np.int64)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency(Tabular):
    """Counts the rows for each pair of levels, in one round, and tests by Pearson's chi-squared.

    Attributes:
        correction: Yates's, for tables of two by two.
    """

    row: str
    row_levels: tuple[str, ...]
    column: str
    column_levels: tuple[str, ...]
    correction: bool = True
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require(self.row != self.column, "row and column are the same column; name two")
        for name, levels in (("row", self.row_levels), ("column", self.column_levels)):
            require(len(levels) >= 2, f"{name}_levels must name two levels or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return self._cells().row, self._cells().column

    def _cells(self) -> Cells:
        return Cells(
            Column(name=self.row, kind="class", levels=self.row_levels),
            Column(name=self.column, kind="class", levels=self.column_levels),
        )

    def phases(self) -> Sequence[Phase[Table]]:
        return (self._cells(),)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        return self._cells().counts(data).ravel()

    def fit(self, state: State) -> ContingencyFit | None:
        if state.facts.get("converged") is not True:
            return None
        return ContingencyFit(
            row=self.row,
            row_levels=self.row_levels,
            column=self.column,
            column_levels=self.column_levels,
            counts=state.arrays["counts"].astype(np.int64),
            correction=self.correction,
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContingencyFit:
    """Counts (r, c) and the test that rows and columns are independent.

    Levels without any row are left out of the test.
    """

    row: str
    row_levels: tuple[str, ...]
    column: str
    column_levels: tuple[str, ...]
    counts: NDArray[np.int64] = field(repr=False)
    correction: bool
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return int(self.counts.sum())

    @property
    def expected(self) -> Vector:
        """Return the counts (r, c) to be expected of independent rows and columns."""
        return np.outer(self.counts.sum(axis=1), self.counts.sum(axis=0)) / max(self.rows, 1)

    @property
    def degrees(self) -> int:
        """Return the degrees of freedom; 0 where there is nothing to test."""
        rows = int((self.counts.sum(axis=1) > 0).sum())
        columns = int((self.counts.sum(axis=0) > 0).sum())
        return max(rows - 1, 0) * max(columns - 1, 0)

    @property
    def chi_squared(self) -> float:
        """Return Pearson's statistic; with Yates's correction where it was asked for and fits."""
        if self.correction and self.degrees == 1:
            return self._distance(0.5)
        return self._distance(0.0)

    @property
    def p_value(self) -> float:
        """Return the chance of such a table, or a stranger one, of independent columns."""
        return chi2_tail(self.chi_squared, self.degrees) if self.degrees else math.nan

    @property
    def cramers_v(self) -> float:
        """Return how strongly they depend, 0 to 1; without the correction."""
        smaller = min((self.counts.sum(axis=1) > 0).sum(), (self.counts.sum(axis=0) > 0).sum()) - 1
        return math.sqrt(self._distance(0.0) / (self.rows * smaller)) if smaller > 0 else math.nan

    def _distance(self, correction: float) -> float:
        expected = self.expected
        seen = expected > 0
        distance = np.abs(self.counts - expected)[seen]
        distance = distance - np.minimum(correction, distance)
        return float((distance**2 / expected[seen]).sum())

    def summary(self) -> str:
        """Return the table with its margins, and the test."""
        left = [
            ("Rows:", self.row),
            ("Columns:", self.column),
            ("No. Observations:", str(self.rows)),
            ("Owners:", str(len(self.owners))),
        ]
        right = [
            ("Chi-squared:", short(self.chi_squared)),
            ("Df:", str(self.degrees)),
            ("P>chi2:", probability(self.p_value)),
            ("Cramer's V:", short(self.cramers_v)),
        ]
        top = heading(f"Contingency Table over {len(self.owners)} Owners", left, right)
        heads = [shortened(level, 12) for level in (*self.column_levels, "all")]
        whole = np.vstack([self.counts, self.counts.sum(axis=0)])
        rows = [[*map(str, line.tolist()), str(int(line.sum()))] for line in whole]
        return "\n".join([top, coefficients((*self.row_levels, "all"), heads, rows), *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: dict[str, object] = {
            "model": "contingency",
            "row": self.row,
            "row_levels": self.row_levels,
            "column": self.column,
            "column_levels": self.column_levels,
            "counts": self.counts,
            "expected": self.expected,
            "chi_squared": self.chi_squared,
            "corrected": self.correction and self.degrees == 1,
            "degrees": self.degrees,
            "p_value": self.p_value,
            "cramers_v": self.cramers_v,
            "rows": self.rows,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
