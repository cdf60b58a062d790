"""What an owner keeps to itself: rules on its own data, looked at before anything is shared.

A sum can't be suppressed once it is opened, so each owner refuses beforehand what could be about
one or two of its rows. The rules and their defaults are those of DataSHIELD (`nfilter.tab`,
`nfilter.subset`, `nfilter.glm`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Unfit

from .job import require
from .state import State
from .table import Column, Table, Vector
from .tabular import Tabular

_ADVICE = "the rule is yours, in [disclosure]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """An owner's own rules; what an owner refuses it declines by kind, and no value is told.

    Attributes:
        smallest_cell: rows that a cell of a table or histogram, a category of a column and the
            whole table have at least; a cell or category may be empty. 1 allows everything.
        parameters_per_row: the most parameters that a model may have for each row of the owner.
    """

    smallest_cell: int = 3
    parameters_per_row: float = 0.33

    def __post_init__(self) -> None:
        require(self.smallest_cell >= 1, "smallest_cell must be 1 (all is allowed) or more")
        require(self.parameters_per_row > 0, "parameters_per_row must be above 0")

    def require_table(self, columns: Sequence[Column], data: Table, parameters: int) -> None:
        """Look at a table before a model of so many parameters is computed from it.

        Raises `Unfit`: "too few rows", "too many parameters" or "rare category".
        """
        if data.rows < self.smallest_cell:
            self._refuse("too few rows", f"the table has fewer than {self.smallest_cell} rows")
        if parameters > self.parameters_per_row * data.rows:
            self._refuse(
                "too many parameters",
                f"{parameters} parameters are more than {self.parameters_per_row:g} a row",
            )
        for column in columns:
            if self._are_small(np.array(list(_categories(column, data.column(column.name))))):
                self._refuse(
                    "rare category",
                    f"column {column.name!r} has a category of fewer than {self.smallest_cell} "
                    "rows",
                )

    def require_cells(self, cells: NDArray[np.int64]) -> None:
        """Look at counts of the owner's own rows. Raises `Unfit`: "small cell"."""
        if self._are_small(cells):
            self._refuse(
                "small cell",
                f"a cell would count fewer than {self.smallest_cell} rows, and more than none",
            )

    def _are_small(self, counts: NDArray[np.int64]) -> bool:
        return bool(((counts > 0) & (counts < self.smallest_cell)).any())

    def _refuse(self, kind: str, text: str) -> None:
        raise Unfit(kind, f"{text} ({_ADVICE})")


def require_round(rules: Rules, algorithm: Tabular, state: State, data: Table) -> None:
    """Look at an owner's table before it adds to the round that comes after `state`.

    Raises `Unfit`, as `Rules` does, where the owner must not take part in it.
    """
    rules.require_table(algorithm.columns(), data, algorithm.parameters())
    rules.require_cells(algorithm.cells(state, data))


NO_RULES = Rules(smallest_cell=1, parameters_per_row=math.inf)
"""Everything is allowed."""


def _categories(column: Column, values: Vector) -> Iterator[int]:
    """Yield how many rows each category has, of a column that has categories."""
    if column.kind == "class":
        yield from np.bincount(values.astype(np.int64), minlength=len(column.levels)).tolist()
        return
    # A number with two values is a category, too; unique values of all columns would take long.
    if len(values) and np.isin(values, (low := values.min(), high := values.max())).all():
        yield int((values == low).sum())
        yield int((values == high).sum())
