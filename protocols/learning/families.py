"""The distributions of generalised linear models (McCullagh and Nelder, 1989, chapter 2).

A row has an outcome y, a size m (trials of a binomial, exposure of a Poisson, else 1) and a linear
predictor η; its mean is m·h(η), where h inverts the link.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from .distributions import log_gamma, x_log_y
from .job import JobFailed
from .table import Kind, Vector

FamilyName = Literal["gaussian", "binomial", "poisson", "gamma"]
LinkName = Literal["identity", "logit", "log", "inverse"]

# exp of more leaves the range of what is summed.
_LARGEST_EXPONENT = 35.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Of each row (n,): its mean, the slope dmean/dη, the variance and the deviance."""

    mean: Vector
    slope: Vector
    variance: Vector
    deviance: Vector


class Family(Protocol):
    """One distribution with one link."""

    name: FamilyName
    link: LinkName
    kind: Kind
    known_scale: bool

    @abstractmethod
    def curve(self, eta: Vector, y: Vector, m: Vector) -> Curve | None:
        """Return the rows' curve at η (n,); None where η is no model of some row."""

    @abstractmethod
    def intercept(self, mean: float) -> float:
        """Return η for a mean per size. Raises `JobFailed` where all outcomes are extreme."""

    def unit(self, mean: float, null: float) -> float:
        """Return the size of a change of η that matters; `null` is the null deviance of a row."""
        return 1.0

    @abstractmethod
    def base(self, y: Vector, m: Vector) -> Vector:
        """Return what the log-likelihood (n,) needs besides the deviance."""

    def log_likelihood(self, *, rows: float, deviance: float, base: float, scale: float) -> float:
        """Return the log-likelihood of all rows from sums."""
        return base - deviance / 2


@dataclass(frozen=True, slots=True)
class Gaussian(Family):
    """Normal errors of equal variance: the ordinary linear model."""

    name: FamilyName = "gaussian"
    link: LinkName = "identity"
    kind: Kind = "number"
    known_scale: bool = False

    def curve(self, eta: Vector, y: Vector, m: Vector) -> Curve | None:
        ones = np.ones(len(y))
        return Curve(eta, ones, ones, (y - eta) ** 2)

    def intercept(self, mean: float) -> float:
        return mean

    def unit(self, mean: float, null: float) -> float:
        return math.sqrt(null)

    def base(self, y: Vector, m: Vector) -> Vector:
        return np.zeros(len(y))

    def log_likelihood(self, *, rows: float, deviance: float, base: float, scale: float) -> float:
        if deviance <= 0:
            return math.inf
        return -rows / 2 * (math.log(2 * math.pi * deviance / rows) + 1)


@dataclass(frozen=True, slots=True)
class Binomial(Family):
    """Successes among m trials; a 0 or 1 where m is 1."""

    name: FamilyName = "binomial"
    link: LinkName = "logit"
    kind: Kind = "0 or 1"
    known_scale: bool = True

    def curve(self, eta: Vector, y: Vector, m: Vector) -> Curve | None:
        chance = (1 + np.tanh(eta / 2)) / 2  # 1/(1+exp(-eta)) without overflow
        slope = m * chance * (1 - chance)
        best = x_log_y(y, y / m) + x_log_y(m - y, (m - y) / m)
        deviance = 2 * (best - y * eta + m * np.logaddexp(0.0, eta))
        return Curve(m * chance, slope, slope, deviance)

    def intercept(self, mean: float) -> float:
        if not 0 < mean < 1:
            raise JobFailed(
                "all rows of all owners are of one class: there is nothing to tell apart"
            )
        return math.log(mean / (1 - mean))

    def base(self, y: Vector, m: Vector) -> Vector:
        ways = log_gamma(m + 1) - log_gamma(y + 1) - log_gamma(m - y + 1)
        best: Vector = ways + x_log_y(y, y / m) + x_log_y(m - y, (m - y) / m)
        return best


@dataclass(frozen=True, slots=True)
class Poisson(Family):
    """Counts over an exposure m."""

    name: FamilyName = "poisson"
    link: LinkName = "log"
    kind: Kind = "count"
    known_scale: bool = True

    def curve(self, eta: Vector, y: Vector, m: Vector) -> Curve | None:
        if (np.abs(eta) > _LARGEST_EXPONENT).any():
            return None
        mean = m * np.exp(eta)
        return Curve(mean, mean, mean, 2 * (x_log_y(y, y / mean) - (y - mean)))

    def intercept(self, mean: float) -> float:
        if mean <= 0:
            raise JobFailed("all counts of all owners are 0: there is nothing to explain")
        return math.log(mean)

    def base(self, y: Vector, m: Vector) -> Vector:
        best: Vector = x_log_y(y, y) - y - log_gamma(y + 1)
        return best


@dataclass(frozen=True, slots=True)
class Gamma(Family):
    """Positive outcomes whose deviation grows with their mean; link `inverse` or `log`."""

    link: LinkName = "inverse"
    name: FamilyName = "gamma"
    kind: Kind = "positive"
    known_scale: bool = False

    def curve(self, eta: Vector, y: Vector, m: Vector) -> Curve | None:
        if self.link == "log":
            if (np.abs(eta) > _LARGEST_EXPONENT).any():
                return None
            mean = np.exp(eta)
            slope = mean
        else:
            if (eta < math.exp(-_LARGEST_EXPONENT)).any():
                return None
            mean = 1 / eta
            slope = -(mean**2)
        return Curve(mean, slope, mean**2, 2 * ((y - mean) / mean - np.log(y / mean)))

    def intercept(self, mean: float) -> float:
        return math.log(mean) if self.link == "log" else 1 / mean

    def unit(self, mean: float, null: float) -> float:
        return 1.0 if self.link == "log" else 1 / mean

    def base(self, y: Vector, m: Vector) -> Vector:
        return np.log(y)

    def log_likelihood(self, *, rows: float, deviance: float, base: float, scale: float) -> float:
        if scale <= 0:
            return math.inf
        shape = 1 / scale
        return (
            rows * shape * math.log(shape)
            - shape * (deviance / 2 + rows)
            - rows * math.lgamma(shape)
            - base
        )


def mean_of(link: LinkName, eta: Vector) -> Vector:
    """Return the mean per size (n,) at η (n,)."""
    match link:
        case "identity":
            return eta
        case "logit":
            return np.asarray((1 + np.tanh(eta / 2)) / 2, dtype=np.float64)
        case "log":
            return np.exp(eta)
    return np.asarray(1 / eta, dtype=np.float64)


LINKS: Mapping[FamilyName, tuple[LinkName, ...]] = {
    "gaussian": ("identity",),
    "binomial": ("logit",),
    "poisson": ("log",),
    "gamma": ("inverse", "log"),
}


def family_of(name: FamilyName, link: LinkName | None = None) -> Family:
    """Return a distribution with a link, by default its usual one.

    Raises `ValueError` for a link that it does not have.
    """
    if link is not None and link not in LINKS[name]:
        raise ValueError(f"{name} has no link {link!r}; it has {', '.join(LINKS[name])}")
    match name:
        case "gaussian":
            return Gaussian()
        case "binomial":
            return Binomial()
        case "poisson":
            return Poisson()
    return Gamma(link or "inverse")
