"""What every reader of an owner's rows does, whatever the rows lie in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.ports import WorkFailed

PIECE_ROWS = 16_384
"""Rows that are in memory as the reader has them; of all others only numbers are kept."""

Cells: TypeAlias = Sequence[object] | NDArray[np.float64]
"""A column's cells: texts or what a library made of them, None where there is none; or numbers,
of which nan is none."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table, one entry of `cells` for each column that was asked for."""

    cells: Sequence[Cells] = field(repr=False)
    places: Sequence[int] = field(repr=False)  # of each row, as the source counts them


class Source(Protocol):
    """An owner's rows. Errors name the file, row and column, never a value.

    `row` is what a place is called, such as `line`.
    """

    row: str

    def header(self) -> tuple[str, ...]:
        """Return the names of the columns, each once. Raises `WorkFailed`."""
        ...

    def pieces(self, names: Sequence[str]) -> Iterator[Piece]:
        """Yield all rows in order, `PIECE_ROWS` at a time at most, with these columns only.

        Raises `WorkFailed`, also where a column is not there.
        """
        ...


def require_columns(path: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise `WorkFailed` unless the header has all columns that are wanted."""
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


def distinct(header: tuple[str, ...], path: str, kind: str) -> tuple[str, ...]:
    """Return the header, or raise `WorkFailed` of this kind where a name is missing or repeated."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        which = ", ".join(map(repr, twice)) or "one without a name"
        raise WorkFailed(kind, f"{path}: every column needs its own name, not {which}")
    return header


def missing_library(path: str, library: str, extra: str) -> WorkFailed:
    """Return the error for a file that needs an extra of ours which is not installed."""
    return WorkFailed(
        "missing library", f"{path} needs {library}: pip install 'quorate[{extra}]' there"
    )
