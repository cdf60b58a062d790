"""Cox's model over the rows of all owners, on cells of time with enough rows in each.

What is opened of two risk sets that follow each other differs by the rows that left between them:
a cell in which one row leaves opens that row. So the owners count first, and cells are joined
until at least `least` rows have their event in each, and none or as many are censored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .job import JobFailed
from .layout import Layout, Part, Sums, count, real
from .newton import Newton
from .partial_likelihood import RiskSets, Ties
from .standardising import standardised
from .state import State
from .survival import LifeTable, observed
from .table import Table, Vector

# exp(η) of more leaves the range of what is summed.
_LARGEST_EXPONENT = 30.0
# Fewer rows than that are no crowd, whoever asked for them.
_FEW = 5


@dataclass(frozen=True, slots=True)
class CellCounts(LifeTable):
    """A life table whose points are joined to cells; a cell begins at a point with events.

    All events of a cell count as at one time, and whoever is censored in it as at risk then.

    Then `starts` (k,) are the places in the grid at which cells begin, `deaths` (k,) the events
    in each, `alive` (k,) who is at risk. The fact `remarks` is for the end.
    """

    name: str = "cells"
    least: int = 1

    def update(self, state: State, sums: Sums) -> State:
        state = LifeTable.update(self, state, sums)
        events, censored = sums["events"][:, 0], sums["censored"][:, 0].copy()
        rows, points = float(sums["rows"][0]), self.grid.points
        after = rows - float((events + censored).sum())
        censored[-1] += after
        starts = joined(events, censored, self.least)
        arrays = {
            "starts": starts,
            "deaths": np.add.reduceat(events, starts),
            "alive": rows - np.append(0.0, np.cumsum(events + censored))[starts],
        }
        texts = [f"times in {len(starts)} cells, with {self.least} rows or more in each"]
        if after:
            texts.append(f"{int(after)} times after {points[-1]:g} count as censored there")
        if self.least < _FEW:
            texts.append(
                f"with least = {self.least}, sums over so few rows are opened that single rows "
                "can be read off; leave it out, or let owners be strata"
            )
        return state.evolved(arrays, remarks=[*state.items("remarks"), *texts])

    def ends(self, state: State) -> Vector:
        """Return the last point (k,) of each cell."""
        last = np.append(state.arrays["starts"], len(self.grid.points))[1:] - 1
        return np.asarray(self.grid.points[last])

    def cells(self, state: State, data: Table) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the cell (n,) in which each row leaves, and whether it has its event there.

        Whoever is censored before the first event is in none, which is -1.
        """
        seen, starts = observed(data, self.time, self.event), state.arrays["starts"]
        places = self.grid.places(seen.times)
        cells = np.searchsorted(starts, places, side="right") - 1
        return cells, (seen.events == 1) & (places < len(self.grid.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledNewton(Newton):
    """Newton's method on sums of exp(η), x·exp(η) and xx'·exp(η), cell by cell.

    Then `hazard` (k,) is the cumulative baseline hazard at the columns' means (Breslow, 1974).
    """

    counts: CellCounts
    ties: Ties

    def layout(self, state: State) -> Layout:
        return self._laid_out(len(state.arrays["starts"]))

    def largest(self, state: State) -> int:
        # How many cells there are, only the rows say; there is one at least.
        return self._laid_out(1).size

    def _laid_out(self, k: int) -> Layout:
        p = len(self.likelihood.names)
        sums = real(k, 1 + p + p * (p + 1) // 2)
        return Layout({"leaving": sums, "dying": sums, "died": real(p), "outside": count()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        x = standardised(state, data, self.likelihood.names)
        eta = x @ state.floats("beta")
        parts = self.layout(state).zeros()
        if (np.abs(eta) > _LARGEST_EXPONENT).any():
            return {**parts, "outside": 1.0}
        cell, dies = self.counts.cells(state, data)
        upper = np.triu_indices(x.shape[1])
        products = x[:, upper[0]] * x[:, upper[1]]
        moments = np.exp(eta)[:, None] * np.column_stack([np.ones(len(x)), x, products])
        np.add.at(parts["leaving"], cell[cell >= 0], moments[cell >= 0])
        np.add.at(parts["dying"], cell[dies], moments[dies])
        return {**parts, "died": x[dies].sum(axis=0)}

    def update(self, state: State, sums: Sums) -> State:
        if sums["outside"] > 0:
            return Newton.update(self, state, sums)
        p, deaths = len(self.likelihood.names), state.floats("deaths").astype(np.int64)
        risk, dying = np.cumsum(sums["leaving"][::-1], axis=0)[::-1], sums["dying"]
        sets = RiskSets.of(deaths, (risk[:, : p + 1], dying[:, : p + 1]), self.ties)
        second = sets.at_risk @ risk[:, p + 1 :] - sets.with_event @ dying[:, p + 1 :]
        log_likelihood = float(sums["died"] @ state.floats("beta")) - sets.log_sum
        found = {
            "gradient": sums["died"] - sets.slope,
            "information": _square(second, p) - sets.outer,
            "deviance": np.asarray(-2 * log_likelihood),
            "outside": sums["outside"],
            "n": state.floats("rows")[0],
            "events": deaths.sum(),
            "null": self._null(state, deaths),
        }
        state = state.evolved({"hazard": np.cumsum(deaths / risk[:, 0])})
        return Newton.update(self, state, {k: np.asarray(v, float) for k, v in found.items()})

    def regrouped(self, state: State) -> State | None:
        return None  # the cells are for the rows that were counted

    def _null(self, state: State, deaths: NDArray[np.int64]) -> float:
        alive, dying = state.floats("alive")[:, None], deaths[:, None].astype(np.float64)
        return -RiskSets.of(deaths, (alive, dying), self.ties).log_sum


def joined(events: Vector, censored: Vector, least: int) -> NDArray[np.int64]:
    """Return the places (k,) at which cells begin that hold enough events, and enough or no others.

    What is left at the end joins the cell before it. Raises `JobFailed` where all is too few.
    """
    died, left = np.append(0, np.cumsum(events)), np.append(0, np.cumsum(censored))
    starts: list[int] = []
    for place in np.flatnonzero(events):
        if not starts or _is_crowd(died, left, (starts[-1], int(place)), least):
            starts.append(int(place))
    while len(starts) > 1 and not _is_crowd(died, left, (starts[-1], len(events)), least):
        starts.pop()
    if not starts or not _is_crowd(died, left, (starts[0], len(events)), least):
        raise JobFailed(
            f"{int(died[-1])} events and {int(left[-1])} censored times are too few for a pooled "
            f"fit with {least} of each in a cell; let owners be strata, or leave columns out"
        )
    return np.array(starts, dtype=np.int64)


def _is_crowd(died: Vector, left: Vector, span: tuple[int, int], least: int) -> bool:
    start, stop = span
    deaths, censored = died[stop] - died[start], left[stop] - left[start]
    return bool(deaths >= least and (censored == 0 or censored >= least))


def _square(upper: Vector, rows: int) -> Vector:
    """Return the symmetric matrix of its upper triangle."""
    matrix = np.zeros((rows, rows))
    matrix[np.triu_indices(rows)] = upper
    return matrix + np.triu(matrix, 1).T
