"""Do two groups have the same mean? Welch's and Student's t-test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .distributions import t_quantile, t_tails
from .fits import coefficients, heading, plain, probability, short
from .groups import GroupMeans, Groups, GroupSpreads, require_groups
from .job import require
from .phases import Phase
from .state import State
from .table import Column, Table
from .tabular import Tabular

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class TTest(Tabular):
    """Compares the mean of `target` in the two `groups` of the column `by`, in two rounds.

    Attributes:
        equal_variances: Student's test, which pools the variances; else Welch's.
    """

    target: str
    by: str
    groups: tuple[str, ...]
    equal_variances: bool = False
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_groups(self.by, self.groups, (self.target,))
        require(len(self.groups) == 2, "a t-test compares two groups; name two")
        require(self.max_rounds >= 2, "max_rounds must be 2 or more")

    def columns(self) -> tuple[Column, ...]:
        return (Column(name=self.target), Groups(self.by, self.groups).column())

    def phases(self) -> Sequence[Phase[Table]]:
        groups, columns = Groups(self.by, self.groups), (self.target,)
        return GroupMeans(columns, groups, 2), GroupSpreads(columns, groups)

    def fit(self, state: State) -> TTestFit | None:
        if state.facts.get("converged") is not True:
            return None
        rows, means, variances = (
            tuple(state.floats(name).ravel().tolist()) for name in ("rows", "mean", "variance")
        )
        return TTestFit(
            target=self.target,
            by=self.by,
            groups=self.groups,
            equal_variances=self.equal_variances,
            rows=tuple(int(n) for n in rows),
            means=means,
            variances=variances,
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TTestFit:
    """Two means and the test of their difference, first group less second."""

    target: str
    by: str
    groups: tuple[str, ...]
    equal_variances: bool
    rows: tuple[int, ...]
    means: tuple[float, ...]
    variances: tuple[float, ...]
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """Return the difference of the means."""
        return self.means[0] - self.means[1]

    @property
    def degrees(self) -> float:
        """Return the degrees of freedom; of Welch's test by Welch and Satterthwaite."""
        (n, m), (a, b) = self.rows, self._parts()
        if self.equal_variances or a + b == 0:
            return float(n + m - 2)
        return (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))

    @property
    def error(self) -> float:
        """Return the standard error of the difference."""
        return math.sqrt(sum(self._parts()))

    @property
    def statistic(self) -> float:
        """Return t; nan or infinite where neither group varies."""
        if self.error > 0:
            return self.difference / self.error
        return math.copysign(math.inf, self.difference) if self.difference else math.nan

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value."""
        return float(t_tails(np.array([self.statistic]), self.degrees)[0])

    def interval(self, level: float = _LEVEL) -> tuple[float, float]:
        """Return the confidence interval of the difference."""
        half = t_quantile((1 + level) / 2, self.degrees) * self.error
        return self.difference - half, self.difference + half

    def _parts(self) -> tuple[float, float]:
        """Return what each group adds to the variance of the difference."""
        (n, m), (v, w) = self.rows, self.variances
        if self.equal_variances:
            v = w = ((n - 1) * v + (m - 1) * w) / (n + m - 2)
        return v / n, w / m

    def summary(self) -> str:
        """Return both groups and the test as text."""
        low, high = self.interval()
        kind = "Student's" if self.equal_variances else "Welch's"
        left = [
            ("Dep. Variable:", self.target),
            ("By:", self.by),
            ("Owners:", str(len(self.owners))),
            ("Difference:", short(self.difference)),
        ]
        right = [
            ("t:", f"{self.statistic:.4f}"),
            ("Df:", f"{self.degrees:.2f}"),
            ("P>|t|:", probability(self.p_value)),
            ("95% Interval:", f"{short(low)} to {short(high)}"),
        ]
        top = heading(f"{kind} t-Test over {len(self.owners)} Owners", left, right)
        cells = [
            (str(n), short(mean), short(math.sqrt(variance)))
            for n, mean, variance in zip(self.rows, self.means, self.variances, strict=True)
        ]
        table = coefficients(self.groups, ("rows", "mean", "std dev"), cells)
        return "\n".join([top, table, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: dict[str, object] = {
            "model": "t_test",
            "target": self.target,
            "by": self.by,
            "groups": self.groups,
            "equal_variances": self.equal_variances,
            "rows": self.rows,
            "mean": self.means,
            "variance": self.variances,
            "difference": self.difference,
            "standard_error": self.error,
            "statistic": self.statistic,
            "degrees": self.degrees,
            "p_value": self.p_value,
            "interval": self.interval(),
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
