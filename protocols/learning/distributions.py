"""Tails and quantiles of the distributions that tests and intervals rest on."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from .table import Vector


def normal_tails(z: Vector) -> Vector:
    """Return the two-sided p-values of standard normal statistics."""
    return _array(2 * _special().ndtr(-np.abs(z)))


def normal_quantile(level: float) -> float:
    """Return the standard normal quantile."""
    return float(_special().ndtri(level))


def t_tails(t: Vector, degrees: float) -> Vector:
    """Return the two-sided p-values of Student's t."""
    return _array(2 * _special().stdtr(degrees, -np.abs(t)))


def t_quantile(level: float, degrees: float) -> float:
    """Return the quantile of Student's t."""
    return float(_special().stdtrit(degrees, level))


def f_tail(value: float, above: float, below: float) -> float:
    """Return the chance of an F of `above` and `below` degrees of freedom beyond a value."""
    return float(_special().fdtrc(above, below, value))


def chi2_tail(value: float, degrees: float) -> float:
    """Return the chance of a chi-squared beyond a value."""
    return float(_special().chdtrc(degrees, value))


def log_gamma(x: Vector) -> Vector:
    """Return the logarithm of the gamma function."""
    return _array(_special().gammaln(x))


def x_log_y(x: Vector, y: Vector) -> Vector:
    """Return x·log(y), and 0 where x is 0."""
    return np.asarray(x * np.log(np.where(x == 0, 1.0, y)), dtype=np.float64)


def _special() -> ModuleType:
    # Most processes of a federation compute nothing of this, and it takes memory and time.
    import scipy.special  # noqa: PLC0415

    special: ModuleType = scipy.special
    return special


def _array(values: Vector) -> Vector:
    return np.asarray(values, dtype=np.float64)
