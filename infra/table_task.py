"""A statistic over an owner's table, inside the owner's child process; without torch."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.algorithms import build
from protocols.learning.disclosure import require_round
from protocols.learning.job import Opened, require_cohort
from protocols.learning.state import State
from protocols.learning.table import Table
from protocols.learning.tabular import Tabular

from .tables import load_table
from .worker_frames import WorkSpec


class TableTask:
    """Any algorithm over tables, on the table at `spec.data`."""

    def __init__(self, spec: WorkSpec) -> None:
        try:
            algorithm = build(spec.kind, spec.options)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
        if not isinstance(algorithm, Tabular):
            raise WorkFailed("bad options", f"{spec.kind} does not work on tables")
        self._algorithm = algorithm
        self._spec = spec

    @cached_property
    def _table(self) -> Table:
        return load_table(self._spec.data, self._algorithm.columns(), self._spec.agreement)

    def describe(self) -> tuple[str, ...]:
        self._require_disclosable(self.initial(), self._table)
        return self._table.warnings

    def initial(self) -> State:
        return self._algorithm.start()

    def compute(self, state: State) -> NDArray[np.float64]:
        table = self._table  # what is wrong with it is said first
        # Before anything of the table leaves this process, in each round anew.
        self._require_disclosable(state, table)
        require_cohort(state, self._spec.owner)
        return self._algorithm.local(state, table)

    def _require_disclosable(self, state: State, table: Table) -> None:
        require_round(self._spec.rules, self._algorithm, state, table)

    def evaluate(self, state: State) -> dict[str, float]:
        return self._algorithm.evaluate(state, self._table)

    def fit(self, epochs: int) -> State:  # a statistic ends by itself
        state = self._algorithm.start()
        while not self._algorithm.verdict(state).over:
            alone = Opened(total=self.compute(state), survivors=(self._spec.owner,))
            state = self._algorithm.update(state, alone)
        return state
