"""An owner's table: numbers with one header line, in a CSV file.

Error texts name the line and the column, never a value.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of one owner: `x` (n, p) in the order of `columns`, `y` (n,) of 0 and 1.

    `warnings` are for the owner only: they speak of its data.
    """

    columns: tuple[str, ...]
    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_header(path: str) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file. Raises `WorkFailed`."""
    with _reading(path) as file:
        return _header(csv.reader(file, strict=True), path)


def load_table(path: str, features: tuple[str, ...] | None, target: str) -> Table:
    """Read the columns `features` (None: all others) and the 0/1 column `target`.

    Columns that are not asked for are left out unread.

    Raises:
        WorkFailed: `missing file`, `malformed csv`, `different columns`, `missing value`,
            `not a number`, `bad target` or `empty`.
    """
    with _reading(path) as file:
        lines = csv.reader(file, strict=True)
        header = _header(lines, path)
        wanted = features or tuple(name for name in header if name != target)
        _check_columns(path, header, (*wanted, target))
        places = [header.index(name) for name in (*wanted, target)]
        values = array("d")
        for cells in _rows(lines, path, len(header)):
            values.extend(_numbers(cells, places, header, f"{path}, line {lines.line_num}"))
    if not values:
        raise WorkFailed("empty", f"{path} has a header but no rows")
    numbers = np.frombuffer(values, dtype=np.float64).reshape(-1, len(places))
    x, y = numbers[:, :-1].copy(), numbers[:, -1].copy()
    return Table(columns=wanted, x=x, y=y, warnings=_warnings(path, target, y))


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


def _check_columns(path: str, header: tuple[str, ...], wanted: tuple[str, ...]) -> None:
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


def _numbers(
    cells: list[str], places: list[int], header: tuple[str, ...], where: str
) -> list[float]:
    chosen = [cells[place] for place in places]
    try:
        numbers = [float(cell) for cell in chosen]
        target = numbers[-1]
        if (
            math.isfinite(math.fsum(numbers))
            and target in (0.0, 1.0)
            and "_" not in "".join(chosen)
        ):
            return numbers
    except (ValueError, OverflowError):
        pass
    # Something is odd, which is rare: only now look at each cell.
    for cell, place in zip(chosen, places, strict=True):
        _check_cell(cell, f"{where}, column {header[place]!r}")
    if float(chosen[-1]) not in (0.0, 1.0):
        where = f"{where}, column {header[places[-1]]!r}"
        raise WorkFailed("bad target", f"{where}: the target must be 0 or 1")
    return [float(cell) for cell in chosen]


def _check_cell(cell: str, where: str) -> None:
    if cell.strip().lower() in _MISSING:
        raise WorkFailed("missing value", f"{where}: no value; fill it or leave the row out")
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    # Python reads 1_000 as a number, other programs do not.
    if not math.isfinite(number) or "_" in cell:
        raise WorkFailed("not a number", f"{where}: not a finite number")


def _warnings(path: str, target: str, y: NDArray[np.float64]) -> tuple[str, ...]:
    if y.min() == y.max():
        return (f"{path}: {target!r} is the same in all rows",)
    return ()
