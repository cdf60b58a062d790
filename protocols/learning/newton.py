"""Newton's method, or Fisher's scoring, on sums: exact as on the pooled rows.

Each owner adds the gradient and the information matrix of its rows' log-likelihood at the public
coefficients. A step that makes things worse is halved. The columns are standardised, and
coefficients are blocks of an intercept and one for each column, or, in models without intercepts,
one for each column.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from .job import JobFailed
from .layout import Layout, Part, Shape, Sums, count, real, symmetric
from .penalties import Penalty, penalised_step
from .phases import Phase
from .state import State
from .table import Table, Vector

# An eigenvalue that small, relative to the largest, is what rounding leaves of a zero.
_SINGULAR = 1e-11
# The information falls by so much only where coefficients grow without bound.
_VANISHED = 1e-7
# Steps below this are so near that rounding may hide that they improve anything.
_NEAR = 1e-5
_ROUNDING = 1e-7
_HALVINGS = 60
# So many times a step that leads beyond all models is followed by one that is as long and does too.
_BOUNDLESS = 3
_AS_LONG = 0.99


class Likelihood(Protocol):
    """What rows say about coefficients. Subclass it."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the names of the coefficients, for error texts."""

    def extras(self) -> Mapping[str, Shape]:
        """Return what else is summed at each coefficients; kept in the state by these names."""
        return {}

    def check(self, sums: Sums) -> None:
        """Raise `JobFailed` where the sums show that there is nothing to fit."""

    def unit(self, state: State, sums: Sums) -> float:
        """Return the size that a coefficient of a standardised column typically has.

        It depends on the units of the outcome alone: steps are measured in it.
        """
        return 1.0

    @abstractmethod
    def origin(self, state: State) -> Vector:
        """Return the coefficients (k,) to begin with. Raises `JobFailed`."""

    @abstractmethod
    def terms(self, state: State, beta: Vector, data: Table) -> Mapping[str, Part] | None:
        """Return `gradient`, `information`, `deviance` and the extras; None where beta is no model.

        The gradient is of the log-likelihood, the information its expected negative curvature,
        the deviance twice what the log-likelihood is below the best possible.
        """

    def gauge(self) -> Vector | float:
        """Return what is added to the information to make it regular, as far as it may not be."""
        return 0.0


@dataclass(frozen=True, slots=True)
class Newton(Phase[Table]):
    """Repeated until no coefficient of a standardised column moves by more than `tolerance`.

    Steps are measured in the likelihood's `unit`.

    Arrays of the state: `beta` (k,), `information` (k, k) at the last but one beta, the extras.
    Facts: `deviance`, `max_step`, `objective`, `halvings`.
    """

    likelihood: Likelihood
    penalty: Penalty
    tolerance: float
    name: str = "newton"

    def begin(self, state: State) -> State:
        warm = "warm" in state.arrays
        beta = standard(state.floats("warm"), state) if warm else self.likelihood.origin(state)
        return state.evolved({"beta": beta, "accepted": beta}, halvings=0)

    def layout(self, state: State) -> Layout:
        k = len(self.likelihood.names)
        parts = {"gradient": real(k), "information": symmetric(k), "deviance": real()}
        return Layout({**parts, "outside": count(), **self.likelihood.extras()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        terms = self.likelihood.terms(state, state.floats("beta"), data)
        if terms is None:  # the sum must go on, so that the step can be halved
            return {**self.layout(state).zeros(), "outside": 1.0}
        return {**terms, "outside": 0.0}

    def update(self, state: State, sums: Sums) -> State:
        beta = state.floats("beta")
        first = "objective" not in state.facts
        if sums["outside"] > 0:
            return self._halved(self._bounded(state), beta)
        weights = self.penalty.weights(state, len(beta))
        deviance = float(sums["deviance"])
        objective = deviance / 2 + float(weights[0] @ np.abs(beta) + weights[1] @ beta**2 / 2)
        if not first and objective > state.number("objective") and not self._near(state):
            return self._halved(state, beta)
        self.likelihood.check(sums)
        information = sums["information"] + self.likelihood.gauge()
        least = self._least(state, information + np.diag(weights[1]), lasso=self.penalty.l1 > 0)
        step = penalised_step(beta, sums["gradient"], information, weights)
        max_step = float(np.abs(step).max()) / self.likelihood.unit(state, sums)
        arrays = {name: sums[name] for name in self.likelihood.extras()}
        return state.evolved(
            {**arrays, "information": information, "beta": beta + step, "accepted": beta},
            objective=objective,
            deviance=deviance,
            max_step=max_step,
            still=self._still(state, max_step),
            least=least,
            halvings=0,
        )

    def done(self, state: State) -> bool:
        return state.facts.get("still") is True

    def regrouped(self, state: State) -> State | None:
        if not self.penalty.absent:
            return None  # it weighs coefficients of columns in the scale of all owners
        memory = ("objective", "max_step", "least", "still", "outside_step", "outside_times")
        facts = {name: fact for name, fact in state.facts.items() if name not in memory}
        return replace(state, facts={**facts, "halvings": 0})

    def _near(self, state: State) -> bool:
        return state.number("max_step") <= _NEAR

    def _still(self, state: State, max_step: float) -> bool:
        if "max_step" not in state.facts:
            # A second round is over the same owners, and so are the extras then.
            return False
        if max_step <= self.tolerance:
            return True
        # Steps that stopped shrinking that near to the end are rounding.
        return max_step < _ROUNDING and max_step >= state.number("max_step")

    def _bounded(self, state: State) -> State:
        """Count full steps beyond all models that are as long as those before; refuse the third."""
        if state.count("halvings") or "max_step" not in state.facts:
            return state
        step = state.number("max_step")
        before = state.number("outside_step") if "outside_step" in state.facts else np.inf
        times = state.count("outside_times") + 1 if step >= _AS_LONG * before else 0
        if times == _BOUNDLESS:
            raise self._grown(state)
        return state.evolved(outside_step=step, outside_times=times)

    def _halved(self, state: State, beta: Vector) -> State:
        """Go back half of a step that made things worse."""
        halvings, accepted = state.count("halvings") + 1, state.floats("accepted")
        origin = self.likelihood.origin(state)
        if halvings > _HALVINGS or (beta == origin).all():
            raise JobFailed("no step improves the likelihood any more; scale or check the columns")
        if (beta == accepted).all():  # where another cohort has got to, and no model of this one
            return state.evolved({"beta": origin, "accepted": origin})
        return state.evolved({"beta": (beta + accepted) / 2}, halvings=halvings)

    def _least(self, state: State, curvature: Vector, *, lasso: bool) -> float:
        """Return the least eigenvalue; refuse a matrix that is singular, or becomes so."""
        values, vectors = np.linalg.eigh(curvature)
        before = state.number("least") if "least" in state.facts else float(values[0])
        if lasso:  # has a solution even so
            return before
        if values[0] <= _SINGULAR * values[-1] and "least" not in state.facts:
            raise JobFailed(
                "the Hessian is singular: columns are constant or linearly dependent "
                f"({self._involved(vectors[:, 0])}); leave such columns out or add a penalty"
            )
        if values[0] <= _VANISHED * before:
            raise self._grown(state)
        return before

    def _grown(self, state: State) -> JobFailed:
        involved = self._involved(state.floats("beta") - state.floats("accepted"))
        return JobFailed(
            "the coefficients grow without bound: the columns separate the outcomes perfectly "
            f"({involved}); leave columns out or add a penalty"
        )

    def _involved(self, direction: Vector) -> str:
        heavy = np.abs(direction) > 0.01 * np.abs(direction).max()
        names = [name for name, is_in in zip(self.likelihood.names, heavy, strict=True) if is_in]
        return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def raw(beta: Vector, state: State) -> Vector:
    """Return coefficients (k,) of the columns as they are, for those of the standardised ones."""
    return _transform(state, len(beta)) @ beta


def raw_covariance(state: State) -> Vector:
    """Return the inverse information (k, k), for coefficients of the columns as they are."""
    information = state.floats("information")
    transform = _transform(state, len(information))
    return np.asarray(transform @ np.linalg.inv(information) @ transform.T, dtype=np.float64)


def warm(state: State) -> State:
    """Return what a fit keeps when it begins again: where it is, for columns as they are.

    Nothing was opened yet at this point: the sums of two cohorts at one point would differ by
    just what those who left have added.
    """
    if "beta" in state.arrays:
        return State(arrays={"warm": raw(state.floats("beta"), state)})
    return State(arrays={name: state.arrays[name] for name in ("warm",) if name in state.arrays})


def standard(beta: Vector, state: State) -> Vector:
    """Return coefficients (k,) of the standardised columns; undoes `raw`."""
    scale, mean = state.floats("scale"), state.floats("mean")
    if len(beta) == len(scale):
        return beta * scale
    blocks = beta.reshape(-1, len(scale) + 1)
    intercepts = blocks[:, 0] + blocks[:, 1:] @ mean
    return np.column_stack([intercepts, blocks[:, 1:] * scale]).reshape(-1)


def _transform(state: State, coefficients: int) -> Vector:
    scale, mean = state.floats("scale"), state.floats("mean")
    if coefficients == len(scale):
        return np.diag(1 / scale)
    block = np.diag(np.append(1.0, 1 / scale))
    block[0, 1:] = -mean / scale
    return np.asarray(np.kron(np.eye(coefficients // len(block)), block), dtype=np.float64)
