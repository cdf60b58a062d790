"""What became of one history of a scenario: its rounds and its faults, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["complete", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody who took no part in a round; `step` is where the round went on without it."""

    name: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round that ended. All times are seconds since the start."""

    number: int
    began_s: float
    ended_s: float
    fate: Fate
    survivors: tuple[str, ...]
    left_out: tuple[Absence, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that struck.

    Attributes:
        place: its `[[fault]]` in the file, from 1.
        step: the step that it was aimed at; empty where it was aimed at none.
        round: the round under way, 0 before the first; `fate` is how that one ended, empty
            where it was still under way at the end.
        sum_s: how long until the next sum was opened; None where none was before the end.
        everybody_s: how long until the first round ended that began afterwards and had every
            trainer that was not dead; None where none was before the end.
    """

    place: int
    at_s: float
    action: str
    target: str
    party: str
    step: str
    round: int
    fate: Fate | Literal[""]
    sum_s: float | None
    everybody_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One history; `missed` are the places of faults that were planned and never struck.

    `digest` is empty for a history that nobody can repeat.
    """

    seed: int
    rounds: tuple[Round, ...]
    strikes: tuple[Strike, ...]
    missed: tuple[int, ...]
    end_s: float
    violations: tuple[str, ...]
    digest: str

    @property
    def complete(self) -> tuple[Round, ...]:
        """The rounds with a sum."""
        return tuple(each for each in self.rounds if each.fate == "complete")

    @property
    def abandoned(self) -> tuple[Round, ...]:
        """The rounds without one."""
        return tuple(each for each in self.rounds if each.fate == "abandoned")
