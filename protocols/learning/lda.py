"""Linear discriminant analysis (Fisher, 1936; Rao, 1948): normal classes of equal covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .classes import ClassMeans, ClassSizes, Within
from .job import JobFailed, require
from .layout import Sums
from .lda_fit import LdaFit
from .phases import Phase
from .standardising import Mean, Scale
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular, require_features

# An eigenvalue that small, relative to the largest, is what rounding leaves of a zero.
_SINGULAR = 1e-11


@dataclass(frozen=True, slots=True)
class Regular(Within):
    """The covariance within classes, which must not be singular."""

    def update(self, state: State, sums: Sums) -> State:
        state = Within.update(self, state, sums)
        values, vectors = np.linalg.eigh(state.floats("within"))
        if values[0] <= _SINGULAR * values[-1]:
            heavy = np.abs(vectors[:, 0]) > 0.01 * np.abs(vectors[:, 0]).max()
            names = [n for n, is_in in zip(self.means.columns, heavy, strict=True) if is_in]
            raise JobFailed(
                "columns are constant within the classes or linearly dependent "
                f"({', '.join(names[:8])}{', ...' if len(names) > 8 else ''}); leave such out"
            )
        return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Lda(Tabular):
    """Tells the classes `levels` of the target apart, in five rounds.

    `least` rows each class must have.
    """

    features: tuple[str, ...]
    target: str
    levels: tuple[str, ...]
    least: int = 5
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(len(self.levels) >= 2, "levels must name two classes or more")
        require(self.least >= 1, "least must be 1 or more")
        require(self.max_rounds >= 5, "max_rounds must be 5 or more")

    def columns(self) -> tuple[Column, ...]:
        outcome = Column(name=self.target, kind="class", levels=self.levels)
        return (*numbers(self.features), outcome)

    def parameters(self) -> int:
        # From as many products and means as rows, the rows follow up to a rotation.
        return len(self.features) + len(self.levels)

    def phases(self) -> Sequence[Phase[Table]]:
        means = ClassMeans(self.features, self.target, self.levels)
        sizes = ClassSizes(self.target, self.levels, self.least)
        return Mean(self.features), Scale(self.features), sizes, means, Regular(means)

    def fit(self, state: State) -> LdaFit | None:
        if state.facts.get("converged") is not True:
            return None
        mean, scale = state.floats("mean"), state.floats("scale")
        means, sizes, within = (state.floats(name) for name in ("means", "sizes", "within"))
        priors = sizes / sizes.sum()
        # Columns are centred and scaled, so the weights of z and of x differ by the scale alone.
        weights = np.linalg.solve(within, means.T).T
        offsets = np.log(priors) - (weights * means).sum(axis=1) / 2
        values, axes = np.linalg.eigh(within)
        whiten = axes / np.sqrt(values)
        rank = min(len(self.levels) - 1, len(mean))
        _, spread, turned = np.linalg.svd(np.sqrt(sizes)[:, None] * means @ whiten)
        return LdaFit(
            target=self.target,
            levels=self.levels,
            names=self.features,
            sizes=sizes,
            mean=mean,
            means=mean + means * scale,
            coefficients=weights / scale,
            intercepts=offsets - (weights / scale) @ mean,
            directions=(whiten @ turned[:rank].T) / scale[:, None],
            ratios=spread[:rank] ** 2 / (spread[:rank] ** 2).sum(),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )
