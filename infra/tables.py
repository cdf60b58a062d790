"""An owner's table: the columns that a job reads, as numbers, whatever they lie in.

Error texts name the file, the row and the column, never a value.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.table import Column, Table

from .sources import Piece, Source, source_at
from .sources.cells import Fault, numbers

Missing = Literal["refuse", "leave out"]
"""What becomes of a row without a value in a column that is read."""

_KINDS = {
    Fault.MISSING: "missing value",
    Fault.NO_NUMBER: "not a number",
    Fault.FORBIDDEN: "bad value",
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """What owners agreed on besides what an algorithm reads: part of the job, so public.

    Attributes:
        schema: what columns hold; those that the algorithm does not read are checked, too.
    """

    schema: tuple[Column, ...] = ()
    missing: Missing = "refuse"


def read_header(path: str) -> tuple[str, ...]:
    """Return the names of the columns of a table. Raises `WorkFailed`."""
    return source_at(path).header()


def load_table(
    path: str,
    columns: Sequence[Column],
    agreement: Agreement = Agreement(),  # frozen
) -> Table:
    """Read these columns and check them; others are left out unread.

    A column whose outcomes are all alike is a warning, and so are rows that are left out. Takes
    8 bytes for each value, and for a moment twice that.

    Raises:
        WorkFailed: `missing file`, `missing library`, `malformed csv` (`parquet`, `source`),
            `database failed`, `different columns`, `missing value`, `not a number`, `bad value`,
            `bad options` or `empty`.
    """
    source = source_at(path)
    checks = _checks(columns, agreement.schema)
    kept = [array("d") for _ in columns]
    left_out = rows = 0
    for piece in source.pieces(list(checks)):
        found = _Rows(path, source, checks, piece)
        lost = found.missing() if agreement.missing == "leave out" else None
        found.refuse(lost)
        left_out += 0 if lost is None else int(lost.sum())
        rows += len(piece.places)
        for values, column in zip(kept, columns, strict=True):
            whole = found.values[column.name]
            values.frombytes((whole if lost is None else whole[~lost]).tobytes())
    _require_rows(path, rows, left_out)
    arrays = {
        column.name: np.frombuffer(values, dtype=np.float64)
        for column, values in zip(columns, kept, strict=True)
    }
    return Table(arrays, tuple(_warnings(path, columns, arrays, left_out)))


def _checks(columns: Sequence[Column], schema: Sequence[Column]) -> dict[str, list[Column]]:
    """Return by name everything that a column must be; the first is how it is read."""
    checks = {column.name: [column] for column in columns}
    for agreed in schema:
        checks.setdefault(agreed.name, []).append(agreed)
        try:
            checks[agreed.name][0].require_agreed(agreed)
        except ValueError as error:
            raise WorkFailed("bad options", str(error)) from None
    return checks


def _require_rows(path: str, rows: int, left_out: int) -> None:
    if not rows:
        raise WorkFailed("empty", f"{path} has a header but no rows")
    if rows == left_out:
        raise WorkFailed("empty", f"{path} has no row without a missing value")


class _Rows:
    """The numbers of a piece, and what is wrong with them, all columns together."""

    def __init__(
        self, path: str, source: Source, checks: Mapping[str, Sequence[Column]], piece: Piece
    ) -> None:
        self.values: dict[str, NDArray[np.float64]] = {}
        self._faults: dict[str, NDArray[np.uint8]] = {}
        self._path, self._source, self._checks = path, source, checks
        self._places = piece.places
        for (name, rules), cells in zip(checks.items(), piece.cells, strict=True):
            values, faults = numbers(rules[0], cells)
            for rule in rules[1:]:
                faults[(faults == Fault.NONE) & _breaks(rules[0], rule, values)] = Fault.FORBIDDEN
            self.values[name], self._faults[name] = values, faults

    def missing(self) -> NDArray[np.bool_]:
        """Return which rows (n,) lack a value."""
        lacking = [faults == Fault.MISSING for faults in self._faults.values()]
        return np.asarray(np.logical_or.reduce(lacking), dtype=np.bool_)

    def refuse(self, left_out: NDArray[np.bool_] | None) -> None:
        """Raise `WorkFailed` for the first row with a fault that is not left out."""
        first: tuple[int, str, Fault] | None = None
        for name, faults in self._faults.items():
            counted = faults != Fault.NONE
            if left_out is not None:
                counted &= ~left_out
            row = int(counted.argmax()) if counted.any() else len(faults)
            if row < (len(faults) if first is None else first[0]):
                first = row, name, Fault(int(faults[row]))
        if first is not None:
            raise self._failure(*first)

    def _failure(self, row: int, name: str, fault: Fault) -> WorkFailed:
        where = f"{self._path}, {self._source.row} {self._places[row]}, column {name!r}"
        demand = "; ".join(dict.fromkeys(rule.demand for rule in self._checks[name]))
        texts = {
            Fault.MISSING: "no value; fill it, leave the row out, or agree on missing = "
            '"leave out" in the job',
            Fault.NO_NUMBER: "not a finite number",
            Fault.FORBIDDEN: f"it must be {demand}",
        }
        return WorkFailed(_KINDS[fault], f"{where}: {texts[fault]}")


def _breaks(read: Column, agreed: Column, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    # Of a class that is read by other levels than the schema's, these are known to be among them.
    if read.kind == "class" and agreed.kind == "class":
        return np.zeros(len(values), dtype=np.bool_)
    return agreed.faults(values)


def _warnings(
    path: str, columns: Sequence[Column], found: Mapping[str, NDArray[np.float64]], left_out: int
) -> Iterator[str]:
    for column in columns:
        if column.kind in ("0 or 1", "class") and np.ptp(found[column.name]) == 0:
            yield f"{path}: {column.name!r} is the same in all rows"
    if left_out:
        yield f"{path}: {left_out} rows are left out, as they lack a value"
