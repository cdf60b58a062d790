"""Which arrays of a state are the model, how each of them is summed, and how it moves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from protocols.learning.job import JobFailed
from protocols.learning.layout import Ranged, Shape, count
from protocols.learning.state import Array, State


def model_of(state: State) -> dict[str, Array]:
    """Return the arrays of the current model."""
    return {name: array for name, array in state.arrays.items() if not name.startswith("[")}


def learnt(state: State) -> list[str]:
    """Return the names of the parameters that are learnt together, in order."""
    buffers = buffer_names(state)
    return [name for name in summed_names(state) if name not in buffers]


def shifted(name: str, array: Array, change: NDArray[np.float64]) -> Array:
    """Return an array plus its change, in its own type. Raises `JobFailed` where it overflows."""
    # Where nothing changes, what is infinite in a buffer stays as it is.
    moved = np.where(change == 0, array, array.astype(np.float64) + change)
    if np.issubdtype(array.dtype, np.integer):
        return array + np.rint(change).astype(np.int64)
    with np.errstate(over="ignore"):  # an overflow is looked for in the next line
        cast: Array = moved if array.dtype == np.float64 else moved.astype(np.float32)
    if not np.isfinite(cast[change != 0]).all():
        raise JobFailed(f"{name} is no longer finite: the training diverges; lower learning_rate")
    return cast


def summed_names(state: State) -> list[str]:
    """Return the names of the arrays whose changes are summed, in order."""
    fixed = {str(name) for name in state.items("fixed")}
    return sorted(model_of(state).keys() - fixed)


def buffer_names(state: State) -> set[str]:
    """Return the names of what no gradient moves: buffers, and all whole numbers."""
    whole = {n for n, array in state.arrays.items() if np.issubdtype(array.dtype, np.integer)}
    return whole | {str(name) for name in state.items("buffers")}


def part_of(array: Array, *, buffer: bool) -> Shape:
    """Return how the changes of an array travel."""
    if np.issubdtype(array.dtype, np.integer):
        return count(*array.shape)
    if buffer:
        # Variances have any size: rows·change up to 2^60, to within 2^-48 at 20 fraction bits.
        return Ranged(shape=array.shape, largest=2.0**60, digits=3)
    return array.shape


def norm(state: State, mean: Mapping[str, NDArray[np.float64]]) -> float:
    """Return the L2 norm over the parameters."""
    squares = [np.sum(mean[name] ** 2) for name in learnt(state)]
    return float(np.sqrt(np.sum(squares)))
