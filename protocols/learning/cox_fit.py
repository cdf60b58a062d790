"""A finished proportional hazards model: log hazard ratios with their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .distributions import chi2_tail, normal_quantile, normal_tails
from .fits import Columns, brief, coefficients, design, heading, plain, probability, short
from .table import Vector

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxFit:
    """Coefficients in units of the columns as they are.

    Attributes:
        estimates: shape (p,); `covariance` (p, p) is theirs, `means` and
            `deviations` (p,) those of the columns.
        pooled: all rows are compared with each other, else those of one owner.
        concordance: Harrell's C within owners; None for a pooled fit.
        ends, hazard: of a pooled fit the ends of cells (k,) and the cumulative hazard at the
            columns' means; else empty, as each owner has a baseline of its own.
    """

    time: str
    event: str
    names: tuple[str, ...]
    estimates: Vector = field(repr=False)
    covariance: Vector = field(repr=False)
    means: Vector = field(repr=False)
    deviations: Vector = field(repr=False)
    ties: str
    pooled: bool
    rows: int
    events: int
    log_likelihood: float
    null_log_likelihood: float
    concordance: float | None
    ends: Vector = field(repr=False)
    hazard: Vector = field(repr=False)
    rounds: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> Vector:
        """Return the standard errors (p,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def statistics(self) -> Vector:
        """Return z (p,), estimates over errors."""
        return np.asarray(self.estimates / self.errors, dtype=np.float64)

    @property
    def p_values(self) -> Vector:
        """Return two-sided p-values (p,)."""
        return normal_tails(self.statistics)

    @property
    def ratio_test(self) -> tuple[float, float]:
        """Return the chi-squared statistic of the likelihood ratio test and its p-value."""
        statistic = 2 * (self.log_likelihood - self.null_log_likelihood)
        return statistic, chi2_tail(statistic, len(self.names))

    def interval(self, level: float = _LEVEL) -> Vector:
        """Return confidence intervals (p, 2) of the coefficients."""
        half = self.errors * normal_quantile((1 + level) / 2)
        return np.column_stack([self.estimates - half, self.estimates + half])

    def predict(self, columns: Columns) -> Vector:
        """Return the hazard (n,) of each row, relative to one with mean columns."""
        x = design(columns, self.names)[:, 1:]
        return np.asarray(np.exp((x - self.means) @ self.estimates), dtype=np.float64)

    def summary(self) -> str:
        """Return a table in the manner of lifelines."""
        heads = ("coef", "ratio", "std err", "z", "P>|z|", "[0.025", "0.975]")
        columns = (self.estimates, self.errors, self.statistics, self.p_values, self.interval())
        rows = [
            (short(b), short(np.exp(b)), brief(se), f"{z:.3f}", probability(p), brief(a), brief(c))
            for b, se, z, p, (a, c) in zip(*columns, strict=True)
        ]
        top = heading(f"Cox Regression over {len(self.owners)} Owners", *self._facts())
        return "\n".join([top, coefficients(self.names, heads, rows), *self.notes])

    def _facts(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        statistic, chance = self.ratio_test
        left = [
            ("Duration:", self.time),
            ("Event:", self.event),
            ("Ties:", self.ties.capitalize()),
            ("Strata:", "none" if self.pooled else "owners"),
            ("Rounds:", str(self.rounds)),
        ]
        right = [
            ("No. Observations:", str(self.rows)),
            ("No. Events:", str(self.events)),
            ("Partial Log-Likelihood:", f"{self.log_likelihood:.2f}"),
            ("LR chi2:", f"{statistic:.5g}"),
            (f"Prob (chi2, {len(self.names)} df):", f"{chance:.3g}"),
        ]
        if self.concordance is not None:
            right += [("Concordance:", f"{self.concordance:.4f}")]
        return left, right

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "cox",
            "time": self.time,
            "event": self.event,
            "names": self.names,
            "coefficients": self.estimates,
            "hazard_ratios": np.exp(self.estimates),
            "standard_errors": self.errors,
            "statistics": self.statistics,
            "p_values": self.p_values,
            "intervals": self.interval(),
            "covariance": self.covariance,
            "means": self.means,
            "deviations": self.deviations,
            "ties": self.ties,
            "pooled": self.pooled,
            "rows": self.rows,
            "events": self.events,
            "log_likelihood": self.log_likelihood,
            "null_log_likelihood": self.null_log_likelihood,
            "concordance": self.concordance,
            "cell_ends": self.ends,
            "cumulative_hazard": self.hazard,
            "rounds": self.rounds,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
