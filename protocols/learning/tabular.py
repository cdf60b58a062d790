"""Algorithms over the owners' tables: which columns they need, and how they are judged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .fits import Fit
from .job import require
from .phases import Phased
from .state import State
from .table import Column, Table

COLUMN_OPTIONS = frozenset(
    {
        *("event", "features", "group", "levels", "size", "target", "time"),
        *("by", "groups", "column", "column_levels", "row", "row_levels", "score"),
    }
)
"""Options of algorithms that name columns; they stand in `[data]` of a job file."""


class Tabular(Phased[Table]):
    """An algorithm in phases over tables. What `columns` says is what owners must agree on."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Return every column that `local` reads; a table holds these and no others."""

    def parameters(self) -> int:
        """Return how many parameters a model has that remembers rows; 0 where there is none.

        An owner whose rows are too few for them declines; see `disclosure`.
        """
        return 0

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        """Return how many of an owner's rows are in each cell that the coming sum counts.

        None by default. An owner declines where one would be too small; see `disclosure`.
        """
        return np.zeros(0, dtype=np.int64)

    def fit(self, state: State) -> Fit | None:
        """Return what the job has found; None before the end, and where there is no more to say."""
        return None

    def result(self, state: State) -> dict[str, object]:
        fit = self.fit(state)
        return {} if fit is None else fit.to_json()

    def evaluate(self, state: State, data: Table) -> dict[str, float]:
        """Measure a model on an owner's own rows; for demos and comparisons only."""
        return {}


def require_features(features: Sequence[str], *others: str) -> None:
    """Raise `ValueError` unless there are features, each once, and no other column among them."""
    require(len(features) > 0, "features must name one column or more")
    require(len(set(features)) == len(features), "a feature named twice")
    for other in others:
        require(other not in features, "the target is among the features")
