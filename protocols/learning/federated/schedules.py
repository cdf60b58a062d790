"""The learning rate of a round: a public function of its number."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import Literal, TypeAlias

ScheduleName: TypeAlias = Literal["constant", "step", "cosine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How the rate goes down from `first` over `rounds`.

    Attributes:
        step_rounds: with "step" the rate is multiplied by `step_factor` after so many rounds.
        lowest: what a "cosine" ends at, in the last round.
    """

    kind: ScheduleName
    first: float
    rounds: int
    step_rounds: int
    step_factor: float
    lowest: float

    def rate(self, number: int) -> float:
        """Return the rate of round `number`, from 0."""
        match self.kind:
            case "constant":
                return self.first
            case "step":
                return self.first * self.step_factor ** (number // self.step_rounds)
            case "cosine":
                done = min(number / max(self.rounds - 1, 1), 1.0)
                return self.lowest + (self.first - self.lowest) * (1 + cos(pi * done)) / 2
