"""Whether what an owner's code made of the model can be contributed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from protocols.errors import Unfit
from protocols.learning.state import State

from .trainable import LocalResult


def check_result(
    state: State, result: LocalResult, metrics: Sequence[str], largest_weight: float
) -> None:
    """Raise `Unfit` where the result is not of this model, or its rows are too many."""
    _check_change(state, result)
    missing = [name for name in metrics if name not in result.metrics]
    if missing:
        raise Unfit("bad result", f"the evaluation gives no {', '.join(missing)}")
    if not isfinite(result.weight) or result.weight <= 0:
        raise Unfit("bad result", "the weight (number of rows) is not above 0")
    if not isfinite(result.measured) or result.measured < 0:
        raise Unfit("bad result", "the number of rows that were measured on is below 0")
    if max(result.weight, result.measured) > largest_weight:
        raise Unfit(
            "weight too large",
            f"this owner's weight (number of rows) is above {largest_weight:g}, for which "
            "the job has headroom; raise largest_weight in job.toml (and lower clip or "
            "fraction bits if that leaves no headroom), divide the rows between two owners, "
            "or use fewer rows",
        )


def _check_change(state: State, result: LocalResult) -> None:
    model = {name: array for name, array in state.arrays.items() if not name.startswith("[")}
    if result.change.keys() != model.keys():
        odd = sorted(result.change.keys() ^ model.keys())
        raise Unfit("bad result", f"the trained model differs in its parameters: {odd[:5]}")
    for name in sorted(model):
        shape, before = result.change[name].shape, model[name].shape
        if shape != before:
            raise Unfit("bad result", f"{name} has shape {shape} after training, before {before}")
    for fixed in map(str, state.items("fixed")):
        if result.change[fixed].any():
            raise Unfit(
                "bad result",
                f"{fixed} was trained, and model() says that it needs no gradients; say "
                f"requires_grad_(True) there for what shall be learnt",
            )
