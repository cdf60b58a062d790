"""Cox's partial likelihood from sums over risk sets, with ties by Efron or Breslow.

At the time k, d(k) rows have their event, S(k) and D(k) are sums of exp(η), of x·exp(η) and of
xx'·exp(η) over those at risk and over those with an event (Therneau and Grambsch, "Modeling
Survival Data", 2000, sections 3.1 and 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .survival import Observed
from .table import Vector

Ties = Literal["efron", "breslow"]

# Where exp(η) of a row is below that part of the largest, sums forget the row.
_WIDEST = 500.0


@dataclass(frozen=True, slots=True)
class RiskSets:
    """What the risk sets (k,) say, apart from the second moments.

    Attributes:
        log_sum: Σ log of the weighted denominators, and `slope` (p,) its gradient.
        outer: Σ zz' (p, p) of the weighted means z.
        at_risk, with_event: what weighs the second moments of S and D at each time (k,).
    """

    log_sum: float
    slope: Vector
    outer: Vector
    at_risk: Vector
    with_event: Vector

    @staticmethod
    def of(deaths: NDArray[np.int64], sums: tuple[Vector, Vector], ties: Ties) -> RiskSets:
        """Return them for d (k,) and, of S and of D, sums (k, 1 + p) of exp(η) and x·exp(η)."""
        risk, event = sums
        time = np.repeat(np.arange(len(deaths)), deaths)
        first = np.cumsum(deaths) - deaths
        place = np.arange(len(time)) - first[time]
        part = place / deaths[time] if ties == "efron" else np.zeros(len(time))
        moments = risk[time] - part[:, None] * event[time]
        weight = moments[:, 0]
        mean = moments[:, 1:] / weight[:, None]
        return RiskSets(
            log_sum=float(np.log(weight).sum()),
            slope=mean.sum(axis=0),
            outer=mean.T @ mean,
            at_risk=_totals(1 / weight, time, len(deaths)),
            with_event=_totals(part / weight, time, len(deaths)),
        )


@dataclass(frozen=True, slots=True)
class Partial:
    """The log partial likelihood, its gradient (p,) and its negative curvature (p, p)."""

    log_likelihood: float
    gradient: Vector
    information: Vector


def partial(x: Vector, eta: Vector, seen: Observed, ties: Ties) -> Partial | None:
    """Return the partial likelihood of rows that are their own risk sets; None beyond floats."""
    p, dead = x.shape[1], seen.events == 1
    if not dead.any():
        return Partial(0.0, np.zeros(p), np.zeros((p, p)))
    if np.ptp(eta) > _WIDEST:
        return None
    times = np.unique(seen.times[dead])
    # A row is at risk at the first `last` times of events, and dies at the last of these.
    last = np.searchsorted(times, seen.times, side="right")
    weights = np.exp(eta - eta.max())
    moments = weights[:, None] * np.column_stack([np.ones(len(x)), x])
    risk, event = np.zeros((len(times) + 1, p + 1)), np.zeros((len(times) + 1, p + 1))
    np.add.at(risk, last, moments)
    np.add.at(event, last[dead], moments[dead])
    deaths = np.bincount(last[dead], minlength=len(times) + 1)[1:]
    sums = (np.cumsum(risk[:0:-1], axis=0)[::-1], event[1:])
    sets = RiskSets.of(deaths, sums, ties)
    each = np.append(0.0, np.cumsum(sets.at_risk))[last]
    each[dead] -= np.append(0.0, sets.with_event)[last[dead]]
    return Partial(
        log_likelihood=float((eta[dead] - eta.max()).sum()) - sets.log_sum,
        gradient=x[dead].sum(axis=0) - sets.slope,
        information=(x.T * (weights * each)) @ x - sets.outer,
    )


def _totals(values: Vector, places: NDArray[np.int64], size: int) -> Vector:
    totals = np.zeros(size)
    np.add.at(totals, places, values)
    return totals
