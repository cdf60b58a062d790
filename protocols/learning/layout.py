"""How named numbers, vectors and matrices lie in the one vector that is summed.

A part is plain or has a range. A plain part travels as it is and has the fraction bits of the
job, no more; it is for long vectors, such as models. A number with a range is cut into digits,
each a coordinate below `2^ROOM_BITS`, so that small and large numbers keep as many bits as a
float64 has, and so that no sum of them can wrap around the field:

    count(20)       20 whole numbers up to 2^36, exact
    real(3, 4)      a matrix (3, 4) of reals up to 1e30, of any units: exact to 1e-37
    reals(names)    one such real for each name, which error texts then use
    symmetric(4)    the same for a symmetric (4, 4), of which the upper triangle travels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt, prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse, Unfit

ROOM_BITS = 16
"""No coordinate of a part with a range is above 2^16."""
GRID_BITS = 20
"""Every digit but the last is a multiple of 2^-20: the job needs as many fraction bits."""

_DIGIT_BITS = ROOM_BITS + GRID_BITS
_NOT_FINITE = "look for a division by zero, an overflow or a learning rate that is too high"


@dataclass(frozen=True, slots=True)
class Symmetric:
    """A symmetric matrix (rows, rows), of which only the upper triangle travels."""

    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranged:
    """A part whose numbers are cut into digits.

    Attributes:
        largest: a power of two that no owner's number is above.
        digits: coordinates that a number takes; k digits and f fraction bits tell numbers apart
            that differ by largest / 2^(36(k-1) + 16 + f).
        whole: the numbers are whole, and so are their sums.
        labels: what the numbers of a vector are of, for error texts.
    """

    shape: tuple[int, ...] | Symmetric
    largest: float
    digits: int = 1
    whole: bool = False
    labels: tuple[str, ...] = ()


Shape: TypeAlias = tuple[int, ...] | Symmetric | Ranged
Part: TypeAlias = float | NDArray[np.float64] | NDArray[np.int64]
Sums: TypeAlias = Mapping[str, NDArray[np.float64]]


def count(*shape: int) -> Ranged:
    """Return a part of whole numbers up to 2^36, such as rows or the bins of a histogram."""
    return Ranged(shape=shape, largest=2.0**_DIGIT_BITS, whole=True)


def real(*shape: int) -> Ranged:
    """Return a part of reals in any units; six coordinates each."""
    return Ranged(shape=shape, largest=2.0**100, digits=6)


def reals(names: Sequence[str]) -> Ranged:
    """Return a part with a real in any units for each name."""
    return replace(real(len(names)), labels=tuple(names))


def symmetric(rows: int) -> Ranged:
    """Return a part that is a symmetric matrix of reals in any units."""
    return Ranged(shape=Symmetric(rows), largest=2.0**100, digits=6)


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a vector by name, in order."""

    parts: Mapping[str, Shape]

    @property
    def size(self) -> int:
        """Return the length d of the vector."""
        return sum(_size(shape) for shape in self.parts.values())

    def pack(self, values: Mapping[str, Part]) -> NDArray[np.float64]:
        """Lay the values out as one vector (d,).

        Raises:
            Misuse: other parts or shapes than those of the layout.
            Unfit: "not finite" or "too large", in a part with a range.
        """
        if values.keys() != self.parts.keys():
            raise Misuse(f"packed {sorted(values)} where {sorted(self.parts)} belong")
        pieces = [_flat(name, shape, values[name]) for name, shape in self.parts.items()]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def unpack(self, vector: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the parts of a vector (d,) or of a sum; symmetric matrices come back whole."""
        if vector.shape != (self.size,):
            raise Misuse(f"unpacked {vector.shape} where ({self.size},) belongs")
        values, start = {}, 0
        for name, shape in self.parts.items():
            stop = start + _size(shape)
            values[name] = _shaped(shape, vector[start:stop])
            start = stop
        return values

    def zeros(self) -> dict[str, NDArray[np.float64]]:
        """Return every part filled with zeros."""
        return self.unpack(np.zeros(self.size))

    def name_of(self, index: int) -> str:
        """Return what coordinate `index` is, like `hessian[3,4]` or `rows`."""
        for name, shape in self.parts.items():
            size = _size(shape)
            if 0 <= index < size:
                return _named(name, shape, index)
            index -= size
        raise Misuse("no such coordinate")


def _size(shape: Shape) -> int:
    match shape:
        case Ranged():
            return _size(shape.shape) * shape.digits
        case Symmetric():
            return shape.rows * (shape.rows + 1) // 2
    return prod(shape)


def _flat(name: str, shape: Shape, value: Part) -> NDArray[np.float64]:
    if isinstance(shape, Ranged):
        return _digits(name, shape, _flat(name, shape.shape, value))
    array = np.asarray(value, dtype=np.float64)
    expected = (shape.rows, shape.rows) if isinstance(shape, Symmetric) else shape
    if array.shape != expected:
        raise Misuse(f"{name} has shape {array.shape} where {expected} belongs")
    if isinstance(shape, Symmetric):
        return array[np.triu_indices(shape.rows)]
    return array.reshape(-1)


def _shaped(shape: Shape, piece: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(shape, Ranged):
        return _shaped(shape.shape, _number(shape, piece))
    if not isinstance(shape, Symmetric):
        return piece.reshape(shape)
    matrix = np.zeros((shape.rows, shape.rows))
    matrix[np.triu_indices(shape.rows)] = piece
    return matrix + np.triu(matrix, 1).T


def _digits(name: str, part: Ranged, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the digits (digits·m,) of numbers (m,), all first ones first."""
    _refuse(name, part, ~np.isfinite(numbers), "not finite", _NOT_FINITE)
    above = f"magnitudes up to {part.largest:g} fit; use other units"
    _refuse(name, part, np.abs(numbers) > part.largest, "too large", above)
    if part.whole and (numbers != np.rint(numbers)).any():
        raise Misuse(f"{name} counts, and its numbers are not whole")
    rest, unit, pieces = numbers, part.largest / 2**ROOM_BITS, []
    for _ in range(part.digits - 1):
        # All steps are exact: a power of two scales, and what is rounded away is a float64.
        digit = np.rint(rest / unit * 2**GRID_BITS) / 2**GRID_BITS
        pieces.append(digit)
        rest, unit = rest - digit * unit, unit / 2**_DIGIT_BITS
    return np.concatenate([*pieces, rest / unit])


def _number(part: Ranged, digits: NDArray[np.float64]) -> NDArray[np.float64]:
    unit, total = part.largest / 2**ROOM_BITS, np.zeros(_size(part.shape))
    for piece in digits.reshape(part.digits, -1):
        total, unit = total + piece * unit, unit / 2**_DIGIT_BITS
    return np.rint(total) if part.whole else total


def _refuse(name: str, part: Ranged, faulty: NDArray[np.bool_], kind: str, why: str) -> None:
    if faulty.any():
        place = _named(name, part, int(faulty.argmax()))
        raise Unfit(kind, f"this owner's {place} is {kind}: {why}")


def _named(name: str, shape: Shape, index: int) -> str:
    place: Sequence[object] = _place(shape, index)
    if isinstance(shape, Ranged) and shape.labels:
        place = [shape.labels[index % len(shape.labels)]]
    return f"{name}[{','.join(map(str, place))}]" if place else name


def _place(shape: Shape, index: int) -> tuple[int, ...]:
    if isinstance(shape, Ranged):
        return _place(shape.shape, index % _size(shape.shape))
    if isinstance(shape, Symmetric):
        # Counted from the end, the rows of the triangle hold 1, 2, 3 ... entries.
        left = _size(shape) - 1 - index
        from_end = (isqrt(8 * left + 1) - 1) // 2
        return shape.rows - 1 - from_end, shape.rows - 1 - (left - from_end * (from_end + 1) // 2)
    return tuple(int(i) for i in np.unravel_index(index, shape)) if shape else ()
