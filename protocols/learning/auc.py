"""How well a score tells two outcomes apart: the area under the ROC curve, from two histograms.

Owners count their scores of both outcomes on a public grid. Two scores in different cells are in
their true order, two in the same cell count as a tie; so the area is exact where a cell holds one
value only, and elsewhere off by half the pairs that share a cell at most, which is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .distributions import normal_quantile
from .fits import heading, plain
from .histogram import even_edges, require_range
from .job import JobFailed, require
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Column, Table, Vector
from .tabular import Tabular

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Scores(Phase[Table]):
    """Scores of both outcomes in each cell; then `counts` (2, cells), negatives first.

    The first and the last cell take in all scores beyond the grid.
    """

    target: str
    score: str
    name: str = "scores"

    def layout(self, state: State) -> Layout:
        return Layout({"counts": count(2, len(state.arrays["edges"]) - 1)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {"counts": self.counts(state, data)}

    def counts(self, state: State, data: Table) -> NDArray[np.int64]:
        """Return an owner's counts (2, cells)."""
        inner = state.floats("edges")[1:-1]
        cells = np.searchsorted(inner, data.column(self.score), side="right")
        outcomes = data.column(self.target)
        sides = [np.bincount(cells[outcomes == y], minlength=len(inner) + 1) for y in (0, 1)]
        return np.array(sides, dtype=np.int64)

    def update(self, state: State, sums: Sums) -> State:
        if (sums["counts"].sum(axis=1) < 1).any():
            raise JobFailed("the outcome is the same in all rows of all owners")
        return state.evolved({"counts": sums["counts"].astype(np.int64)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc(Tabular):
    """The area under the ROC curve of `score` for `target`, 0 or 1, in one round.

    Attributes:
        bins: cells of equal width between `least` and `most`, which are public.
    """

    target: str
    score: str
    least: float = 0.0
    most: float = 1.0
    bins: int = 20
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require(self.target != self.score, "target and score are the same column; name two")
        require_range(self.least, self.most, self.bins)
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return (Column(name=self.score), Column(name=self.target, kind="0 or 1"))

    def started(self) -> State:
        return State(arrays={"edges": even_edges(self.least, self.most, self.bins)})

    def phases(self) -> Sequence[Phase[Table]]:
        return (Scores(self.target, self.score),)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        return Scores(self.target, self.score).counts(state, data).ravel()

    def fit(self, state: State) -> AucFit | None:
        if state.facts.get("converged") is not True:
            return None
        return AucFit(
            target=self.target,
            score=self.score,
            edges=state.floats("edges"),
            counts=state.arrays["counts"].astype(np.int64),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AucFit:
    """The area with its bound and its error; counts (2, cells) on a grid, negatives first."""

    target: str
    score: str
    edges: Vector = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def area(self) -> float:
        """Return the area; scores in one cell count as ties."""
        below, _ = self._placements()
        return float(self.counts[1] @ below / self.counts[1].sum())

    @property
    def bound(self) -> float:
        """Return how far the area of the scores themselves may be from it at most."""
        negatives, positives = self.counts
        return float(negatives @ positives / (2 * negatives.sum() * positives.sum()))

    @property
    def error(self) -> float:
        """Return the standard error by DeLong, DeLong and Clarke-Pearson (1988)."""
        return math.sqrt(
            sum(
                _variance(placement, counts) / counts.sum()
                for placement, counts in zip(self._placements(), self.counts[::-1], strict=True)
            )
        )

    @property
    def curve(self) -> Vector:
        """Return the ROC curve (cells + 1, 2): rates of false and of true positives, upwards."""
        found = np.cumsum(self.counts[:, ::-1], axis=1) / self.counts.sum(axis=1, keepdims=True)
        return np.vstack([np.zeros(2), found.T])

    def interval(self, level: float = _LEVEL) -> tuple[float, float]:
        """Return the confidence interval of the area, within 0 and 1."""
        half = normal_quantile((1 + level) / 2) * self.error
        return max(0.0, self.area - half), min(1.0, self.area + half)

    def _placements(self) -> tuple[Vector, Vector]:
        """Return by cell the part of negatives below a positive, of positives above a negative."""
        negatives, positives = self.counts.astype(np.float64)
        below = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
        above = 1 - (np.cumsum(positives) - positives / 2) / positives.sum()
        return below, above

    def summary(self) -> str:
        """Return the area and how certain it is."""
        low, high = self.interval()
        negatives, positives = self.counts.sum(axis=1).tolist()
        left = [
            ("Outcome:", self.target),
            ("Score:", self.score),
            ("Positives / negatives:", f"{positives} / {negatives}"),
            ("Owners:", str(len(self.owners))),
        ]
        right = [
            ("AUC:", f"{self.area:.6f}"),
            ("Within, for the grid:", f"{self.bound:.2g}"),
            ("Std. Error:", f"{self.error:.6f}"),
            ("95% Interval:", f"{low:.4f} to {high:.4f}"),
        ]
        return "\n".join([heading(f"ROC over {len(self.owners)} Owners", left, right), *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        negatives, positives = self.counts
        found: dict[str, object] = {
            "model": "auc",
            "target": self.target,
            "score": self.score,
            "auc": self.area,
            "bound": self.bound,
            "standard_error": self.error,
            "interval": self.interval(),
            "edges": self.edges,
            "positives": positives,
            "negatives": negatives,
            "rows": int(self.counts.sum()),
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}


def _variance(values: Vector, counts: NDArray[np.int64]) -> float:
    n = int(counts.sum())
    if n < 2:
        return math.nan
    mean = counts @ values / n
    return float(counts @ (values - mean) ** 2 / (n - 1))
