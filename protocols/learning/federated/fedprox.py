"""FedProx (Li et al., MLSys 2020, Algorithm 2): local training is held near the public model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocols.learning.job import require
from protocols.learning.state import State

from .federated import Federated
from .trainable import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class FedProx(Federated):
    """FedAvg with μ/2 · ||w - w_t||² in every owner's loss; `mu` is μ."""

    mu: float = 0.01

    def __post_init__(self) -> None:
        Federated.__post_init__(self)
        require(0 <= self.mu <= 1e6, "mu must be from 0 (which is fedavg) to 1e6")

    def order(self, state: State, kept: State) -> Order:
        return replace(Federated.order(self, state, kept), pull=self.mu)
