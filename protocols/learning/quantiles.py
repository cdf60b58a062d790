"""Quantiles of a column by secure counts: a public range is narrowed round by round.

In each round owners count their rows up to 15 points that cut the range where a quantile lies
into 16 parts, so each round gains four binary digits. The quantile is the smallest value that at
least a fraction q of all rows does not exceed, numpy's `inverted_cdf`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .fits import coefficients, heading, plain, short
from .histogram import require_range
from .job import JobFailed, require
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Column, Table, Vector
from .tabular import Tabular

_PARTS = 16


@dataclass(frozen=True, slots=True)
class Narrowing(Phase[Table]):
    """Rows up to each of the `cuts` (q, 15); then `lower` and `upper` (q,) around each quantile."""

    column: str
    at: tuple[float, ...]
    least: float
    most: float
    precision: float
    name: str = "narrowing"

    def begin(self, state: State) -> State:
        q = len(self.at)
        return _cut(state, np.full(q, float(self.least)), np.full(q, float(self.most)))

    def layout(self, state: State) -> Layout:
        cuts = count(len(self.at), _PARTS - 1)
        return Layout({"rows": count(), "below": count(), "above": count(), "up to": cuts})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        values = np.sort(data.column(self.column))
        return {
            "rows": data.rows,
            "below": int(np.searchsorted(values, self.least, side="left")),
            "above": data.rows - int(np.searchsorted(values, self.most, side="right")),
            "up to": np.searchsorted(values, state.floats("cuts"), side="right"),
        }

    def update(self, state: State, sums: Sums) -> State:
        rows = int(sums["rows"])
        if rows < 1:
            raise JobFailed("the owners have no rows at all")
        lower, upper, cuts = (state.floats(name).copy() for name in ("lower", "upper", "cuts"))
        for place, q in enumerate(self.at):
            rank = _rank(q, rows)
            if int(sums["below"]) >= rank or rows - int(sums["above"]) < rank:
                side = "below" if int(sums["below"]) >= rank else "above"
                raise JobFailed(
                    f"the quantile {q:g} lies {side} the public range {self.least:g} to "
                    f"{self.most:g}; widen it"
                )
            part = int(np.searchsorted(sums["up to"][place], rank, side="left"))
            bounds = [lower[place], *cuts[place], upper[place]]
            lower[place], upper[place] = bounds[part], bounds[part + 1]
        return _cut(state.evolved(rows=rows), lower, upper)

    def done(self, state: State) -> bool:
        widths = state.floats("upper") - state.floats("lower")
        return bool((widths <= 2 * self.precision).all())


def _cut(state: State, lower: Vector, upper: Vector) -> State:
    # In the state, so that all owners have the same points to the last bit.
    steps = np.arange(1, _PARTS) / _PARTS
    cuts = lower[:, None] + (upper - lower)[:, None] * steps
    return state.evolved({"lower": lower, "upper": upper, "cuts": cuts})


def _rank(q: float, rows: int) -> int:
    """Return which row in order is the quantile, from 1; of 0.55 as it is written, not stored."""
    return max(1, math.ceil(Fraction(repr(q)) * rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles(Tabular):
    """Quantiles of a column, each to within `precision`.

    Attributes:
        at: fractions of the rows, above 0 and below 1; no smallest or largest value is ever found.
        least, most: a public range in which the quantiles lie.
    """

    column: str
    least: float
    most: float
    precision: float
    at: tuple[float, ...] = (0.25, 0.5, 0.75)
    max_rounds: int = 60

    def __post_init__(self) -> None:
        require_range(self.least, self.most, 1)
        require(len(self.at) > 0, "at must name one fraction or more")
        require(all(0 < q < 1 for q in self.at), "at must be above 0 and below 1")
        spacing = float(np.spacing(max(abs(self.least), abs(self.most))))
        require(self.precision >= spacing, f"precision must be {spacing:.2g} or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return (Column(name=self.column),)

    def phases(self) -> Sequence[Phase[Table]]:
        return (Narrowing(self.column, self.at, self.least, self.most, self.precision),)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        # A quantile with hardly any row beyond it is about those rows.
        sides = [side for q in self.at for side in (q, 1 - q)]
        return np.array([max(1, math.floor(side * data.rows)) for side in sides], dtype=np.int64)

    def fit(self, state: State) -> QuantilesFit | None:
        if state.facts.get("converged") is not True:
            return None
        return QuantilesFit(
            column=self.column,
            at=self.at,
            lower=state.floats("lower"),
            upper=state.floats("upper"),
            rows=int(state.number("rows")),
            rounds=state.count("round"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantilesFit:
    """Quantiles (q,) with what is certain of each: it lies between `lower` and `upper` (q,)."""

    column: str
    at: tuple[float, ...]
    lower: Vector = field(repr=False)
    upper: Vector = field(repr=False)
    rows: int
    rounds: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def values(self) -> Vector:
        """Return the middle (q,) of what is certain."""
        return self.lower + (self.upper - self.lower) / 2

    @property
    def errors(self) -> Vector:
        """Return how far (q,) a quantile may be from its value at most."""
        return (self.upper - self.lower) / 2

    def summary(self) -> str:
        """Return the quantiles with their bounds."""
        left = [("Column:", self.column), ("Owners:", str(len(self.owners)))]
        right = [("No. Observations:", str(self.rows)), ("No. Iterations:", str(self.rounds))]
        top = heading(f"Quantiles over {len(self.owners)} Owners", left, right)
        columns = (self.values, self.errors, self.lower, self.upper)
        rows = [
            (short(value), f"{error:.2g}", f"{low:.10g}", f"{high:.10g}")
            for value, error, low, high in zip(*columns, strict=True)
        ]
        names = [f"{q:g}" for q in self.at]
        table = coefficients(names, ("quantile", "within", "from", "to"), rows)
        return "\n".join([top, table, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: dict[str, object] = {
            "model": "quantiles",
            "column": self.column,
            "at": self.at,
            "values": self.values,
            "errors": self.errors,
            "lower": self.lower,
            "upper": self.upper,
            "rows": self.rows,
            "rounds": self.rounds,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
