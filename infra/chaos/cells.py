"""The matrix of a drill: who is hurt, in which step of a round, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product


class Party(Enum):
    """Who is hurt."""

    TRAINER = "trainer"
    HOLDER = "holder"
    COORDINATOR = "coordinator"
    BROKER = "broker"


class Moment(Enum):
    """When: at the first message of a round that shows this step at the party."""

    ANNOUNCE = "announce"
    COMPUTE = "compute"
    UPLOAD = "upload"
    RECEIPT = "receipt"
    VOTE = "vote"
    RELEASE = "release"
    OPEN = "open"
    CHECKPOINT = "checkpoint"


class Fault(Enum):
    """How: kill −9 and start anew, SIGSTOP and SIGCONT later, or its connections reset."""

    KILL = "kill"
    PAUSE = "pause"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to go wrong."""

    party: Party
    moment: Moment
    fault: Fault

    def __str__(self) -> str:
        return f"{self.party.value}/{self.moment.value}/{self.fault.value}"


def all_cells() -> tuple[Cell, ...]:
    """Return the whole matrix, 96 cells, the quick faults first."""
    return tuple(
        Cell(party, moment, fault)
        for fault, party, moment in product((Fault.KILL, Fault.CUT, Fault.PAUSE), Party, Moment)
    )


def chosen_cells(patterns: tuple[str, ...]) -> tuple[Cell, ...]:
    """Return the cells that match any pattern like `trainer/upload/kill` or `*/vote/*`.

    Raises `ValueError` for a pattern that matches none.
    """
    if not patterns:
        return all_cells()
    found: dict[Cell, None] = {}
    for pattern in patterns:
        some = dict.fromkeys(_matching(pattern))
        if not some:
            raise ValueError(
                f"{pattern!r} matches no cell; write party/step/fault, with * for any: parties "
                f"{_names(Party)}; steps {_names(Moment)}; faults {_names(Fault)}"
            )
        found |= some
    return tuple(found)


def _matching(pattern: str) -> Iterator[Cell]:
    parts = pattern.split("/")
    if len(parts) != 3:
        return
    for cell in all_cells():
        names = (cell.party.value, cell.moment.value, cell.fault.value)
        if all(part in ("*", name) for part, name in zip(parts, names, strict=True)):
            yield cell


def _names(kind: type[Enum]) -> str:
    return ", ".join(str(member.value) for member in kind)
