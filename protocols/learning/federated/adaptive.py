"""Adaptive server optimisers (Reddi et al., ICLR 2021, Algorithm 2).

The averaged change of the owners is the server's gradient. Its running mean m and second moment v
are public, and lie in the state beside each parameter. Buffers are averaged as everywhere.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.learning.job import require
from protocols.learning.layout import Sums
from protocols.learning.state import Array, State

from .federated import Federated
from .model_arrays import learnt, shifted
from .trainable import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive(Federated):
    """A server that takes η·m / (√v + τ) as its step.

    Attributes:
        server_rate: η.
        beta1: share of the old m that is kept, `beta2` of v.
        tau: τ, how adaptive; also the first √v.
    """

    server_rate: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def __post_init__(self) -> None:
        Federated.__post_init__(self)
        require(0 < self.server_rate <= 1e6, "server_rate must be above 0, up to 1e6")
        require(0 <= self.beta1 < 1, "beta1 must be 0 or more, and below 1")
        require(0 <= self.beta2 < 1, "beta2 must be 0 or more, and below 1")
        require(0 < self.tau <= 1e6, "tau must be above 0, up to 1e6")

    @abstractmethod
    def second(self, v: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the new second moment; `square` is that of the averaged change."""

    def begun(self, state: State) -> State:
        arrays: dict[str, Array] = {}
        for name in learnt(state):
            shape = state.arrays[name].shape
            arrays[f"[m] {name}"] = np.zeros(shape, dtype=np.float32)
            arrays[f"[v] {name}"] = np.full(shape, self.tau**2, dtype=np.float32)
        return state.evolved(arrays)

    def moved(self, state: State, mean: Floats, sums: Sums) -> State:
        parameters = set(learnt(state))
        buffers = {name: mean[name] for name in mean if name not in parameters}
        arrays = dict(Federated.moved(self, state, buffers, sums).arrays)
        for name in sorted(parameters):
            change, old = mean[name], state.arrays[name]
            first, second = f"[m] {name}", f"[v] {name}"
            m = self.beta1 * state.floats(first) + (1 - self.beta1) * change
            v = self.second(state.floats(second), change**2)
            arrays[name] = shifted(name, old, self.server_rate * m / (np.sqrt(v) + self.tau))
            arrays[first], arrays[second] = m.astype(np.float32), v.astype(np.float32)
        return state.evolved(arrays)
