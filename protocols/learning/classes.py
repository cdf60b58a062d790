"""Means and deviations of columns, class by class: what Bayes' rule needs of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .job import JobFailed
from .layout import Layout, Part, Sums, count, real, symmetric
from .phases import Phase
from .standardising import standardised
from .state import State
from .table import Table, Vector


@dataclass(frozen=True, slots=True)
class ClassSizes(Phase[Table]):
    """How many rows each class has; then `sizes` (c,). Refuses classes with fewer than `least`.

    Their means come next, and the mean of one row is the row.
    """

    target: str
    levels: tuple[str, ...]
    least: int
    name: str = "class sizes"

    def layout(self, state: State) -> Layout:
        return Layout({"sizes": count(len(self.levels))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {"sizes": members(data, self.target, self.levels).sum(axis=0)}

    def update(self, state: State, sums: Sums) -> State:
        pairs = list(zip(self.levels, sums["sizes"], strict=True))
        few = ", ".join(f"{level} ({int(n)})" for level, n in pairs if n < self.least)
        if few:
            raise JobFailed(f"classes with fewer than {self.least} rows: {few}; leave them out")
        return state.evolved({"sizes": sums["sizes"]})


@dataclass(frozen=True, slots=True)
class ClassMeans(Phase[Table]):
    """Σz of each class, for standardised columns; then `means` (c, p)."""

    columns: tuple[str, ...]
    target: str
    levels: tuple[str, ...]
    name: str = "class means"

    def layout(self, state: State) -> Layout:
        return Layout({"sums": real(len(self.levels), len(self.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        z = standardised(state, data, self.columns)
        return {"sums": members(data, self.target, self.levels).T @ z}

    def update(self, state: State, sums: Sums) -> State:
        return state.evolved({"means": sums["sums"] / state.floats("sizes")[:, None]})

    def deviations(self, state: State, data: Table) -> Vector:
        """Return by how much the rows (n, p) differ from the means of their classes."""
        own = state.floats("means")[data.column(self.target).astype(np.int64)]
        return standardised(state, data, self.columns) - own


@dataclass(frozen=True, slots=True)
class ClassVariances(Phase[Table]):
    """Σ(z - mean)² of each class; then `variances` (c, p) over n."""

    means: ClassMeans
    name: str = "class variances"

    def layout(self, state: State) -> Layout:
        return Layout({"squares": real(len(self.means.levels), len(self.means.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        own = members(data, self.means.target, self.means.levels)
        return {"squares": own.T @ self.means.deviations(state, data) ** 2}

    def update(self, state: State, sums: Sums) -> State:
        return state.evolved({"variances": sums["squares"] / state.floats("sizes")[:, None]})


@dataclass(frozen=True, slots=True)
class Within(Phase[Table]):
    """Σ(z - mean)(z - mean)' over all classes; then `within` (p, p) over n."""

    means: ClassMeans
    name: str = "within"

    def layout(self, state: State) -> Layout:
        return Layout({"scatter": symmetric(len(self.means.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        deviations = self.means.deviations(state, data)
        return {"scatter": deviations.T @ deviations}

    def update(self, state: State, sums: Sums) -> State:
        return state.evolved({"within": sums["scatter"] / state.number("rows")})


def members(data: Table, target: str, levels: tuple[str, ...]) -> Vector:
    """Return for each row (n, c) a 1 at its class."""
    return np.equal.outer(data.column(target), np.arange(len(levels))).astype(np.float64)
