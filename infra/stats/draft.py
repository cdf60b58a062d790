"""A first schema from an owner's own table: names and kinds of columns, and no value of any row.

Bounds and levels are values, so they are left to be filled in by people who know what may be
public. Levels that many rows have are written where the owner asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tomli_w

from infra.sources import source_at
from infra.sources.cells import Fault, level_of, numbers
from infra.sources.source import Cells
from protocols.learning.table import Column, Kind

MOST_LEVELS = 30
"""A text with more different values is taken for a name, a note or a date, and left out."""
COMMON_ROWS = 10
"""So many rows make a level common."""

_HEAD = """# What the owners' columns hold. Public: each owner reads it and checks its data by it.
# Drafted from names and kinds of one owner's columns; nothing of its rows is in here{but}.
# Fill in: unit; least and most, where a number has bounds by its nature and not by your data;
# levels of each class, as they stand in the tables, with those that other owners have.
"""


@dataclass(slots=True)
class _Seen:
    """What the cells of a column have in common so far."""

    name: str
    number: bool = True
    whole: bool = True
    binary: bool = True
    levels: Counter[str] = field(default_factory=Counter)

    def take(self, cells: Cells) -> None:
        values, faults = numbers(Column(name=self.name), cells)
        there = faults != Fault.MISSING
        self.number &= bool((faults[there] == Fault.NONE).all())
        known = values[faults == Fault.NONE]
        self.whole &= bool(((known >= 0) & (known == np.rint(known))).all())
        self.binary &= bool(np.isin(known, (0, 1)).all())
        if len(self.levels) <= MOST_LEVELS:
            of_cells = cells.tolist() if isinstance(cells, np.ndarray) else cells
            given = (cell for cell, is_there in zip(of_cells, there, strict=True) if is_there)
            for cell in given:
                self.levels[level_of(cell)] += 1
                if len(self.levels) > MOST_LEVELS:
                    break

    def kind(self) -> Kind | None:
        """Return the kind that suits all cells; None for a text that is no class."""
        if not self.number:
            return "class" if len(self.levels) <= MOST_LEVELS else None
        if self.binary:
            return "0 or 1"
        return "count" if self.whole else "number"


def drafted(path: str, *, levels: bool = False) -> str:
    """Return a schema as TOML, with comments on what is to be filled in.

    With `levels` those levels of a class stand there that `COMMON_ROWS` rows or more have.

    Raises `WorkFailed` where the table can't be read.
    """
    source = source_at(path)
    seen = [_Seen(name) for name in source.header()]
    for piece in source.pieces([column.name for column in seen]):
        for column, cells in zip(seen, piece.cells, strict=True):
            column.take(cells)
    but = f", but for levels of {COMMON_ROWS} rows or more" if levels else ""
    return "\n".join([_HEAD.format(but=but), *(_table(column, levels=levels) for column in seen)])


def _table(column: _Seen, *, levels: bool) -> str:
    kind = column.kind()
    if kind is None:
        name = column.name.encode("unicode_escape").decode()
        return f"# {name}: left out, as a text of many different values\n"
    keys: dict[str, Any] = {"name": column.name, "kind": kind}
    comments: Sequence[str] = ['# unit = ""', "# least = ", "# most = "]
    if kind == "class":
        common = [level for level, rows in column.levels.items() if rows >= COMMON_ROWS]
        comments = [] if levels and common else ['levels = ["…", "…"]  # to be filled in']
        keys |= {"levels": sorted(common)} if levels and common else {}
    elif kind == "0 or 1":
        comments = []
    return "\n".join(["[[column]]", tomli_w.dumps(keys).rstrip("\n"), *comments, ""])
