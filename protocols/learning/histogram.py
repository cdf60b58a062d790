"""How many rows lie in each of some public bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .fits import WIDTH, heading, plain, short
from .job import JobFailed, require
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Column, Table, Vector
from .tabular import Tabular

MOST_BINS = 100_000
_SHOWN = 60


def require_range(least: float, most: float, bins: int) -> None:
    """Raise `ValueError` unless this is a range that can be cut into so many bins."""
    finite = bool(np.isfinite(least) and np.isfinite(most))
    require(finite and least < most, "least must be below most, and both finite")
    require(1 <= bins <= MOST_BINS, f"bins must be 1 to {MOST_BINS}")


def even_edges(least: float, most: float, bins: int) -> Vector:
    """Return the edges (bins + 1,) of bins of equal width."""
    return np.linspace(least, most, bins + 1)


@dataclass(frozen=True, slots=True)
class Bins(Phase[Table]):
    """Rows below the first edge, in each bin, and above the last; then `counts` (bins + 2,).

    The edges stand in the state, so that all owners have the same to the last bit. A bin holds
    its left edge; the last one holds both.
    """

    column: str
    name: str = "bins"

    def layout(self, state: State) -> Layout:
        return Layout({"counts": count(len(state.arrays["edges"]) + 1)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {"counts": self.counts(state, data)}

    def counts(self, state: State, data: Table) -> NDArray[np.int64]:
        """Return an owner's counts (bins + 2,)."""
        edges, values = state.floats("edges"), data.column(self.column)
        places = np.searchsorted(edges, values, side="right")
        places[values == edges[-1]] = len(edges) - 1
        return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)

    def update(self, state: State, sums: Sums) -> State:
        if sums["counts"].sum() < 1:
            raise JobFailed("the owners have no rows at all")
        return state.evolved({"counts": sums["counts"].astype(np.int64)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Tabular):
    """Counts the rows of a column in `bins` of equal width between public bounds, in one round."""

    column: str
    least: float
    most: float
    bins: int = 10
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_range(self.least, self.most, self.bins)
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return (Column(name=self.column),)

    def started(self) -> State:
        return State(arrays={"edges": even_edges(self.least, self.most, self.bins)})

    def phases(self) -> Sequence[Phase[Table]]:
        return (Bins(self.column),)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        return Bins(self.column).counts(state, data)

    def fit(self, state: State) -> HistogramFit | None:
        if state.facts.get("converged") is not True:
            return None
        below, *counts, above = state.arrays["counts"].tolist()
        return HistogramFit(
            column=self.column,
            edges=state.floats("edges"),
            counts=np.array(counts, dtype=np.int64),
            below=int(below),
            above=int(above),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramFit:
    """Rows (bins,) between edges (bins + 1,), and how many are outside of all bins."""

    column: str
    edges: Vector = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    below: int
    above: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows there are, in bins or not."""
        return int(self.counts.sum()) + self.below + self.above

    def summary(self) -> str:
        """Return the bins with bars; `_SHOWN` bins at most."""
        left = [("Column:", self.column), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Below / above:", f"{self.below} / {self.above}"),
        ]
        top = heading(f"Histogram over {len(self.owners)} Owners", left, right)
        largest = max(int(self.counts.max()), 1)
        lines = []
        for place, n in enumerate(self.counts[:_SHOWN].tolist()):
            low, high = short(self.edges[place]), short(self.edges[place + 1])
            start = f"{low:>12} to {high:>12} {n:>10}  "
            lines.append(start + "▇" * round(n / largest * (WIDTH - len(start))))
        more = len(self.counts) - _SHOWN
        lines += [f"… {more} bins more"] if more > 0 else []
        return "\n".join([top, *lines, "=" * WIDTH, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: dict[str, object] = {
            "model": "histogram",
            "column": self.column,
            "edges": self.edges,
            "counts": self.counts,
            "below": self.below,
            "above": self.above,
            "rows": self.rows,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
