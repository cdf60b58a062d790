"""Mean and variance of columns over all owners, in one piece or by groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .groups import GroupMeans, Groups, GroupSpreads, require_groups
from .job import require
from .moments_fit import MomentsFit
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

    def fit(self, state: State) -> MomentsFit | None:
        if state.facts.get("converged") is not True:
            return None
        rows = state.number("rows")
        spread = np.where(state.arrays["constant"] == 1, 0.0, state.floats("scale"))
        return MomentsFit(
            features=self.features,
            rows=np.array([rows]),
            mean=state.floats("mean")[None, :],
            variance=(spread**2 * rows / max(rows - 1, 1))[None, :],
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedMoments(Tabular):
    """The same in each of the groups that the column `by` divides the rows into."""

    features: tuple[str, ...]
    by: str
    groups: tuple[str, ...]
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features)
        require_groups(self.by, self.groups, self.features)
        require(self.max_rounds >= 2, "max_rounds must be 2 or more")

    def columns(self) -> tuple[Column, ...]:
        return (*numbers(self.features), self.division.column())

    @property
    def division(self) -> Groups:
        """Return the groups."""
        return Groups(self.by, self.groups)

    def phases(self) -> Sequence[Phase[Table]]:
        return GroupMeans(self.features, self.division), GroupSpreads(self.features, self.division)

    def fit(self, state: State) -> MomentsFit | None:
        if state.facts.get("converged") is not True:
            return None
        return MomentsFit(
            features=self.features,
            rows=state.floats("rows"),
            mean=state.floats("mean"),
            variance=state.floats("variance"),
            by=self.by,
            groups=self.groups,
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )
