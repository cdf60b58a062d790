"""How often the row with the higher hazard has its event first (Harrell's C), within owners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .layout import Layout, Part, Sums, count
from .phases import Phase
from .standardising import standardised
from .state import State
from .survival import observed
from .table import Table

# Predictors that near are ties that rounding tells apart.
_DECIMALS = 10


@dataclass(frozen=True, slots=True)
class Concordance(Phase[Table]):
    """Counts pairs at the coefficients `beta`; then the fact `concordance`, 0.5 for no pairs."""

    features: tuple[str, ...]
    time: str
    event: str
    name: str = "concordance"

    def layout(self, state: State) -> Layout:
        return Layout({"right": count(), "tied": count(), "pairs": count()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        seen = observed(data, self.time, self.event)
        eta = standardised(state, data, self.features) @ state.floats("beta")
        eta = np.round(eta, _DECIMALS)
        right, tied, pairs = 0, 0, 0
        for first in np.flatnonzero(seen.events == 1):
            at_once = (seen.times == seen.times[first]) & (seen.events == 0)
            later = eta[(seen.times > seen.times[first]) | at_once]
            right += int((later < eta[first]).sum())
            tied += int((later == eta[first]).sum())
            pairs += len(later)
        return {"right": right, "tied": tied, "pairs": pairs}

    def update(self, state: State, sums: Sums) -> State:
        pairs = max(float(sums["pairs"]), 1.0)
        share = float(sums["right"] + sums["tied"] / 2) / pairs
        return state.evolved(concordance=share if sums["pairs"] else 0.5)
