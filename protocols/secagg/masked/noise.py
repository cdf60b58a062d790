"""What the noise that comes out of an opened sum says about the sum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from protocols.secagg.suite import Garbled

from .layout import TAIL_SIGMAS
from .parameters import SIGMA

__all__ = ["Garbled", "Noise", "Verdict", "exceeds"]

_UNLIKELY = 64 * math.log(2)  # a false alarm once in 2^64 blocks


class Verdict(Enum):
    """What to make of an opened block."""

    SOUND = "the noise is that of its contributors"
    GARBLED = "mask and secret do not belong together: the sum is worthless"
    WRONG_WIDTH = "the sum is right, but somebody's noise was not drawn as agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of some coefficients of one sum; noises of several blocks add up.

    Attributes:
        count: coefficients.
        largest: magnitude.
        squares: sum of the squares.
        strays: coefficients with anything above their highest slot.
    """

    count: int = 0
    largest: int = 0
    squares: int = 0
    strays: int = 0

    def __add__(self, other: Noise) -> Noise:
        return Noise(
            count=self.count + other.count,
            largest=max(self.largest, other.largest),
            squares=self.squares + other.squares,
            strays=self.strays + other.strays,
        )

    def spread(self, contributors: int) -> float:
        """Return the measured variance over the one of so many contributors; about 1."""
        return self.squares / (float(SIGMA) ** 2 * contributors * self.count)

    def verdict(self, contributors: int) -> Verdict:
        """Judge a sum of `contributors` vectors, one or more.

        A sum of honest noise is garbled with probability below 2^-102 for each coefficient. A
        secret that does not fit its mask leaves every coefficient uniform, and each of them
        passes with probability below 1/2.
        """
        if self.strays or exceeds(self.largest, contributors):
            return Verdict.GARBLED
        return Verdict.WRONG_WIDTH if self._unlikely(contributors) else Verdict.SOUND

    def _unlikely(self, contributors: int) -> bool:
        # Chernoff's bound for chi-squared: Pr <= exp(-n/2 · (x - 1 - ln x)) on either side.
        if not self.count:
            return False
        x = self.spread(contributors)
        exponent = x - 1 - math.log(x) if x else math.inf
        return self.count / 2 * exponent > _UNLIKELY


def exceeds(magnitude: int, contributors: int) -> bool:
    """Say whether a sum of so many samples is beyond twelve standard deviations."""
    return magnitude**2 > (TAIL_SIGMAS * SIGMA) ** 2 * contributors
