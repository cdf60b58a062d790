"""An owner's table: numbers with one header line, in a CSV file.

Error texts name the line and the column, never a value.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed
from protocols.learning.table import Column, Table

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})


def read_header(path: str) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file. Raises `WorkFailed`."""
    with _reading(path) as file:
        return _header(csv.reader(file, strict=True), path)


def load_table(path: str, columns: Sequence[Column]) -> Table:
    """Read these columns; those that are not asked for are left out unread.

    A column whose outcomes are all alike is a warning.

    Raises:
        WorkFailed: `missing file`, `malformed csv`, `different columns`, `missing value`,
            `not a number`, `bad target` or `empty`.
    """
    with _reading(path) as file:
        lines = csv.reader(file, strict=True)
        header = _header(lines, path)
        _check_columns(path, header, [column.name for column in columns])
        reader = _RowReader(columns, [header.index(column.name) for column in columns])
        values, numbers = array("d"), array("q")
        for cells in _rows(lines, path, len(header)):
            numbers.append(lines.line_num)
            values.extend(reader.numbers(cells, f"{path}, line {lines.line_num}"))
    if not numbers:
        raise WorkFailed("empty", f"{path} has a header but no rows")
    matrix = np.frombuffer(values, dtype=np.float64).reshape(len(numbers), -1)
    found = {column.name: matrix[:, place].copy() for place, column in enumerate(columns)}
    for column in columns:
        _check_values(path, column, found[column.name], numbers)
    return Table(found, _warnings(path, columns, found))


@contextmanager
def _reading(path: str) -> Iterator[TextIO]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            yield file
    except OSError as error:
        raise WorkFailed("missing file", f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WorkFailed("malformed csv", f"{path} is not UTF-8 text") from None
    except csv.Error as error:
        raise WorkFailed("malformed csv", f"{path}: {error}") from None


def _header(lines: Iterator[list[str]], path: str) -> tuple[str, ...]:
    header = tuple(name.strip() for name in next(lines, []))
    if not header:
        raise WorkFailed("empty", f"{path} has no header line")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        which = ", ".join(map(repr, twice)) or "one without a name"
        raise WorkFailed("malformed csv", f"{path}: every column needs its own name, not {which}")
    return header


def _check_columns(path: str, header: tuple[str, ...], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in header]
    unexpected = [name for name in header if name not in wanted]
    if not missing:
        return
    text = f"{path} lacks {_listed(missing)}"
    if unexpected:
        text += f"; the job does not know its {_listed(unexpected)}"
    raise WorkFailed("different columns", text)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(repr(name) for name in names[:5]) + more


def _rows(lines: Iterator[list[str]], path: str, width: int) -> Iterator[list[str]]:
    for cells in lines:
        if not cells:  # an empty line
            continue
        if len(cells) != width:
            line = getattr(lines, "line_num", 0)
            raise WorkFailed(
                "malformed csv", f"{path}, line {line}: {len(cells)} cells under {width} columns"
            )
        yield cells


@dataclass(frozen=True, slots=True)
class _RowReader:
    """Turns the cells of a row into numbers, those of the columns that are asked for."""

    columns: Sequence[Column]
    places: Sequence[int]
    codes: dict[str, dict[str, int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for column in self.columns:
            if column.kind == "class":
                self.codes[column.name] = {level: n for n, level in enumerate(column.levels)}

    def numbers(self, cells: list[str], where: str) -> list[float]:
        chosen = [cells[place] for place in self.places]
        if not self.codes:
            try:
                numbers = [float(cell) for cell in chosen]
                # Python reads 1_000 as a number, other programs do not.
                if math.isfinite(math.fsum(numbers)) and "_" not in "".join(chosen):
                    return numbers
            except (ValueError, OverflowError):
                pass
        # Something is odd, which is rare, or a text: only now look at each cell.
        return [
            self._number(column, cell, f"{where}, column {column.name!r}")
            for column, cell in zip(self.columns, chosen, strict=True)
        ]

    def _number(self, column: Column, cell: str, where: str) -> float:
        if cell.strip().lower() in _MISSING:
            raise WorkFailed("missing value", f"{where}: no value; fill it or leave the row out")
        if column.kind == "class":
            code = self.codes[column.name].get(cell.strip())
            if code is None:
                raise WorkFailed("bad target", f"{where}: the target must be {column.demand}")
            return float(code)
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or "_" in cell:
            raise WorkFailed("not a number", f"{where}: not a finite number")
        return number


def _check_values(
    path: str, column: Column, values: NDArray[np.float64], lines: Sequence[int]
) -> None:
    faulty = column.faults(values)
    if faulty.any():
        where = f"{path}, line {lines[int(faulty.argmax())]}, column {column.name!r}"
        raise WorkFailed("bad target", f"{where}: the target must be {column.demand}")


def _warnings(
    path: str, columns: Sequence[Column], found: Mapping[str, NDArray[np.float64]]
) -> tuple[str, ...]:
    alike = [
        column.name
        for column in columns
        if column.kind in ("0 or 1", "class") and np.ptp(found[column.name]) == 0
    ]
    return tuple(f"{path}: {name!r} is the same in all rows" for name in alike)
