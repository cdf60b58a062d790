"""A finished generalised linear model: coefficients with their errors, and how well they fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .distributions import f_tail, normal_quantile, normal_tails, t_quantile, t_tails
from .families import FamilyName, LinkName, mean_of
from .fits import Columns, brief, coefficients, design, heading, plain, probability, short
from .table import Vector

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class GlmFit:
    """An unpenalised model, in units of the columns as they are; the first name is `const`.

    Attributes:
        estimates: shape (k,); `covariance` (k, k) is theirs, with the scale in it.
        deviations: shape (k - 1,), those of the columns over all rows.
        scale: dispersion; 1 for binomial and poisson, else Pearson's chi-squared over `residual`
            degrees of freedom.
    """

    target: str
    family: FamilyName
    link: LinkName
    names: tuple[str, ...]
    estimates: Vector = field(repr=False)
    covariance: Vector = field(repr=False)
    deviations: Vector = field(repr=False)
    rows: int
    scale: float
    deviance: float
    null_deviance: float
    pearson: float
    log_likelihood: float
    rounds: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def residual(self) -> int:
        """Return the residual degrees of freedom."""
        return self.rows - len(self.names)

    @property
    def errors(self) -> Vector:
        """Return the standard errors (k,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def statistics(self) -> Vector:
        """Return estimates over errors (k,): t for the linear model, else z."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.estimates / self.errors, dtype=np.float64)

    @property
    def p_values(self) -> Vector:
        """Return two-sided p-values (k,)."""
        z = self.statistics
        return t_tails(z, self.residual) if self.is_linear else normal_tails(z)

    @property
    def is_linear(self) -> bool:
        """Return whether this is the ordinary linear model, whose errors follow Student's t."""
        return self.family == "gaussian"

    @property
    def r_squared(self) -> float:
        """Return the explained part of the null deviance; for linear models R²."""
        return 1 - self.deviance / self.null_deviance if self.null_deviance > 0 else math.nan

    @property
    def f_statistic(self) -> float:
        """Return F of all columns together, for linear models."""
        explained = (self.null_deviance - self.deviance) / (len(self.names) - 1)
        return explained / self.scale if self.scale > 0 else math.inf

    @property
    def aic(self) -> float:
        """Return Akaike's information criterion."""
        return 2 * len(self.names) - 2 * self.log_likelihood

    def interval(self, level: float = _LEVEL) -> Vector:
        """Return confidence intervals (k, 2)."""
        tail = (1 + level) / 2
        reach = t_quantile(tail, self.residual) if self.is_linear else normal_quantile(tail)
        half = self.errors * reach
        return np.column_stack([self.estimates - half, self.estimates + half])

    def predict(self, columns: Columns) -> Vector:
        """Return the expected outcome (n,) of each row; per trial, and for an exposure of 1."""
        return mean_of(self.link, design(columns, self.names[1:]) @ self.estimates)

    def summary(self) -> str:
        """Return a table in the manner of statsmodels."""
        sign = "t" if self.is_linear else "z"
        heads = ("coef", "std err", sign, f"P>|{sign}|", "[0.025", "0.975]")
        columns = (self.estimates, self.errors, self.statistics, self.p_values, self.interval())
        rows = [
            (short(b), brief(se), f"{z:.3f}", probability(p), brief(low), brief(high))
            for b, se, z, p, (low, high) in zip(*columns, strict=True)
        ]
        title = "OLS" if self.is_linear else "Generalised Linear Model"
        top = heading(f"{title} Regression over {len(self.owners)} Owners", *self._facts())
        return "\n".join([top, coefficients(self.names, heads, rows), *self.notes])

    def _facts(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        left = [
            ("Dep. Variable:", self.target),
            ("Model Family:", self.family.capitalize()),
            ("Link Function:", self.link.capitalize()),
            ("Owners:", str(len(self.owners))),
            ("Rounds:", str(self.rounds)),
            ("AIC:", f"{self.aic:.2f}"),
        ]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Df Residuals:", str(self.residual)),
            ("Df Model:", str(len(self.names) - 1)),
            ("Log-Likelihood:", f"{self.log_likelihood:.5g}"),
        ]
        if self.is_linear:
            tail = f_tail(self.f_statistic, len(self.names) - 1, self.residual)
            adjusted = 1 - (1 - self.r_squared) * (self.rows - 1) / self.residual
            left += [("R-squared:", f"{self.r_squared:.3f}")]
            left += [("Adj. R-squared:", f"{adjusted:.3f}")]
            right += [("F-statistic:", f"{self.f_statistic:.4g}")]
            right += [("Prob (F-statistic):", f"{tail:.3g}")]
            right += [("Residual Std. Error:", f"{math.sqrt(self.scale):.5g}")]
        else:
            left += [("Scale:", f"{self.scale:.5g}")]
            right += [("Deviance:", f"{self.deviance:.5g}")]
            right += [("Null Deviance:", f"{self.null_deviance:.5g}")]
            right += [("Pearson chi2:", f"{self.pearson:.4g}")]
        return left, right

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "glm",
            "target": self.target,
            "family": self.family,
            "link": self.link,
            "names": self.names,
            "coefficients": self.estimates,
            "standard_errors": self.errors,
            "statistics": self.statistics,
            "p_values": self.p_values,
            "intervals": self.interval(),
            "covariance": self.covariance,
            "deviations": self.deviations,
            "rows": self.rows,
            "residual_degrees": self.residual,
            "scale": self.scale,
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "pearson": self.pearson,
            "log_likelihood": self.log_likelihood,
            "aic": self.aic,
            "r_squared": self.r_squared,
            "rounds": self.rounds,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
