"""Penalised generalised linear models: the elastic net, the lasso, and ridge regression.

Zou and Hastie, "Regularization and variable selection via the elastic net", 2005; in the scale of
scikit-learn's `ElasticNet` and `Ridge`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .families import FamilyName, LinkName, family_of
from .job import require
from .linear_predictor import LinearPredictor
from .penalised_fit import PenalisedFit
from .penalties import Penalty
from .regression import Regression, penalised_fit
from .state import State
from .tabular import require_features


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticNet(Regression):
    """Minimises deviance/(2n) + alpha·(l1_ratio·Σ|b| + (1 - l1_ratio)·Σb²/2), the intercept free.

    Attributes:
        alpha: strength of the penalty.
        l1_ratio: 1 is the lasso, 0 ridge.
        scaled: penalise the coefficients of standardised columns, else those of the columns as
            they are, like scikit-learn.
    """

    features: tuple[str, ...]
    target: str
    family: FamilyName = "gaussian"
    link: LinkName | None = None
    alpha: float = 1.0
    l1_ratio: float = 0.5
    scaled: bool = False
    tolerance: float = 1e-10
    max_rounds: int = 200

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(self.alpha > 0, "alpha must be above 0; without a penalty use glm")
        require(0 <= self.l1_ratio <= 1, "l1_ratio must be between 0 and 1")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        family_of(self.family, self.link)

    def model(self) -> LinearPredictor:
        return LinearPredictor(family_of(self.family, self.link), self.features, self.target)

    def penalty(self) -> Penalty:
        return Penalty(
            l1=self.alpha * self.l1_ratio,
            l2=self.alpha * (1 - self.l1_ratio),
            per_row=True,
            scaled=self.scaled,
        )

    def fit(self, state: State) -> PenalisedFit | None:
        return penalised_fit("elastic_net", self, state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge(Regression):
    """Minimises Σ(y - b0 - x·b)² + alpha·Σb², the intercept free."""

    features: tuple[str, ...]
    target: str
    alpha: float = 1.0
    scaled: bool = False
    tolerance: float = 1e-10
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(self.alpha > 0, "alpha must be above 0; without a penalty use glm")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def model(self) -> LinearPredictor:
        return LinearPredictor(family_of("gaussian"), self.features, self.target)

    def penalty(self) -> Penalty:
        return Penalty(l2=self.alpha, scaled=self.scaled)

    def fit(self, state: State) -> PenalisedFit | None:
        return penalised_fit("ridge", self, state)
