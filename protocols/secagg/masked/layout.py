"""How many values share a coefficient, in how many bits, and what then still fits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .parameters import SETS, SIGMA, ParameterSet

TAIL_SIGMAS = 12  # a sum of noise is larger with probability below 2^-102
MOST_SLOTS = 16
MOST_WIDTH = 62  # sums are int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A coefficient from its lowest bit: noise, then the slots, each a signed sum.

    Attributes:
        parameters: the ring.
        trainers: N_tr, the most vectors that one sum may have.
        slots: values in one coefficient.
    """

    parameters: ParameterSet
    trainers: int
    slots: int

    def __post_init__(self) -> None:
        most = self.parameters.most_trainers
        if not 1 <= self.trainers <= most:
            raise ValueError(f"{self.trainers} trainers are not between 1 and {most}")
        if not 1 <= self.slots <= MOST_SLOTS:
            raise ValueError(f"{self.slots} slots are not between 1 and {MOST_SLOTS}")
        if self.limit < 1:
            raise ValueError(
                f"{self.slots} slots of {self.width} bits hold no sum of {self.trainers} trainers; "
                f"use fewer slots or fewer trainers"
            )

    @property
    def noise_bits(self) -> int:
        """κ: twice twelve standard deviations of the noise of all, and one bit of slack."""
        return _noise_bits(self.trainers)

    @property
    def width(self) -> int:
        """Bits of one slot, its sign included."""
        free = self.parameters.usable_bits - self.noise_bits
        return min(free // self.slots, MOST_WIDTH)

    @property
    def limit(self) -> int:
        """The largest |integer| of one trainer: the sum of all stays within its slot."""
        largest: int = 2 ** (self.width - 1) - 1  # an int power may be a float, says its type
        return largest // self.trainers

    @property
    def bytes_per_value(self) -> float:
        """Bytes that a trainer sends for each value, in full blocks."""
        return 30 * len(self.parameters.primes) / 8 / self.slots

    def headroom_bits(self, largest: int) -> float:
        """Return how many doublings of `largest` still fit; negative when it does not fit.

        Args:
            largest: the largest |integer| that a trainer may have, zero or more. Zero gives
                infinity.

        Raises:
            ValueError: `largest` is negative.
        """
        if largest < 0:
            raise ValueError("the largest magnitude is not negative")
        return math.log2(self.limit) - math.log2(largest) if largest else math.inf

    def check_fits(self, largest: int) -> None:
        """Refuse a round in which a sum may run into the next slot.

        Args:
            largest: as for `headroom_bits`.

        Raises:
            ValueError: it does not fit; the text has the bits and the ways out.
        """
        headroom = self.headroom_bits(largest)
        if largest > self.limit:
            raise self._misfit(largest, max(1, math.ceil(-headroom)))

    def _misfit(self, largest: int, missing: int) -> ValueError:
        ways = ["fewer fraction bits", "a smaller clip norm", "fewer trainers in a round"]
        wider = next((each for each in layouts(self.trainers) if largest <= each.limit), None)
        if wider is not None:
            ways.insert(0, f"{wider} ({wider.bytes_per_value:.2f} bytes for a value)")
        return ValueError(
            f"integers up to {largest} do not fit {self}: the limit for each of {self.trainers} "
            f"trainers is {self.limit}, {missing} {'bit is' if missing == 1 else 'bits are'} "
            f"missing; use {', '.join(ways[:-1])} or {ways[-1]}"
        )

    def __str__(self) -> str:
        return f"set {self.parameters.name} with {self.slots} slots of {self.width} bits"


@cache
def _noise_bits(trainers: int) -> int:
    # The square is exact: no rounding decides how many bits there are.
    squared = (2 * TAIL_SIGMAS * SIGMA) ** 2 * trainers
    bits = 0
    while 4**bits < squared:
        bits += 1
    return bits + 1


def layouts(trainers: int) -> Iterator[Layout]:
    """Yield every possible layout, the one with the fewest bytes first; equal ones by set."""
    possible = []
    for parameters in SETS.values():
        for slots in range(1, MOST_SLOTS + 1):
            try:
                possible.append(Layout(parameters=parameters, trainers=trainers, slots=slots))
            except ValueError:
                break  # more slots are narrower still
    yield from sorted(possible, key=lambda each: (each.bytes_per_value, each.parameters.degree))


def chosen(trainers: int, largest: int) -> Layout:
    """Return the layout with the fewest bytes in which every sum fits.

    Args:
        trainers: the most vectors that one sum may have.
        largest: the largest |integer| that a trainer may have.

    Raises:
        ValueError: too many trainers, or values that no layout holds; the text says what to
            change.
    """
    most = max(each.most_trainers for each in SETS.values())
    if not 1 <= trainers <= most:
        raise ValueError(f"{trainers} trainers are not between 1 and {most}")
    possible = list(layouts(trainers))
    fitting = (layout for layout in possible if largest <= layout.limit)
    layout = next(fitting, max(possible, key=lambda each: each.limit))
    layout.check_fits(largest)
    return layout
