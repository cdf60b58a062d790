"""Gaussian naive Bayes: in each class every column is normal, and independent of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .classes import ClassMeans, ClassSizes, ClassVariances
from .job import require
from .naive_bayes_fit import NaiveBayesFit
from .phases import Phase
from .standardising import Mean, Scale
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveBayes(Tabular):
    """Tells the classes `levels` of the target apart, in five rounds.

    Attributes:
        smoothing: added to every variance, as a part of the largest variance of a column.
        least: rows that each class must have.
    """

    features: tuple[str, ...]
    target: str
    levels: tuple[str, ...]
    smoothing: float = 1e-9
    least: int = 5
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(len(self.levels) >= 2, "levels must name two classes or more")
        require(self.smoothing > 0, "smoothing must be above 0")
        require(self.least >= 1, "least must be 1 or more")
        require(self.max_rounds >= 5, "max_rounds must be 5 or more")

    def columns(self) -> tuple[Column, ...]:
        outcome = Column(name=self.target, kind="class", levels=self.levels)
        return (*numbers(self.features), outcome)

    def phases(self) -> Sequence[Phase[Table]]:
        means = ClassMeans(self.features, self.target, self.levels)
        return (
            Mean(self.features),
            Scale(self.features),
            ClassSizes(self.target, self.levels, self.least),
            means,
            ClassVariances(means),
        )

    def fit(self, state: State) -> NaiveBayesFit | None:
        if state.facts.get("converged") is not True:
            return None
        scale, varies = state.floats("scale"), state.arrays["constant"] == 0
        largest = float((np.where(varies, scale, 0) ** 2).max())
        return NaiveBayesFit(
            target=self.target,
            levels=self.levels,
            names=self.features,
            sizes=state.floats("sizes"),
            means=state.floats("mean") + state.floats("means") * scale,
            # Where every column is constant, nothing but the sizes tells classes apart.
            variances=state.floats("variances") * scale**2 + self.smoothing * (largest or 1.0),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )
