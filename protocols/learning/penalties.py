"""Penalties on coefficients, and the penalised Newton step (Friedman, Hastie and Tibshirani,
"Regularization paths for generalized linear models via coordinate descent", 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .job import JobFailed, require
from .state import State
from .table import Vector

_SWEEPS = 100_000
# Coordinate descent is over when no coefficient moves by more, relative to itself or to the
# largest that is penalised.
_STILL = 1e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """l1 Σ|b| + l2 Σb²/2 over all coefficients but the intercepts.

    Attributes:
        per_row: both weights are multiplied by the number of rows.
        scaled: b are the coefficients of the standardised columns, else of the columns as they
            are.
    """

    l1: float = 0.0
    l2: float = 0.0
    per_row: bool = False
    scaled: bool = True

    def __post_init__(self) -> None:
        require(0 <= self.l1 < np.inf, "a penalty must be 0 or more")
        require(0 <= self.l2 < np.inf, "a penalty must be 0 or more")

    @property
    def absent(self) -> bool:
        """Return whether nothing is penalised."""
        return self.l1 == 0 and self.l2 == 0

    def weights(self, state: State, coefficients: int) -> tuple[Vector, Vector]:
        """Return the weights (k,) of |b| and b²/2, for b of the standardised columns.

        The coefficients are blocks of an intercept and one for each column, or one for each.
        """
        scale = state.floats("scale")
        unit = np.ones(len(scale)) if self.scaled else 1 / scale
        with_intercepts = np.append(0.0, unit)
        blocks = coefficients // len(with_intercepts)
        units = unit if coefficients == len(unit) else np.tile(with_intercepts, blocks)
        rows = state.number("rows") if self.per_row else 1.0
        return self.l1 * rows * units, self.l2 * rows * units**2


def penalised_step(
    beta: Vector, gradient: Vector, information: Vector, weights: tuple[Vector, Vector]
) -> Vector:
    """Return the step that maximises the penalised quadratic around `beta` (k,)."""
    l1, l2 = weights
    curvature = information + np.diag(l2)
    slope = gradient - l2 * beta
    if not l1.any():
        return np.asarray(np.linalg.solve(curvature, slope), dtype=np.float64)
    return _descended(beta, slope, curvature, l1) - beta


def _descended(beta: Vector, slope: Vector, curvature: Vector, l1: Vector) -> Vector:
    """Minimise -slope·d + d'·curvature·d/2 + Σ l1|beta + d| by coordinate descent."""
    found, diagonal = beta.copy(), np.diag(curvature)
    left = slope.copy()  # slope - curvature·(found - beta)
    for _ in range(_SWEEPS):
        size, moved = float(np.abs(found[l1 > 0]).max()), False
        for j in np.flatnonzero(diagonal > 0):
            aim = left[j] + diagonal[j] * found[j]
            best = np.sign(aim) * max(abs(aim) - l1[j], 0.0) / diagonal[j]
            change = best - found[j]
            if change != 0:
                found[j] = best
                left -= curvature[:, j] * change
                moved |= bool(abs(change) > _STILL * max(size, abs(best)))
        if not moved:
            return found
    raise JobFailed("coordinate descent does not end: columns are almost linearly dependent")
