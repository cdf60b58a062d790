"""How named numbers, vectors and matrices lie in the one vector that is summed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse


@dataclass(frozen=True, slots=True)
class Symmetric:
    """A symmetric matrix (rows, rows), of which only the upper triangle travels."""

    rows: int


Shape: TypeAlias = tuple[int, ...] | Symmetric
Part: TypeAlias = float | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a vector by name, in order."""

    parts: Mapping[str, Shape]

    @property
    def size(self) -> int:
        """Return the length d of the vector."""
        return sum(_size(shape) for shape in self.parts.values())

    def pack(self, values: Mapping[str, Part]) -> NDArray[np.float64]:
        """Lay the values out as one vector (d,)."""
        if values.keys() != self.parts.keys():
            raise Misuse(f"packed {sorted(values)} where {sorted(self.parts)} belong")
        pieces = [_flat(name, shape, values[name]) for name, shape in self.parts.items()]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def unpack(self, vector: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the parts of a vector (d,); symmetric matrices come back whole."""
        if vector.shape != (self.size,):
            raise Misuse(f"unpacked {vector.shape} where ({self.size},) belongs")
        values, start = {}, 0
        for name, shape in self.parts.items():
            stop = start + _size(shape)
            values[name] = _shaped(shape, vector[start:stop])
            start = stop
        return values

    def name_of(self, index: int) -> str:
        """Return what coordinate `index` is, like `hessian[3,4]` or `rows`."""
        for name, shape in self.parts.items():
            size = _size(shape)
            if 0 <= index < size:
                place = _place(shape, index)
                return f"{name}[{','.join(map(str, place))}]" if place else name
            index -= size
        raise Misuse("no such coordinate")


def _size(shape: Shape) -> int:
    if isinstance(shape, Symmetric):
        return shape.rows * (shape.rows + 1) // 2
    return prod(shape)


def _flat(name: str, shape: Shape, value: Part) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    expected = (shape.rows, shape.rows) if isinstance(shape, Symmetric) else shape
    if array.shape != expected:
        raise Misuse(f"{name} has shape {array.shape} where {expected} belongs")
    if isinstance(shape, Symmetric):
        return array[np.triu_indices(shape.rows)]
    return array.reshape(-1)


def _shaped(shape: Shape, piece: NDArray[np.float64]) -> NDArray[np.float64]:
    if not isinstance(shape, Symmetric):
        return piece.reshape(shape)
    matrix = np.zeros((shape.rows, shape.rows))
    matrix[np.triu_indices(shape.rows)] = piece
    return matrix + np.triu(matrix, 1).T


def _place(shape: Shape, index: int) -> tuple[int, ...]:
    if isinstance(shape, Symmetric):
        # Counted from the end, the rows of the triangle hold 1, 2, 3 ... entries.
        left = _size(shape) - 1 - index
        from_end = (isqrt(8 * left + 1) - 1) // 2
        return shape.rows - 1 - from_end, shape.rows - 1 - (left - from_end * (from_end + 1) // 2)
    return tuple(int(i) for i in np.unravel_index(index, shape)) if shape else ()
