"""The likelihood of generalised linear models, as Newton's method wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .families import Family
from .job import JobFailed
from .layout import Part, Shape, Sums, count, real
from .newton import Likelihood
from .standardising import standardised
from .state import State
from .table import Kind, Table, Vector


@dataclass(frozen=True, slots=True)
class LinearPredictor(Likelihood):
    """A family's mean as a function of intercept + columns·coefficients.

    `size` names the column of trials or exposures. Extras: `n` rows, `totals` Σy and Σm, the
    `null` deviance at the totals before, `pearson` chi-squared, `base` of the log-likelihood.
    """

    family: Family
    features: tuple[str, ...]
    target: str
    size: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return ("const", *self.features)

    @property
    def outcome(self) -> Kind:
        """Return what an outcome may be; where there are trials it counts successes."""
        return "count" if self.size is not None else self.family.kind

    @property
    def totalled(self) -> tuple[str, ...]:
        """Return the columns whose sums say what the null model is."""
        return (self.target,) if self.size is None else (self.target, self.size)

    def extras(self) -> Mapping[str, Shape]:
        return {
            "n": count(),
            "totals": real(len(self.totalled)),
            **dict.fromkeys(("null", "pearson", "base"), real()),
        }

    def check(self, sums: Sums) -> None:
        if sums["n"] <= len(self.names) and not self.family.known_scale:
            raise JobFailed(
                f"{int(sums['n'])} rows are too few for {len(self.names)} coefficients; "
                "leave columns out"
            )
        if sums["null"] <= 0:
            raise JobFailed("the outcome is the same in all rows: there is nothing to explain")

    def unit(self, state: State, sums: Sums) -> float:
        return self.family.unit(self._mean(state), float(sums["null"] / sums["n"]))

    def origin(self, state: State) -> Vector:
        """Return the null model: an intercept alone."""
        return np.append(self.family.intercept(self._mean(state)), np.zeros(len(self.features)))

    def terms(self, state: State, beta: Vector, data: Table) -> Mapping[str, Part] | None:
        y = data.column(self.target)
        m = np.ones(data.rows) if self.size is None else data.column(self.size)
        x = np.column_stack([np.ones(data.rows), standardised(state, data, self.features)])
        curve = self.family.curve(x @ beta, y, m)
        level = self.family.intercept(self._mean(state))
        null = self.family.curve(np.full(data.rows, level), y, m)
        if curve is None or null is None:
            return None
        residual = y - curve.mean
        # A weight of 0 is a row that says nothing any more, such as a certain outcome.
        weight = np.divide(curve.slope, curve.variance, where=curve.variance > 0, out=0 * y)
        pearson = np.divide(residual**2, curve.variance, where=curve.variance > 0, out=0 * y)
        return {
            "gradient": x.T @ (weight * residual),
            "information": (x.T * (weight * curve.slope)) @ x,
            "deviance": float(curve.deviance.sum()),
            "n": data.rows,
            "totals": np.array([data.column(name).sum() for name in self.totalled]),
            "null": float(null.deviance.sum()),
            "pearson": float(pearson.sum()),
            "base": float(self.family.base(y, m).sum()),
        }

    def _mean(self, state: State) -> float:
        totals = state.floats("totals")
        if self.size is not None:
            return float(totals[0] / totals[1])
        rows = state.floats("n") if "n" in state.arrays else state.number("rows")
        return float(totals[0] / rows)
