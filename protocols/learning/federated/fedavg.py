"""Federated averaging (McMahan et al., AISTATS 2017, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass

from .federated import Federated


@dataclass(frozen=True, slots=True, kw_only=True)
class FedAvg(Federated):
    """The new model is the old one plus Σ w·change / Σ w."""
