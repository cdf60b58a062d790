"""Softmax (multinomial logistic) regression by Newton's method (Böhning, 1992)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .job import JobFailed, require
from .layout import Part, Shape, Sums, count
from .newton import Likelihood, Newton, raw, raw_covariance, warm
from .penalties import Penalty
from .phases import Phase
from .softmax_fit import SoftmaxFit, log_chances
from .standardising import FreshScale, Mean, standardised
from .state import State
from .table import Column, Table, Vector, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True)
class Multinomial(Likelihood):
    """Chances of the classes that are proportional to exp(intercept + columns·coefficients).

    With `reference` the first class has no coefficients, as all of them may be shifted together;
    without, a penalty tells them apart, and the intercepts add up to 0.
    """

    features: tuple[str, ...]
    target: str
    levels: tuple[str, ...]
    reference: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the classes that have coefficients."""
        return self.levels[1:] if self.reference else self.levels

    @property
    def names(self) -> tuple[str, ...]:
        terms = ("const", *self.features)
        return tuple(f"{level}:{term}" for level in self.classes for term in terms)

    def extras(self) -> Mapping[str, Shape]:
        return {"classes": count(len(self.levels))}

    def check(self, sums: Sums) -> None:
        empty = [name for name, n in zip(self.levels, sums["classes"], strict=True) if n == 0]
        if empty:
            raise JobFailed(
                f"no row of any owner is of the class {', '.join(empty)}; leave it out of levels"
            )

    def origin(self, state: State) -> Vector:
        return np.zeros(len(self.names))

    def terms(self, state: State, beta: Vector, data: Table) -> Mapping[str, Part]:
        x = np.column_stack([np.ones(data.rows), standardised(state, data, self.features)])
        members = np.equal.outer(data.column(self.target), np.arange(len(self.levels)))
        logs = log_chances(x, beta, reference=self.reference)
        own = slice(1, None) if self.reference else slice(None)
        y, p = members[:, own].astype(np.float64), np.exp(logs[:, own])
        blocks = [
            [(x.T * (p[:, k] * ((k == j) - p[:, j]))) @ x for j in range(len(self.classes))]
            for k in range(len(self.classes))
        ]
        return {
            "gradient": ((y - p).T @ x).reshape(-1),
            "information": np.block(blocks),
            "deviance": float(-2 * logs[members].sum()),
            "classes": members.sum(axis=0),
        }

    def gauge(self) -> Vector | float:
        if self.reference:
            return 0.0
        first = np.zeros(len(self.features) + 1)
        first[0] = 1.0
        alike = np.tile(first, len(self.levels))
        return np.outer(alike, alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Tabular):
    """Tells the classes `levels` of the target apart.

    Attributes:
        alpha: weight of Σb²/2 over all coefficients but the intercepts, scikit-learn's 1/C. With 0
            there is no penalty, the first level is the reference, and there are standard errors.
        scaled: penalise the coefficients of standardised columns, else of those as they are.
    """

    features: tuple[str, ...]
    target: str
    levels: tuple[str, ...]
    alpha: float = 0.0
    scaled: bool = True
    tolerance: float = 1e-10
    max_rounds: int = 100

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(len(self.levels) >= 2, "levels must name two classes or more")
        require(self.alpha >= 0, "alpha must be 0 (no penalty) or more")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        outcome = Column(name=self.target, kind="class", levels=self.levels)
        return (*numbers(self.features), outcome)

    def model(self) -> Multinomial:
        """Return the likelihood."""
        return Multinomial(self.features, self.target, self.levels, self.alpha == 0)

    def parameters(self) -> int:
        return len(self.model().names)

    def phases(self) -> Sequence[Phase[Table]]:
        penalty = Penalty(l2=self.alpha, scaled=self.scaled)
        newton = Newton(self.model(), penalty, self.tolerance)
        return Mean(self.features), FreshScale(self.features), newton

    def kept(self, state: State) -> State:
        return warm(state)

    def metrics(self, state: State) -> dict[str, float]:
        names = ("deviance", "max_step")
        return {name: state.number(name) for name in names if name in state.facts}

    def fit(self, state: State) -> SoftmaxFit | None:
        if state.facts.get("converged") is not True:
            return None
        model, shape = self.model(), (-1, len(self.features) + 1)
        errors = None
        if model.reference:
            errors = np.sqrt(np.diag(raw_covariance(state))).reshape(shape)
        sizes = state.floats("classes")
        return SoftmaxFit(
            target=self.target,
            levels=self.levels,
            names=("const", *self.features),
            estimates=raw(state.floats("beta"), state).reshape(shape),
            errors=errors,
            deviations=state.floats("scale"),
            alpha=self.alpha,
            rows=int(sizes.sum()),
            deviance=state.number("deviance"),
            null_deviance=float(-2 * np.sum(sizes * np.log(sizes / sizes.sum()))),
            rounds=state.count("round"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )
