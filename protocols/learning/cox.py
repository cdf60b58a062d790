"""Cox's proportional hazards (Cox, "Regression models and life-tables", 1972)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .concordance import Concordance
from .cox_fit import CoxFit
from .cox_pooled import CellCounts, PooledNewton
from .job import JobFailed, require
from .layout import Part, Shape, Sums, count, real
from .newton import Likelihood, Newton, raw, raw_covariance, warm
from .partial_likelihood import Ties, partial
from .penalties import Penalty
from .phases import Phase
from .standardising import FreshScale, Mean, Scale, standardised
from .state import State
from .survival import Grid, observed, survival_columns
from .table import Column, Table, Vector, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True)
class OwnRiskSets(Likelihood):
    """Hazards that are proportional to exp(columns·coefficients) within each owner.

    Extras: `n` rows, `events`, `null`, the log-likelihood without columns.
    """

    features: tuple[str, ...]
    time: str
    event: str
    ties: Ties

    @property
    def names(self) -> tuple[str, ...]:
        return self.features

    def extras(self) -> Mapping[str, Shape]:
        return {"n": count(), "events": count(), "null": real()}

    def check(self, sums: Sums) -> None:
        if sums["events"] == 0:
            raise JobFailed("no owner has an event: there is nothing to fit")

    def origin(self, state: State) -> Vector:
        return np.zeros(len(self.features))

    def terms(self, state: State, beta: Vector, data: Table) -> Mapping[str, Part] | None:
        seen = observed(data, self.time, self.event)
        x = standardised(state, data, self.features)
        found = partial(x, x @ beta, seen, self.ties)
        null = partial(x, np.zeros(data.rows), seen, self.ties)
        if found is None or null is None:
            return None
        return {
            "gradient": found.gradient,
            "information": found.information,
            "deviance": -2 * found.log_likelihood,
            "n": data.rows,
            "events": seen.events.sum(),
            "null": null.log_likelihood,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cox(Tabular):
    """Proportional hazards with standard errors, as on the pooled rows.

    Attributes:
        time: column of times, above 0; `event` is 1 where they end with an event, else 0.
        pooled: False makes each owner a stratum with a baseline hazard of its own, and opens
            sums over all rows only. True compares rows of all owners with each other, on the grid
            step, 2·step ... until; sums over those who leave in one cell of it are opened.
        least: rows that each cell of a pooled fit must have; smaller ones are joined. By default
            so many that their values are more than what ten rounds open of the cell.
        tolerance: converged when no coefficient of the standardised columns moves by more.
    """

    features: tuple[str, ...]
    time: str
    event: str
    ties: Ties = "efron"
    pooled: bool = False
    step: float = 1.0
    until: float | None = None
    least: int | None = None
    tolerance: float = 1e-10
    max_rounds: int = 100

    def __post_init__(self) -> None:
        require(self.time != self.event, "time and event must be different columns")
        require_features(self.features)
        apart = not {self.time, self.event} & set(self.features)
        require(apart, "time or event is among the features")
        require(self.ties in ("efron", "breslow"), "ties must be efron or breslow")
        gridded = self.until is not None
        require(self.pooled == gridded, "until, the end of the grid, goes with pooled = true")
        self._grid()
        require(self.least is None or self.least >= 1, "least must be 1 or more")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return (*numbers(self.features), *survival_columns(self.time, self.event))

    def parameters(self) -> int:
        return len(self.features)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        # Points are joined to cells later, and have been counted apart by then.
        return self._cells().crowds(data) if self.pooled else Tabular.cells(self, state, data)

    def phases(self) -> Sequence[Phase[Table]]:
        model = OwnRiskSets(self.features, self.time, self.event, self.ties)
        if self.pooled:
            cells = self._cells()
            pooled = PooledNewton(model, Penalty(), self.tolerance, counts=cells, ties=self.ties)
            return cells, Mean(self.features), Scale(self.features), pooled
        ranks = Concordance(self.features, self.time, self.event)
        newton = Newton(model, Penalty(), self.tolerance)
        return Mean(self.features), FreshScale(self.features), newton, ranks

    def kept(self, state: State) -> State:
        return warm(state)

    def metrics(self, state: State) -> dict[str, float]:
        names = ("deviance", "max_step")
        return {name: state.number(name) for name in names if name in state.facts}

    def fit(self, state: State) -> CoxFit | None:
        if state.facts.get("converged") is not True:
            return None
        remarks = state.items("remarks") if self.pooled else []
        return CoxFit(
            time=self.time,
            event=self.event,
            names=self.features,
            estimates=raw(state.floats("beta"), state),
            covariance=raw_covariance(state),
            means=state.floats("mean"),
            deviations=state.floats("scale"),
            ties=self.ties,
            pooled=self.pooled,
            rows=int(state.floats("n")),
            events=int(state.floats("events")),
            log_likelihood=-state.number("deviance") / 2,
            null_log_likelihood=float(state.floats("null")),
            concordance=None if self.pooled else state.number("concordance"),
            ends=self._cells().ends(state) if self.pooled else np.zeros(0),
            hazard=state.floats("hazard") if self.pooled else np.zeros(0),
            rounds=state.count("round"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(map(str, state.items("notes") + remarks)),
        )

    def _grid(self) -> Grid:
        return Grid(self.step, self.step if self.until is None else self.until)

    def _cells(self) -> CellCounts:
        return CellCounts(self.time, self.event, self._grid(), least=self._least())

    def _least(self) -> int:
        p = len(self.features)
        return -(-10 * (1 + p + p * (p + 1) // 2) // p) if self.least is None else self.least
