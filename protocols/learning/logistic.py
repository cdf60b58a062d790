"""L2-penalised logistic regression by Newton's method on sums, exact as on the pooled rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .families import Binomial
from .job import require
from .linear_predictor import LinearPredictor
from .penalised_fit import PenalisedFit
from .penalties import Penalty
from .regression import Regression, penalised_fit
from .standardising import standardised
from .state import State
from .table import Table
from .tabular import require_features


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic(Regression):
    """Minimises Σ logloss + ‖coef‖²/(2C), the intercept free, like scikit-learn.

    The result is `coefficients` (p,) and `intercept`, for columns (x - `mean`) / `scale`;
    `raw_coefficients` (1 + p,) are those of the columns as they are, after their constant.

    Attributes:
        C: weight of the data against the penalty; inf is no penalty.
        tolerance: converged when no coefficient moves by more.
        max_rounds: counts all rounds, those before a restart too.
    """

    features: tuple[str, ...]
    target: str
    C: float = 1.0
    tolerance: float = 1e-9
    max_rounds: int = 60

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(self.C > 0, "C must be above 0")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def model(self) -> LinearPredictor:
        return LinearPredictor(Binomial(), self.features, self.target)

    def penalty(self) -> Penalty:
        return Penalty(l2=1 / self.C)

    def fit(self, state: State) -> PenalisedFit | None:
        return penalised_fit("logistic", self, state)

    def result(self, state: State) -> dict[str, object]:
        fit = self.fit(state)
        if fit is None:
            return {}
        intercept, *coefficients = state.floats("beta").tolist()
        found = fit.to_json()
        return {
            **{name: found[name] for name in found if name not in ("coefficients", "deviations")},
            "raw_coefficients": found["coefficients"],
            "features": list(self.features),
            "coefficients": coefficients,
            "intercept": intercept,
            "mean": state.floats("mean").tolist(),
            "scale": state.floats("scale").tolist(),
        }

    def evaluate(self, state: State, data: Table) -> dict[str, float]:
        intercept, coefficients = state.floats("beta")[0], state.floats("beta")[1:]
        eta = intercept + standardised(state, data, self.features) @ coefficients
        y = data.column(self.target)
        return {
            "loss": float(np.mean(np.logaddexp(0.0, eta) - y * eta)),
            "accuracy": float(np.mean((eta > 0) == (y == 1))),
        }
