"""Mean and spread of columns in each group of rows, from sums: two phases, as `standardising`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .job import JobFailed, require
from .layout import Layout, Part, Sums, count, real
from .phases import Phase
from .state import State
from .table import Column, Table, Vector


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that a column of classes divides rows into; public, as their names are."""

    by: str
    levels: tuple[str, ...]

    def column(self) -> Column:
        """Return the column that says which group a row is in."""
        return Column(name=self.by, kind="class", levels=self.levels)

    def sums(self, data: Table, values: Vector) -> Vector:
        """Return the sums (g, p) over the rows of each group of values (n, p)."""
        members = np.equal.outer(np.arange(len(self.levels)), data.column(self.by))
        return np.array([values[rows].sum(axis=0) for rows in members])

    def rows(self, data: Table) -> Vector:
        """Return how many rows (g,) each group has."""
        codes = data.column(self.by).astype(np.int64)
        return np.bincount(codes, minlength=len(self.levels)).astype(np.float64)


def require_groups(by: str, levels: Sequence[str], columns: Sequence[str]) -> None:
    """Raise `ValueError` unless these are two groups or more by a column of its own."""
    require(len(levels) >= 2, "groups must name two groups or more")
    require(by not in columns, f"{by!r} divides the rows and can't be measured, too")


@dataclass(frozen=True, slots=True)
class GroupMeans(Phase[Table]):
    """n and Σx in each group; then `rows` (g,) and `mean` (g, p), 0 where a group is empty.

    Fails where a group has fewer than `fewest` rows over all owners.
    """

    columns: tuple[str, ...]
    groups: Groups
    fewest: int = 0
    name: str = "group means"

    def layout(self, state: State) -> Layout:
        g, p = len(self.groups.levels), len(self.columns)
        return Layout({"rows": count(g), "sum": real(g, p)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        matrix = data.matrix(self.columns)
        return {"rows": self.groups.rows(data), "sum": self.groups.sums(data, matrix)}

    def update(self, state: State, sums: Sums) -> State:
        rows = sums["rows"]
        for level, n in zip(self.groups.levels, rows, strict=True):
            if n < self.fewest:
                raise JobFailed(f"the group {level!r} has fewer than {self.fewest} rows")
        mean = sums["sum"] / np.maximum(rows, 1)[:, None]
        return state.evolved({"rows": rows.astype(np.int64), "mean": mean})


@dataclass(frozen=True, slots=True)
class GroupSpreads(Phase[Table]):
    """Σ(x-μ) and Σ(x-μ)² in each group; then `mean` and `variance` (g, p), over n - 1."""

    columns: tuple[str, ...]
    groups: Groups
    name: str = "group spreads"

    def layout(self, state: State) -> Layout:
        shape = len(self.groups.levels), len(self.columns)
        return Layout({"remainder": real(*shape), "squares": real(*shape)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        codes = data.column(self.groups.by).astype(np.int64)
        centred = data.matrix(self.columns) - state.floats("mean")[codes]
        return {
            "remainder": self.groups.sums(data, centred),
            "squares": self.groups.sums(data, centred**2),
        }

    def update(self, state: State, sums: Sums) -> State:
        rows = state.floats("rows")[:, None]
        remainder = sums["remainder"] / np.maximum(rows, 1)
        squares = np.maximum(sums["squares"] - rows * remainder**2, 0.0)
        arrays = {
            "mean": state.floats("mean") + remainder,
            "variance": squares / np.maximum(rows - 1, 1),
        }
        return state.evolved(arrays)
