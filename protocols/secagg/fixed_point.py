"""Real numbers as integers that a sum of all trainers can't wrap around the modulus."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse, Unfit
from protocols.round_config import RoundConfig

from .field import FIELDS, PrimeField
from .masked.layout import Layout

_PIECE = 2**16  # of the values that are decoded at a time


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """How a round writes reals: x is the integer round(x · 2^fraction_bits).

    Attributes:
        field: where the sum is computed, or that of its secrets where there is a layout.
        fraction_bits: from 0 to 60.
        trainers: the most vectors that one sum may have.
        layout: of values under a mask, which bounds them then.
    """

    field: PrimeField
    fraction_bits: int
    trainers: int
    layout: Layout | None = None

    @classmethod
    def of(cls, config: RoundConfig) -> FixedPoint:
        """Return how this round writes reals."""
        field, layout = FIELDS[config.field], config.layout()
        return cls(field, config.fraction_bits, config.trainers, layout)

    def __post_init__(self) -> None:
        if not 0 <= self.fraction_bits <= 60:
            raise ValueError(f"{self.fraction_bits} fraction bits are not between 0 and 60")
        if not 1 <= self.trainers <= self.field.half:
            raise ValueError(f"{self.trainers} trainers do not fit the field {self.field.name}")

    @property
    def limit(self) -> int:
        """The largest |integer| of one trainer: a sum stays below p / 2, or within its slot."""
        return self.field.half // self.trainers if self.layout is None else self.layout.limit

    def headroom_bits(self, largest: float) -> float:
        """Return how many doublings of `largest` still fit; negative when it does not fit.

        Args:
            largest: the largest magnitude of a coordinate in real units, such as the largest
                weight times the clip norm; finite, not negative. Zero gives infinity.

        Raises:
            ValueError: `largest` is negative or not finite.
        """
        if not (math.isfinite(largest) and largest >= 0):
            raise ValueError("the largest magnitude must be finite and not negative")
        if largest == 0:
            return math.inf
        return math.log2(self.limit) - math.log2(largest) - self.fraction_bits

    def check_fits(self, largest: float) -> None:
        """Refuse a configuration under which a vector may turn out too large.

        Args:
            largest: as for `headroom_bits`.

        Raises:
            ValueError: it does not fit; the text has the bits and the ways out.
        """
        headroom = self.headroom_bits(largest)
        # Exactly what `encode` will compare: `round` of a fraction is half-even, too.
        if round(Fraction(largest) * 2**self.fraction_bits) <= self.limit:
            return
        missing = max(1, math.ceil(-headroom))
        raise ValueError(
            f"values up to {largest:g} do not fit: the headroom is {headroom:.2f} bits, "
            f"{missing} {'bit is' if missing == 1 else 'bits are'} missing "
            f"({self._terms()}); {self._ways_out()}"
        )

    def encode(
        self,
        vector: NDArray[np.float64],
        *,
        first: int = 0,
        name_of: Callable[[int], str] | None = None,
    ) -> NDArray[np.int64]:
        """Return round(x · 2^fraction_bits), half to even.

        Args:
            vector: shape (d,), or a piece of it.
            first: number of the piece's first coordinate.
            name_of: says what a coordinate is, for the error's text.

        Returns:
            Shape (d,), magnitudes up to `limit`.

        Raises:
            Unfit: "not finite" or "too large"; the text names the first such coordinate,
                never its value.
            Misuse: the vector is not of float64.

        Time O(d).
        """
        if vector.dtype != np.float64:
            raise Misuse(f"{vector.dtype} values are not float64")
        self._refuse(~np.isfinite(vector), "not finite", first, name_of)
        with np.errstate(over="ignore"):  # an infinity is above the limit as well
            # Scaling by a power of two is exact; only `rint` rounds.
            scaled = np.rint(np.ldexp(vector, self.fraction_bits))
        self._refuse(np.abs(scaled) > self._float_limit(), "too large", first, name_of)
        return scaled.astype(np.int64)

    def decode(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the reals that integers stand for.

        Args:
            values: shape (d,), a contribution or a sum of them.

        Returns:
            Shape (d,); exact below 2^53, else rounded to the nearest float64.
        """
        reals: NDArray[np.float64] = np.ldexp(values.astype(np.float64), -self.fraction_bits)
        return reals

    def decode_in_place(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what `decode` does, in the memory of the integers, which are gone then.

        Args:
            values: shape (d,), contiguous and writable.

        Memory O(1) beside `values`.
        """
        reals = values.view(np.float64)
        for start in range(0, values.size, _PIECE):
            piece = slice(start, start + _PIECE)
            reals[piece] = self.decode(values[piece])
        return reals

    def _float_limit(self) -> float:
        # Above 2^53 float(limit) may round up; the largest float that is not above it is exact.
        nearest = float(self.limit)
        return nearest if int(nearest) <= self.limit else math.nextafter(nearest, 0)

    def _refuse(
        self,
        faulty: NDArray[np.bool_],
        kind: str,
        first: int,
        name_of: Callable[[int], str] | None,
    ) -> None:
        if not faulty.any():
            return
        index = first + int(faulty.argmax())
        place = f"coordinate {index}" + (f" ({name_of(index)})" if name_of else "")
        if kind == "not finite":
            raise Unfit(
                kind,
                f"{place} is not finite: look for a division by zero, an overflow "
                "or a learning rate that is too high",
            )
        allowed = math.ldexp(self.limit, -self.fraction_bits)
        raise Unfit(
            kind,
            f"{place} is too large: magnitudes up to {allowed:g} fit ({self._terms()}); "
            f"{self._ways_out()}",
        )

    def _terms(self) -> str:
        where = f"field {self.field.name}" if self.layout is None else str(self.layout)
        return f"{where}, {self.fraction_bits} fraction bits, a sum of {self.trainers} trainers"

    def _ways_out(self) -> str:
        ways = ["smaller weights", "a smaller clip norm", "fewer trainers in a round"]
        if self.fraction_bits:
            ways.insert(0, "fewer fraction bits")
        if self.field.name == "p31" and self.layout is None:
            ways.insert(0, "the field p61")
        return f"use {', '.join(ways[:-1])} or {ways[-1]}"
