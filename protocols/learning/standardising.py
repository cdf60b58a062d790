"""Mean and scale of columns, from sums: the two phases with which most algorithms begin.

The second pass corrects the first (Chan, Golub and LeVeque, "Algorithms for computing the sample
variance", The American Statistician, 1983), so that columns far from zero keep their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .job import JobFailed
from .layout import Layout, Part, Sums, count, reals
from .phases import Phase, note
from .state import State
from .table import Table, Vector

# A deviation that small, relative to the mean, is what rounding leaves of a constant.
_CONSTANT = 1e-14


@dataclass(frozen=True, slots=True)
class Mean(Phase[Table]):
    """n, Σx and, of other columns, `totals` Σy; then `rows` = n and `mean` = Σx / n."""

    columns: tuple[str, ...]
    others: tuple[str, ...] = ()
    name: str = "mean"

    def layout(self, state: State) -> Layout:
        sums = {"sum": reals(self.columns), "totals": reals(self.others)}
        return Layout({"rows": count(), **sums})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {
            "rows": data.rows,
            "sum": data.matrix(self.columns).sum(axis=0),
            "totals": data.matrix(self.others).sum(axis=0),
        }

    def update(self, state: State, sums: Sums) -> State:
        rows = _rows(sums)
        arrays = {"mean": sums["sum"] / rows, "totals": sums["totals"]}
        return state.evolved(arrays, rows=rows)


@dataclass(frozen=True, slots=True)
class Scale(Phase[Table]):
    """Σ(x-μ) and Σ(x-μ)²; then `scale`, the standard deviation over n; 1 for a constant column."""

    columns: tuple[str, ...]
    name: str = "scale"

    def layout(self, state: State) -> Layout:
        return Layout({"remainder": reals(self.columns), "squares": reals(self.columns)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        centred = data.matrix(self.columns) - state.floats("mean")
        return {"remainder": centred.sum(axis=0), "squares": (centred**2).sum(axis=0)}

    def update(self, state: State, sums: Sums) -> State:
        rows, mean = state.number("rows"), state.floats("mean")
        remainder = sums["remainder"] / rows
        scale = np.sqrt(np.maximum(sums["squares"] / rows - remainder**2, 0.0))
        constant = scale <= _CONSTANT * np.abs(mean)
        texts = [
            f"column {name!r} is constant: its scale is 1"
            for name, still in zip(self.columns, constant, strict=True)
            if still
        ]
        arrays = {
            "mean": mean + remainder,
            "scale": np.where(constant, 1.0, scale),
            "constant": constant.astype(np.int64),
        }
        return note(state.evolved(arrays), *texts)


@dataclass(frozen=True, slots=True)
class FreshScale(Scale):
    """A `Scale` that counts rows and totals of other columns once more.

    So all that it leaves is of the owners in its own round, and it goes on without those who have
    left since the `Mean`; for algorithms whose other phases can do so, too.
    """

    others: tuple[str, ...] = ()

    def layout(self, state: State) -> Layout:
        parts = Scale.layout(self, state).parts
        return Layout({"rows": count(), **parts, "totals": reals(self.others)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        totals = data.matrix(self.others).sum(axis=0)
        return {"rows": data.rows, **Scale.local(self, state, data), "totals": totals}

    def update(self, state: State, sums: Sums) -> State:
        rows = _rows(sums)
        return Scale.update(self, state.evolved({"totals": sums["totals"]}, rows=rows), sums)

    def regrouped(self, state: State) -> State:
        return state


def _rows(sums: Sums) -> float:
    rows = float(sums["rows"])
    if rows < 1:
        raise JobFailed("the owners have no rows at all")
    return rows


def standardised(state: State, data: Table, columns: tuple[str, ...]) -> Vector:
    """Return the columns (n, p) of an owner with mean 0 and deviation 1 over all owners."""
    z: Vector = (data.matrix(columns) - state.floats("mean")) / state.floats("scale")
    return z
