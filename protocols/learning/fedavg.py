"""Federated averaging (McMahan et al., AISTATS 2017, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse, Unfit

from .job import Algorithm, JobFailed, Opened, Verdict, finite, require
from .layout import Layout
from .state import Array, State

# In brackets, as a parameter of a model may well be called `weight`.
_WEIGHT = "[weight]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResult:
    """An owner's model after local training.

    `weight` is its number of rows; `metrics` are means over its rows, measured on the incoming
    model, before the training.
    """

    parameters: Mapping[str, Array] = field(repr=False)
    weight: float = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)


class Trainable(Protocol):
    """An owner's model and data."""

    def train(self, parameters: Mapping[str, Array], number: int) -> LocalResult:
        """Train from `parameters`; `number` counts the rounds, from 0."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FedAvg(Algorithm[Trainable]):
    """Averages the owners' models after E local epochs, weighted by their rows.

    The vector is [w·Δ, w, w·metrics]; the new model is w_t + ΣwΔ/Σw. Integer tensors are
    averaged and rounded. No coordinate of Δ is above `clip`, no w above `largest_weight`, so
    that largest_weight·clip bounds what an owner adds to a parameter; a tensor that counts
    batches therefore moves by at most `clip` in a round.

    Attributes:
        tolerance: converged when the L2 norm of the averaged Δ is below; 0 is never.
        local_epochs: E of the paper; `batch_size` is B, `learning_rate` is η.
    """

    max_rounds: int = 40
    tolerance: float = 0.0
    metric_names: tuple[str, ...] = ("loss", "accuracy")
    clip: float = 8.0
    largest_weight: float = 1e6
    local_epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        require(self.tolerance >= 0, "tolerance must be 0 (off) or more")
        require(0 < self.clip < np.inf, "clip must be a positive number")
        require(0 < self.largest_weight < np.inf, "largest_weight must be a positive number")
        require(len(set(self.metric_names)) == len(self.metric_names), "a metric named twice")
        require(self.local_epochs >= 1, "local_epochs must be 1 or more")
        require(self.batch_size >= 1, "batch_size must be 1 or more")
        require(0 < self.learning_rate < np.inf, "learning_rate must be a positive number")

    def start(self, parameters: Mapping[str, Array]) -> State:
        """Return the state before the first round."""
        if any(name.startswith("[") for name in parameters):
            raise Misuse("the name of a parameter begins with a bracket")
        return State(arrays=dict(parameters), facts={"round": 0, "history": []})

    def layout(self, state: State) -> Layout:
        shapes = {name: state.arrays[name].shape for name in sorted(state.arrays)}
        measured = {f"[weight*{name}]": () for name in self.metric_names}
        return Layout({**shapes, _WEIGHT: (), **measured})

    def local(self, state: State, data: Trainable) -> NDArray[np.float64]:
        result = data.train(state.arrays, state.count("round"))
        self._check(state, result)
        w = float(result.weight)
        weighted_delta = {
            name: w * self._clipped(_delta(array, result.parameters[name]))
            for name, array in state.arrays.items()
        }
        weighted_metrics = {
            f"[weight*{name}]": w * float(result.metrics[name]) for name in self.metric_names
        }
        return self.layout(state).pack({**weighted_delta, _WEIGHT: w, **weighted_metrics})

    def update(self, state: State, opened: Opened) -> State:
        sums = self.layout(state).unpack(finite(opened))
        weight = float(sums[_WEIGHT])
        if weight <= 0:
            raise JobFailed("the summed weight is not above 0: there is nothing to average")
        mean = {name: sums[name] / weight for name in state.arrays}
        arrays = {name: _moved(name, state.arrays[name], mean[name]) for name in state.arrays}
        measured = [float(sums[f"[weight*{name}]"]) / weight for name in self.metric_names]
        return state.evolved(
            arrays,
            round=state.count("round") + 1,
            weight=weight,
            shift=_norm(state, mean),
            history=[*state.items("history"), measured],
        )

    def verdict(self, state: State) -> Verdict:
        if "shift" in state.facts and state.number("shift") < self.tolerance:
            return Verdict(over=True, reason="converged")
        if state.count("round") >= self.max_rounds:
            return Verdict(over=True, reason="max rounds")
        return Verdict(over=False)

    def metrics(self, state: State) -> dict[str, float]:
        history = state.items("history")
        latest = history[-1] if history else []
        values = latest if isinstance(latest, (list, tuple)) else []
        return {name: float(value) for name, value in zip(self.metric_names, values, strict=False)}

    def _clipped(self, delta: NDArray[np.float64]) -> NDArray[np.float64]:
        # What is not finite stays so: the encoder refuses it and names the coordinate.
        within = np.clip(delta, -self.clip, self.clip)
        return np.where(np.isfinite(delta), within, delta)

    def _check(self, state: State, result: LocalResult) -> None:
        if result.parameters.keys() != state.arrays.keys():
            odd = sorted(result.parameters.keys() ^ state.arrays.keys())
            raise Unfit("bad result", f"the trained model differs in its parameters: {odd[:5]}")
        for name in sorted(state.arrays):
            shape, before = result.parameters[name].shape, state.arrays[name].shape
            if shape != before:
                raise Unfit(
                    "bad result", f"{name} has shape {shape} after training, before {before}"
                )
        missing = [name for name in self.metric_names if name not in result.metrics]
        if missing:
            raise Unfit("bad result", f"the evaluation gives no {', '.join(missing)}")
        if not isfinite(result.weight) or result.weight <= 0:
            raise Unfit("bad result", "the weight (number of rows) is not above 0")
        if result.weight > self.largest_weight:
            raise Unfit(
                "weight too large",
                f"this owner's weight (number of rows) is above {self.largest_weight:g}, for which "
                "the job has headroom; raise largest_weight in job.toml (and lower clip or "
                "fraction bits if that leaves no headroom), divide the rows between two owners, "
                "or use fewer rows",
            )


def _delta(before: Array, after: Array) -> NDArray[np.float64]:
    return after.astype(np.float64) - before.astype(np.float64)


def _moved(name: str, array: Array, mean: NDArray[np.float64]) -> Array:
    moved = array.astype(np.float64) + mean
    if np.issubdtype(array.dtype, np.integer):
        return np.rint(moved).astype(np.int64)
    with np.errstate(over="ignore"):  # an overflow is looked for in the next line
        cast: Array = moved if array.dtype == np.float64 else moved.astype(np.float32)
    if not np.isfinite(cast).all():
        raise JobFailed(f"{name} is no longer finite: the training diverges; lower learning_rate")
    return cast


def _norm(state: State, mean: Mapping[str, NDArray[np.float64]]) -> float:
    """Return the L2 norm over the float tensors."""
    floats = [
        np.sum(mean[name] ** 2)
        for name, array in state.arrays.items()
        if np.issubdtype(array.dtype, np.floating)
    ]
    return float(np.sqrt(np.sum(floats)))
