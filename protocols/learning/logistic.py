"""L2-penalised logistic regression by Newton's method on sums, exact as on the pooled rows.

The columns are standardised first, through sums of their own: raw columns would leave no
headroom in fixed point and too few digits. Four phases:

    mean    n, Σx
    spread  Σ|x-μ|
    scale   Σ((x-μ)/spread)²    near 1 per row, so that a column in small units keeps its digits
    newton  gradient, Hessian and log-likelihood at the current coefficients, until converged

All sums must be over one cohort. When it changes, the job begins again with the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .job import Algorithm, JobFailed, Opened, Verdict, finite, require
from .layout import Layout, Part, Symmetric
from .state import State

Vector = NDArray[np.float64]

# A mean deviation that small, relative to the mean, is what rounding leaves of a constant.
_CONSTANT = 1e-9
# Below this, an eigenvalue of the Hessian is noise of the fixed point.
_SINGULAR = 1e-7
# Steps below this are in the quadratic region, where rounding may hide that they improve.
_NEAR = 1e-4
_HALVINGS = 40


class Rows(Protocol):
    """An owner's rows: `x` (n, p) in the order of the features, `y` (n,) of 0 and 1."""

    @property
    def x(self) -> Vector: ...

    @property
    def y(self) -> Vector: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic(Algorithm[Rows]):
    """Minimises Σ logloss + ‖coef‖²/(2C), the intercept free, like scikit-learn.

    The result is `coef` (p,) and `intercept` (), for columns (x - `mean`) / `scale`.

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
        require(len(self.features) > 0, "features must name one column or more")
        require(len(set(self.features)) == len(self.features), "a feature named twice")
        require(self.target not in self.features, "the target is among the features")
        require(self.C > 0, "C must be above 0")
        require(self.tolerance > 0, "tolerance must be above 0")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def start(self) -> State:
        """Return the state before the first round."""
        return State(
            facts={
                "phase": "mean",
                "round": 0,
                "restarts": 0,
                "cohort": [],
                "notes": [],
                "history": [],
                "features": list(self.features),
                "converged": False,
            }
        )

    def layout(self, state: State) -> Layout:
        p = len(self.features)
        match state.text("phase"):
            case "mean":
                return Layout({"rows": (), "sum": (p,)})
            case "spread":
                return Layout({"absolute deviation": (p,)})
            case "scale":
                return Layout({"squared deviation": (p,)})
        return Layout(
            {
                "gradient": (p + 1,),
                "hessian": Symmetric(p + 1),
                "log-likelihood": (),
                "rows": (),
            }
        )

    def local(self, state: State, data: Rows) -> Vector:
        layout = self.layout(state)
        phase = state.text("phase")
        if phase == "mean":
            return layout.pack({"rows": len(data.y), "sum": data.x.sum(axis=0)})
        centred = data.x - state.floats("mean")
        if phase == "spread":
            return layout.pack({"absolute deviation": np.abs(centred).sum(axis=0)})
        if phase == "scale":
            squares = (centred / state.floats("spread")) ** 2
            return layout.pack({"squared deviation": squares.sum(axis=0)})
        return layout.pack(_likelihood(_beta(state), centred / state.floats("scale"), data.y))

    def update(self, state: State, opened: Opened) -> State:
        sums = self.layout(state).unpack(finite(opened))
        cohort = sorted(opened.survivors)
        phase = state.text("phase")
        state = state.evolved(round=state.count("round") + 1)
        if phase != "mean" and cohort != state.items("cohort"):
            return self._restarted(state, cohort)
        match phase:
            case "mean":
                return self._centred(state, sums, cohort)
            case "spread":
                return self._spread(state, sums)
            case "scale":
                return self._scaled(state, sums)
        return self._stepped(state, sums)

    def verdict(self, state: State) -> Verdict:
        if state.facts.get("converged") is True:
            return Verdict(over=True, reason="converged")
        if state.count("round") >= self.max_rounds:
            return Verdict(over=True, reason="max rounds")
        return Verdict(over=False)

    def metrics(self, state: State) -> dict[str, float]:
        names = ("log_likelihood", "max_step")
        return {name: state.number(name) for name in names if name in state.facts}

    def result(self, state: State) -> dict[str, object]:
        if "coef" not in state.arrays:
            return {}
        return {
            "features": list(self.features),
            "coefficients": state.floats("coef").tolist(),
            "intercept": float(state.floats("intercept")),
            "mean": state.floats("mean").tolist(),
            "scale": state.floats("scale").tolist(),
            "notes": state.items("notes"),
        }

    def _restarted(self, state: State, cohort: list[str]) -> State:
        before = state.items("cohort")
        left = ", ".join(sorted(str(name) for name in before if name not in cohort)) or "nobody"
        came = ", ".join(name for name in cohort if name not in before) or "nobody"
        note = f"round {state.count('round')}: {left} left, {came} came; began again"
        fresh = self.start()
        return fresh.evolved(
            round=state.count("round"),
            restarts=state.count("restarts") + 1,
            notes=[*state.items("notes"), note],
            history=state.items("history"),
        )

    def _centred(self, state: State, sums: dict[str, Vector], cohort: list[str]) -> State:
        rows = float(sums["rows"])
        if rows < 1:
            raise JobFailed("the owners have no rows at all")
        return state.evolved({"mean": sums["sum"] / rows}, phase="spread", cohort=cohort, rows=rows)

    def _spread(self, state: State, sums: dict[str, Vector]) -> State:
        spread = sums["absolute deviation"] / state.number("rows")
        constant = spread <= _CONSTANT * np.maximum(1.0, np.abs(state.floats("mean")))
        notes = [
            f"column {name!r} is constant: its scale is 1"
            for name, still in zip(self.features, constant, strict=True)
            if still
        ]
        return state.evolved(
            {"spread": np.where(constant, 1.0, spread), "constant": constant.astype(np.int64)},
            phase="scale",
            notes=[*state.items("notes"), *notes],
        )

    def _scaled(self, state: State, sums: dict[str, Vector]) -> State:
        deviation = np.sqrt(np.maximum(sums["squared deviation"], 0.0) / state.number("rows"))
        scale = np.where(state.arrays["constant"] == 1, 1.0, state.floats("spread") * deviation)
        p = len(self.features)
        origin = {"coef": np.zeros(p), "intercept": np.zeros(()), "accepted": np.zeros(p + 1)}
        return state.evolved({"scale": scale, **origin}, phase="newton", halvings=0)

    def _stepped(self, state: State, sums: dict[str, Vector]) -> State:
        beta = _beta(state)
        ridge = np.append(0.0, np.full(len(self.features), 1 / self.C))  # intercept unpenalised
        loglik = float(sums["log-likelihood"])
        objective = loglik - float(ridge @ beta**2) / 2
        first = "objective" not in state.facts
        if first:
            _refuse_one_class(sums)
        elif objective < state.number("objective") and state.number("max_step") > _NEAR:
            return self._halved(state, beta)
        hessian = sums["hessian"] + np.diag(ridge)
        _refuse_singular(hessian, first=first)
        step = np.linalg.solve(hessian, sums["gradient"] - ridge * beta)
        return state.evolved(
            {**_named(beta + step), "accepted": beta},
            objective=objective,
            log_likelihood=loglik,
            max_step=float(np.abs(step).max()),
            halvings=0,
            converged=self._converged(state, float(np.abs(step).max())),
            history=[*state.items("history"), loglik],
        )

    def _converged(self, state: State, max_step: float) -> bool:
        if max_step < self.tolerance or "max_step" not in state.facts:
            return max_step < self.tolerance
        # Newton's steps shrink quadratically near the optimum: where they no longer do, what
        # is left of them is the rounding of the fixed point.
        return max_step < _NEAR and max_step > state.number("max_step") / 4

    def _halved(self, state: State, beta: Vector) -> State:
        """Go back half of a step that made things worse."""
        halvings = state.count("halvings") + 1
        if halvings > _HALVINGS:
            raise JobFailed("no step improves the likelihood any more; scale or check the columns")
        return state.evolved(_named((beta + state.floats("accepted")) / 2), halvings=halvings)


def _beta(state: State) -> Vector:
    return np.append(state.floats("intercept"), state.floats("coef"))


def _named(beta: Vector) -> dict[str, Vector]:
    return {"intercept": beta[0].reshape(()), "coef": beta[1:]}


def _likelihood(beta: Vector, z: Vector, y: Vector) -> dict[str, Part]:
    """Return gradient, information matrix and log-likelihood; `z` (n, p) is standardised."""
    x = np.column_stack([np.ones(len(y)), z])
    eta = x @ beta
    mu = (1 + np.tanh(eta / 2)) / 2  # 1/(1+exp(-eta)) without overflow
    return {
        "gradient": x.T @ (y - mu),
        "hessian": (x.T * (mu * (1 - mu))) @ x,
        "log-likelihood": float(np.sum(y * eta - np.logaddexp(0.0, eta))),
        "rows": len(y),
    }


def _refuse_one_class(sums: dict[str, Vector]) -> None:
    # At the origin every predicted probability is 1/2: the intercept's gradient tells the classes.
    positives = float(sums["gradient"][0] + sums["rows"] / 2)
    if not 0.5 < positives < float(sums["rows"]) - 0.5:
        raise JobFailed("all rows of all owners are of one class: there is nothing to tell apart")


def _refuse_singular(hessian: Vector, *, first: bool) -> None:
    if np.linalg.eigvalsh(hessian)[0] > _SINGULAR:
        return
    if first:
        raise JobFailed(
            "the Hessian is singular: columns are constant or linearly dependent; "
            "leave such columns out or give C a smaller value"
        )
    raise JobFailed(
        "the coefficients grow without bound: the columns separate the two classes perfectly; "
        "give C a smaller value or leave columns out"
    )
