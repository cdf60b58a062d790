"""From cells, as a reader has them, to numbers: of a class, its place among the levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from protocols.learning.table import Column

from .source import Cells

MISSING_TEXTS = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
"""What stands for no value, in any case."""


class Fault(IntEnum):
    """What may be wrong with a cell."""

    NONE = 0
    MISSING = 1
    NO_NUMBER = 2
    FORBIDDEN = 3


Found = tuple[NDArray[np.float64], NDArray[np.uint8]]


def numbers(column: Column, cells: Cells) -> Found:
    """Return the values (n,) of a column's cells, and the `Fault` of each."""
    if isinstance(cells, np.ndarray):
        found = _of_array(column, cells)
    else:
        found = _of_objects(column, cells)
    values, faults = found
    faults[(faults == Fault.NONE) & column.faults(values)] = Fault.FORBIDDEN
    return values, faults


def _of_array(column: Column, cells: NDArray[np.float64]) -> Found:
    if column.kind == "class":
        return _of_objects(column, [None if math.isnan(cell) else cell for cell in cells.tolist()])
    faults = np.zeros(len(cells), dtype=np.uint8)
    faults[np.isinf(cells)] = Fault.NO_NUMBER
    faults[np.isnan(cells)] = Fault.MISSING
    return np.asarray(cells, dtype=np.float64), faults


def _of_objects(column: Column, cells: Sequence[object]) -> Found:
    if column.kind != "class":
        quick = _all_texts(cells)
        if quick is not None:
            return quick, np.zeros(len(cells), dtype=np.uint8)
    codes = {level: float(place) for place, level in enumerate(column.levels)}
    pairs = [_class(cell, codes) if column.kind == "class" else _number(cell) for cell in cells]
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    return values, np.array([fault for _, fault in pairs], dtype=np.uint8)


def _all_texts(cells: Sequence[object]) -> NDArray[np.float64] | None:
    """Return the numbers where nothing is odd, which is the rule, else None."""
    try:
        values = np.array([float(cell) for cell in cells], dtype=np.float64)  # type: ignore[arg-type]
        # Python reads 1_000 as a number, other programs do not.
        if np.isfinite(values).all() and "_" not in "".join(cells):  # type: ignore[arg-type]
            return values
    except (ValueError, TypeError, OverflowError):
        pass  # each cell is looked at by itself
    return None


def _number(cell: object) -> tuple[float, Fault]:
    if _is_missing(cell):
        return math.nan, Fault.MISSING
    if not isinstance(cell, str | int | float | Decimal | np.number) or "_" in str(cell):
        return math.nan, Fault.NO_NUMBER
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return math.nan, Fault.NO_NUMBER
    return value, Fault.NONE if math.isfinite(value) else Fault.NO_NUMBER


def _class(cell: object, codes: dict[str, float]) -> tuple[float, Fault]:
    if _is_missing(cell):
        return math.nan, Fault.MISSING
    code = codes.get(level_of(cell))
    return (math.nan, Fault.FORBIDDEN) if code is None else (code, Fault.NONE)


def level_of(cell: object) -> str:
    """Return the text of a level: a database's 1 and a Parquet file's 1.0 are the CSV file's 1."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _is_missing(cell: object) -> bool:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING_TEXTS
