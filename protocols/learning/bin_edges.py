"""Where the bins of columns end: near the quantiles, from one histogram of each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .job import JobFailed
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Table, Vector
from .trees import binned, histograms

# Each column is counted in so many cells for each bin.
_FINER = 4


@dataclass(frozen=True, slots=True)
class BinEdges(Phase[Table]):
    """Counts each column in cells around its mean; then `edges` (p, bins - 1), at ends of cells.

    The cells are those of a logistic distribution, so they reach far and depend on mean and
    deviation alone. Columns with fewer edges have infinite ones behind.
    """

    columns: tuple[str, ...]
    bins: int
    name: str = "bin edges"

    def layout(self, state: State) -> Layout:
        return Layout({"cells": count(len(self.columns), _FINER * self.bins)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        cells = binned(data.matrix(self.columns), self._cells(state))
        shape = (1, len(self.columns), _FINER * self.bins)
        nodes = np.zeros(data.rows, dtype=np.int64)
        return {"cells": histograms(cells, nodes, np.ones(data.rows), shape)[0]}

    def update(self, state: State, sums: Sums) -> State:
        ends, edges = self._cells(state), np.full((len(self.columns), self.bins - 1), np.inf)
        below = np.cumsum(sums["cells"], axis=1)[:, :-1]
        wanted = state.number("rows") * np.arange(1, self.bins) / self.bins
        for column in range(len(self.columns)):
            places = np.unique(np.searchsorted(below[column], wanted))
            places = places[places < len(below[column])]
            some = (below[column, places] > 0) & (below[column, places] < state.number("rows"))
            edges[column, : some.sum()] = ends[column, places[some]]
        if np.isinf(edges).all():
            raise JobFailed("every column is constant: there is nothing to divide")
        return state.evolved({"edges": edges})

    def _cells(self, state: State) -> Vector:
        """Return the ends (p, cells - 1) of all cells but the last."""
        part = np.arange(1, _FINER * self.bins) / (_FINER * self.bins)
        spread = np.sqrt(3) / np.pi * np.log(part / (1 - part))
        p = len(self.columns)
        mean, scale = state.floats("mean")[:p], state.floats("scale")[:p]
        return np.asarray(mean[:, None] + scale[:, None] * spread)
