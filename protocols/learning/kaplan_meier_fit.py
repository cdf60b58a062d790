"""Finished survival curves: estimates with intervals, medians, and whether groups differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from protocols.errors import Misuse

from .distributions import chi2_tail, normal_quantile
from .fits import brief, coefficients, heading, plain, short
from .table import Vector

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeierFit:
    """Curves of groups (g) at the points (k) of a grid.

    Attributes:
        rows: how many each group has (g,); `events` and `censored` are counts (k, g).
    """

    time: str
    groups: tuple[str, ...]
    points: Vector = field(repr=False)
    rows: Vector = field(repr=False)
    events: Vector = field(repr=False)
    censored: Vector = field(repr=False)
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def at_risk(self) -> Vector:
        """Return how many are under observation just before each point (k, g)."""
        gone = np.cumsum(self.events + self.censored, axis=0)
        return np.asarray(self.rows - np.vstack([np.zeros_like(self.rows), gone[:-1]]))

    @property
    def survival(self) -> Vector:
        """Return the chance (k, g) to have no event until a point, Π (1 - d/n)."""
        return np.asarray(np.cumprod(1 - self._share, axis=0), dtype=np.float64)

    @property
    def hazard(self) -> Vector:
        """Return the cumulative hazard (k, g) of Nelson and Aalen, Σ d/n."""
        return np.cumsum(self._share, axis=0)

    def interval(self, level: float = _LEVEL) -> Vector:
        """Return bounds (2, k, g) of the survival, Greenwood's on the scale of log(-log)."""
        reach = normal_quantile((1 + level) / 2)
        d, n = self.events, self.at_risk
        greenwood = np.cumsum(np.divide(d, n * (n - d), where=n > d, out=0 * d), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(self.survival)
            half = reach * np.sqrt(greenwood) / logs
            bounds = np.exp(-np.exp(np.log(-logs) + np.stack([-half, half])))
        return np.asarray(np.where(self.survival == 1, 1.0, bounds))

    def hazard_interval(self, level: float = _LEVEL) -> Vector:
        """Return bounds (2, k, g) of the cumulative hazard, on the scale of its logarithm."""
        reach = normal_quantile((1 + level) / 2)
        share, n = self._share, self.at_risk
        parts = np.divide(share * (1 - share), n, where=n > 0, out=0 * n)
        spread = np.sqrt(np.cumsum(parts, axis=0))
        half = reach * spread / np.where(self.hazard > 0, self.hazard, 1)
        return np.asarray(self.hazard * np.exp(np.stack([-half, half])))

    @property
    def medians(self) -> Vector:
        """Return the first point (g,) at which half have had their event; infinite for none."""
        reached = self.survival <= 0.5
        places = reached.argmax(axis=0)
        return np.where(reached.any(axis=0), self.points[places], np.inf)

    @property
    def expected(self) -> Vector:
        """Return the events (g,) that groups would have if they did not differ."""
        return np.asarray((self._chance[:, None] * self.at_risk).sum(axis=0))

    @property
    def log_rank(self) -> tuple[float, float]:
        """Return the chi-squared statistic of the log-rank test and its p-value; NaN for none."""
        n, d, own = self.at_risk.sum(axis=1), self.events.sum(axis=1), self.at_risk
        part = np.divide(own, n[:, None], where=n[:, None] > 0, out=0 * own)
        weight = d * np.divide(n - d, n - 1, where=n > 1, out=0 * n)
        covariance = np.diag(weight @ part) - (part.T * weight) @ part
        excess = (self.events.sum(axis=0) - self.expected)[:-1]
        if len(self.groups) < 2 or np.linalg.matrix_rank(covariance[:-1, :-1]) < len(excess):
            return math.nan, math.nan
        statistic = float(excess @ np.linalg.solve(covariance[:-1, :-1], excess))
        return statistic, chi2_tail(statistic, len(excess))

    def predict(self, times: Vector) -> Vector:
        """Return the survival (n, g) at times from 0 to the last point. Raises `Misuse`."""
        times = np.asarray(times, dtype=np.float64)
        if not ((times >= 0) & (times <= self.points[-1])).all():
            raise Misuse(f"survival is known from 0 to {self.points[-1]:g}")
        curve = np.vstack([np.ones(len(self.groups)), self.survival])
        # A point is itself, however its multiple of the step was rounded.
        return curve[np.searchsorted(self.points * (1 - 1e-12), times, side="right")]

    def summary(self) -> str:
        """Return a table of groups and the log-rank test."""
        statistic, chance = self.log_rank
        left = [("Duration:", self.time), ("Owners:", str(len(self.owners)))]
        right = [
            ("No. Observations:", str(int(self.rows.sum()))),
            ("No. Events:", str(int(self.events.sum()))),
        ]
        if len(self.groups) > 1:
            left += [("Log-rank chi2:", f"{statistic:.4f}")]
            right += [(f"Prob (chi2, {len(self.groups) - 1} df):", f"{chance:.3g}")]
        low, high = self.interval()[:, -1]
        cells = zip(
            self.rows,
            self.events.sum(axis=0),
            self.expected,
            self.medians,
            self.survival[-1],
            low,
            high,
            strict=True,
        )
        rows = [
            [str(int(n)), str(int(d)), f"{e:.2f}", self._median(m), short(s), brief(a), brief(b)]
            for n, d, e, m, s, a, b in cells
        ]
        last = f"S({self.points[-1]:g})"
        heads = ["rows", "events", "expected", "median", last, "[0.025", "0.975]"]
        if len(self.groups) == 1:  # has as many as are expected
            for texts in (heads, *rows):
                del texts[2]
        title = f"Kaplan-Meier Curves over {len(self.owners)} Owners"
        table = coefficients(self.groups, heads, rows)
        return "\n".join([heading(title, left, right), table, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "kaplan_meier",
            "time": self.time,
            "groups": self.groups,
            "points": self.points,
            "rows": self.rows,
            "events": self.events,
            "censored": self.censored,
            "at_risk": self.at_risk,
            "survival": self.survival,
            "survival_interval": self.interval(),
            "cumulative_hazard": self.hazard,
            "cumulative_hazard_interval": self.hazard_interval(),
            "medians": self.medians,
            "log_rank": self.log_rank[0],
            "log_rank_p_value": self.log_rank[1],
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}

    def _median(self, point: float) -> str:
        return f"{point:g}" if math.isfinite(point) else f">{self.points[-1]:g}"

    @property
    def _share(self) -> Vector:
        """Return d/n (k, g), 0 where nobody is left."""
        n = self.at_risk
        return np.asarray(np.divide(self.events, n, where=n > 0, out=0 * n))

    @property
    def _chance(self) -> Vector:
        """Return d/n (k,) over all groups."""
        n = self.at_risk.sum(axis=1)
        return np.asarray(np.divide(self.events.sum(axis=1), n, where=n > 0, out=0 * n))
