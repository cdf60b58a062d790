"""Who is here: learned from what rounds saw, so that nobody waits twice for the dead."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.reports import Event, HolderLeft, HolderReturned, Step, TrainerLeft, TrainerReturned
from protocols.round_config import Roster


class Attendance:
    """Everybody counts as present until a round went on without them, and again once heard."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._away: dict[str, None] = {}

    def present(self) -> tuple[str, ...]:
        """Name the actors that a round should wait for."""
        everybody = (*self._roster.holders, *self._roster.trainers)
        return tuple(name for name in everybody if name not in self._away)

    def seen(self, name: str, number: int) -> list[Event]:
        """Take note of a sign of life in round `number`."""
        if name not in self._away:
            return []
        del self._away[name]
        if self._roster.role(name) == "holder":
            return [HolderReturned(number=number, holder=name)]
        return [TrainerReturned(number=number, trainer=name)]

    def holders_left(self, names: Iterable[str], number: int, step: Step) -> list[Event]:
        """Take note that a round went on without these holders, as they were silent."""
        gone = [name for name in names if name not in self._away]
        self._away.update(dict.fromkeys(gone))
        return [HolderLeft(number=number, holder=name, step=step) for name in gone]

    def leaves(self, name: str, number: int, step: Step, reason: str) -> list[Event]:
        """Take note that round `number` goes on without one that said why."""
        if name in self._away:
            return []
        self._away[name] = None
        if self._roster.role(name) == "holder":
            return [HolderLeft(number=number, holder=name, step=step, reason=reason)]
        return [TrainerLeft(number=number, trainer=name, step=step, reason=reason)]

    def trainers_left(self, reasons: dict[str, str], number: int) -> list[Event]:
        """Take note that a round went on without these trainers, and why."""
        gone = {name: reason for name, reason in reasons.items() if name not in self._away}
        self._away.update(dict.fromkeys(gone))
        return [
            TrainerLeft(number=number, trainer=name, step=Step.COLLECTING, reason=reason)
            for name, reason in gone.items()
        ]
