"""Owners without torch, for what federated optimisers do with sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.learning.federated.federated import Federated
from protocols.learning.federated.trainable import Floats, InitialModel, LocalResult, Order
from protocols.learning.job import Opened
from protocols.learning.state import Array, State

MEASURED: Mapping[str, float] = {"loss": 1.0, "accuracy": 0.5}


@dataclass
class Rows:
    """An owner that moves all parameters by `shift`; what it keeps is in memory."""

    shift: float
    weight: float
    metrics: Mapping[str, float] = field(default_factory=lambda: MEASURED)
    name: str = "ann"
    measured: float | None = None
    gradient: float = 0.0
    shelf: dict[str, State] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)

    def train(self, order: Order) -> LocalResult:
        self.orders.append(order)
        return LocalResult(
            change={n: self._change(array) for n, array in order.arrays.items()},
            weight=self.weight,
            metrics=self.metrics,
            measured=self.weight if self.measured is None else self.measured,
            own={name: array + np.float32(1) for name, array in order.own.items()},
            gradients={n: np.full(a.shape, self.gradient) for n, a in order.arrays.items()},
        )

    def _change(self, array: Array) -> NDArray[np.float64]:
        whole = np.issubdtype(array.dtype, np.integer)
        return np.full(array.shape, float(round(self.shift) if whole else self.shift))

    def recall(self, mark: str) -> State | None:
        return self.shelf.get(mark)

    def keep(self, mark: str, state: State, *, beside: str) -> None:
        kept = {key: self.shelf[key] for key in (beside,) if key in self.shelf}
        self.shelf = {**kept, mark: State.from_bytes(state.to_bytes())}


@dataclass
class Returns(Rows):
    """An owner whose code returns what it was told to."""

    result: LocalResult | None = None

    def train(self, order: Order) -> LocalResult:
        assert self.result is not None
        return self.result


def one_round(algorithm: Federated, state: State, *owners: Rows) -> State:
    """Return the state after a plain sum over these owners."""
    total = np.sum([algorithm.local(state, owner) for owner in owners], axis=0)
    survivors = tuple(owner.name for owner in owners)
    state = algorithm.update(state, Opened(total=total, survivors=survivors))
    return State.from_bytes(state.to_bytes())


def model(**arrays: Array) -> InitialModel:
    """Return a model with these arrays, and nothing special about them."""
    return InitialModel(arrays=arrays)


def unmoved(arrays: Mapping[str, Array]) -> Floats:
    """Return a change of nothing."""
    return {name: np.zeros(array.shape) for name, array in arrays.items()}
