"""An owner's table, and what owners agree on: which columns there are and what they may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse

from .job import require

Vector = NDArray[np.float64]
Kind = Literal["number", "0 or 1", "count", "positive", "class"]


_KIND_TEXTS: Mapping[Kind, str] = {
    "number": "a number",
    "0 or 1": "0 or 1",
    "count": "a count",
    "positive": "a positive number",
    "class": "a class",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that every owner has; part of the job, so public.

    Attributes:
        kind: what a value may be: any finite `number`, `0 or 1`, a `count` 0, 1, 2 ..., a
            `positive` number, or a `class`, which is one of `levels`.
        levels: the classes as they stand in the file; in a table a class is its place, from 0.
        least, most: bounds of a number, both allowed.
        unit: what it is measured in, for people.
    """

    name: str
    kind: Kind = "number"
    levels: tuple[str, ...] = ()
    least: float = -math.inf
    most: float = math.inf
    unit: str = ""

    def __post_init__(self) -> None:
        require(bool(self.levels) == (self.kind == "class"), f"{self.name}: levels are for classes")
        require(len(set(self.levels)) == len(self.levels), f"{self.name}: a level named twice")
        bounded = self.least != -math.inf or self.most != math.inf
        require(self.kind != "class" or not bounded, f"{self.name}: bounds are for numbers")
        require(self.least <= self.most, f"{self.name}: least is above most")

    @property
    def demand(self) -> str:
        """Return what a value must be, for error texts."""
        texts = {
            "number": "a finite number",
            "0 or 1": "0 or 1",
            "count": "a whole number, 0 or more",
            "positive": "above 0",
            "class": f"one of {', '.join(self.levels[:20])}",
        }
        return texts[self.kind] + self._bounds()

    def _bounds(self) -> str:
        bounds = []
        if self.least != -math.inf:
            bounds.append(f"{self.least:g} or more")
        if self.most != math.inf:
            bounds.append(f"{self.most:g} or less")
        return f", {' and '.join(bounds)}" if bounds else ""

    def faults(self, values: Vector) -> NDArray[np.bool_]:
        """Return which of the values (n,) the column may not hold."""
        match self.kind:
            case "0 or 1":
                allowed = (values == 0) | (values == 1)
            case "count":
                allowed = (values >= 0) & (values == np.rint(values))
            case "positive":
                allowed = values > 0
            case "class":
                allowed = np.isin(values, np.arange(len(self.levels)))
            case _:
                allowed = np.ones(len(values), dtype=np.bool_)
        within = (values >= self.least) & (values <= self.most)
        faulty: NDArray[np.bool_] = ~(allowed & within & np.isfinite(values))
        return faulty

    def require_agreed(self, agreed: Column) -> None:
        """Raise `ValueError` where this use of a column is not what owners agreed that it is."""
        binary = agreed.kind == "0 or 1" and self.levels == ("0", "1")
        if (self.kind == "class") != (agreed.kind == "class") and not binary:
            raise ValueError(
                f"column {self.name!r} is {_KIND_TEXTS[agreed.kind]} by the schema, and is used as "
                f"{_KIND_TEXTS[self.kind]}"
            )
        unknown = [level for level in self.levels if level not in agreed.levels]
        if self.kind == "class" and unknown and not binary:
            raise ValueError(f"column {self.name!r} has no level {unknown[0]!r} by the schema")


def numbers(names: Sequence[str]) -> tuple[Column, ...]:
    """Return columns of any numbers."""
    return tuple(Column(name=name) for name in names)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one owner, one array (n,) for each column.

    `warnings` are for the owner only: they speak of its data.
    """

    columns: Mapping[str, Vector] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({column.shape for column in self.columns.values()}) > 1:
            raise Misuse("the columns of a table differ in length")

    @property
    def rows(self) -> int:
        """Return the number of rows, n."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def column(self, name: str) -> Vector:
        """Return one column (n,)."""
        return self.columns[name]

    def matrix(self, names: Sequence[str]) -> Vector:
        """Return columns (n, p) in the order of the names."""
        matrix = np.empty((self.rows, len(names)))
        for place, name in enumerate(names):
            matrix[:, place] = self.columns[name]
        return matrix
