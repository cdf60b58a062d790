"""What an algorithm asks of an owner's model and data, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.learning.state import Array, State

Floats: TypeAlias = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialModel:
    """A model before the first round.

    Attributes:
        arrays: everything that a checkpoint of the model holds, by name.
        buffers: names of what no gradient moves but training does, such as running means.
        fixed: names of the parameters that the model wants no gradients of; nobody sends them.
        types: how the model itself holds an array that the state holds in a wider type, as
            safetensors calls it: `{"fc.weight": "BF16"}`.
    """

    arrays: Mapping[str, Array]
    buffers: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an owner is to do in a round.

    Attributes:
        arrays: the public model to begin with.
        own: the parameters that stay at home, as the owner had them last; empty at first.
        number: of the round, from 0.
        pull: every gradient gets pull · (parameter - where it began), as in FedProx.
        shift: every gradient of a named parameter gets this, as in SCAFFOLD.
        gradients: whether the mean of the gradients is wanted, without pull and shift.
    """

    arrays: Mapping[str, Array] = field(repr=False)
    own: Mapping[str, Array] = field(repr=False, default_factory=dict)
    number: int
    learning_rate: float
    pull: float = 0.0
    shift: Floats = field(repr=False, default_factory=dict)
    gradients: bool = False

    @property
    def corrects(self) -> bool:
        """Return whether the gradients of the local loop have to be seen or changed."""
        return self.pull > 0 or bool(self.shift) or self.gradients


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalResult:
    """What local training has made of the model.

    Attributes:
        change: of each array of the public model, after minus before.
        weight: rows that were trained on.
        metrics: means over `measured` rows, of the model that came in.
        own: the parameters that stay at home, after training.
        gradients: mean gradient over the steps, where it was wanted.
    """

    change: Floats = field(repr=False)
    weight: float = field(repr=False)
    metrics: Mapping[str, float] = field(repr=False)
    measured: float = field(repr=False)
    own: Mapping[str, Array] = field(repr=False, default_factory=dict)
    gradients: Floats = field(repr=False, default_factory=dict)


class Trainable(Protocol):
    """An owner's model and data, and what the owner keeps at home from round to round."""

    @property
    def name(self) -> str:
        """Return the owner's name."""
        ...

    def train(self, order: Order) -> LocalResult:
        """Train; the same order gives the same result."""
        ...

    def recall(self, mark: str) -> State | None:
        """Return what was kept under this mark, None where it is not there any more."""
        ...

    def keep(self, mark: str, state: State, *, beside: str) -> None:
        """Make `state` durable under this mark; of all others only `beside` is needed still."""
        ...
