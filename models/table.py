"""What a share-holder does in a round, as data: read from the tables beside this file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
BINDING = ("vote", "answer")  # what counts for others; all else a holder says binds nobody
SAYS = ("-", "opened", "receipt", "refused", "violation", "erased", "sum", *BINDING)
OTHER = "-other"


@dataclass(frozen=True, slots=True)
class Cell:
    """The state after an input, and what leaves once that state is durable."""

    next: str
    says: str


@dataclass(frozen=True, slots=True)
class Table:
    """Every state of a holder with every input that can come to pass in it."""

    inputs: tuple[str, ...]
    rows: Mapping[str, Mapping[str, Cell]]

    @property
    def states(self) -> tuple[str, ...]:
        """All states, in the order of the file."""
        return tuple(self.rows)

    def owns(self, state: str) -> bool:
        """Whether a holder in this state is bound to a set; to others it then says no."""
        return f"propose{OTHER}" in self.rows[state]

    def cell(self, state: str, given: str, *, other: bool = False) -> Cell | None:
        """Return what an input does, None where it can't come to pass.

        With `other` the input is about another set than the holder's own, if it has one.
        """
        bound = other and self.owns(state) and f"{given}{OTHER}" in self.inputs
        return self.rows[state].get(f"{given}{OTHER}" if bound else given)

    def changed(self, changes: Mapping[tuple[str, str], str]) -> Table:
        """Return a table with other cells, as `{(state, input): "NEXT/SAYS"}`."""
        rows = {state: dict(row) for state, row in self.rows.items()}
        for (state, given), text in changes.items():
            if given not in self.rows[state]:
                raise ValueError(f"there is no cell {state}, {given} to change")
            rows[state][given] = _cell(state, text)
        return _checked(Table(self.inputs, rows))

    def cells(self) -> Iterator[tuple[str, str, Cell]]:
        """Yield every cell with its state and its input."""
        for state, row in self.rows.items():
            for given, cell in row.items():
                yield state, given, cell


@cache
def holder(*, vote: bool) -> Table:
    """Return the table of a round with or without a vote."""
    name = "two_phases.txt" if vote else "one_phase.txt"
    return parsed((FOLDER / name).read_text(encoding="utf-8"))


def parsed(text: str) -> Table:
    """Read a table; raise `ValueError` where it contradicts itself."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    (_, *inputs), *body = lines
    rows: dict[str, dict[str, Cell]] = {}
    for state, *texts in body:
        if state in rows or len(texts) != len(inputs):
            raise ValueError(f"the row {state} is there twice or has {len(texts)} cells")
        pairs = zip(inputs, texts, strict=True)
        rows[state] = {given: _cell(state, text) for given, text in pairs if text != "x"}
    return _checked(Table(tuple(inputs), rows))


def _cell(state: str, text: str) -> Cell:
    follows, _, says = text.partition("/")
    return Cell(state if follows == "." else follows, says)


def _checked(table: Table) -> Table:
    for state, given, cell in table.cells():
        if cell.next not in table.rows or cell.says not in SAYS:
            raise ValueError(f"{state}, {given}: {cell} is not in this table")
    return table
