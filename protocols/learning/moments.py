"""Mean and variance of columns over all owners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .job import require
from .phases import Phase
from .standardising import Mean, Scale
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments(Tabular):
    """Mean, variance (over n - 1) and standard deviation of each column, in two rounds."""

    features: tuple[str, ...]
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features)
        require(self.max_rounds >= 2, "max_rounds must be 2 or more")

    def columns(self) -> tuple[Column, ...]:
        return numbers(self.features)

    def phases(self) -> Sequence[Phase[Table]]:
        return Mean(self.features), Scale(self.features)

    def result(self, state: State) -> dict[str, object]:
        if state.facts.get("converged") is not True:
            return {}
        rows = state.number("rows")
        spread = np.where(state.arrays["constant"] == 1, 0.0, state.floats("scale"))
        variance = spread**2 * rows / max(rows - 1, 1)
        return {
            "features": list(self.features),
            "rows": int(rows),
            "mean": state.floats("mean").tolist(),
            "variance": variance.tolist(),
            "deviation": np.sqrt(variance).tolist(),
        }
