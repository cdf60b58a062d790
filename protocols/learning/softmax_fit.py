"""A finished softmax regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .distributions import normal_quantile, normal_tails
from .fits import Columns, brief, coefficients, design, heading, plain, probability, short
from .table import Vector

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxFit:
    """Coefficients (classes, 1 + p) in units of the columns as they are; the first is `const`.

    Without a penalty (`alpha` 0) the first level is the reference and has no row; `errors` has
    the shape of `estimates`. With one every level has a row, and `errors` is None.
    `deviations` (p,) are those of the columns.
    """

    target: str
    levels: tuple[str, ...]
    names: tuple[str, ...]
    estimates: Vector = field(repr=False)
    errors: Vector | None = field(repr=False)
    deviations: Vector = field(repr=False)
    alpha: float
    rows: int
    deviance: float
    null_deviance: float
    rounds: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def log_likelihood(self) -> float:
        """Return the log-likelihood of all rows."""
        return -self.deviance / 2

    @property
    def statistics(self) -> Vector | None:
        """Return estimates over errors (classes, 1 + p); None with a penalty."""
        if self.errors is None:
            return None
        return np.asarray(self.estimates / self.errors, dtype=np.float64)

    @property
    def p_values(self) -> Vector | None:
        """Return two-sided p-values (classes, 1 + p); None with a penalty."""
        z = self.statistics
        return None if z is None else normal_tails(z.ravel()).reshape(z.shape)

    def interval(self, level: float = _LEVEL) -> Vector | None:
        """Return confidence intervals (classes, 1 + p, 2); None with a penalty."""
        if self.errors is None:
            return None
        half = self.errors * normal_quantile((1 + level) / 2)
        return np.stack([self.estimates - half, self.estimates + half], axis=-1)

    def chances(self, columns: Columns) -> Vector:
        """Return the chance (n, levels) of each class, for each row."""
        x = design(columns, self.names[1:])
        logs = log_chances(x, self.estimates.reshape(-1), reference=self.errors is not None)
        return np.asarray(np.exp(logs), dtype=np.float64)

    def predict(self, columns: Columns) -> tuple[str, ...]:
        """Return the most likely class of each row."""
        best = self.chances(columns).argmax(axis=1)
        return tuple(self.levels[place] for place in best)

    def summary(self) -> str:
        """Return a table of coefficients for each class."""
        left = [
            ("Dep. Variable:", self.target),
            ("Classes:", str(len(self.levels))),
            ("Owners:", str(len(self.owners))),
            ("Rounds:", str(self.rounds)),
        ]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Log-Likelihood:", f"{self.log_likelihood:.5g}"),
            ("LL-Null:", f"{-self.null_deviance / 2:.5g}"),
        ]
        title = f"Softmax Regression over {len(self.owners)} Owners"
        tables = [self._table(row) for row in range(len(self.estimates))]
        return "\n".join([heading(title, left, right), *tables, *self.notes])

    def _table(self, row: int) -> str:
        own = self.levels[len(self.levels) - len(self.estimates) :]
        head = f"{self.target} = {own[row]}"
        errors, z, p_values, bounds = self.errors, self.statistics, self.p_values, self.interval()
        if errors is None or z is None or p_values is None or bounds is None:
            cells = [(short(float(value)),) for value in self.estimates[row]]
            return head + "\n" + coefficients(self.names, ("coef",), cells)
        columns = (self.estimates[row], errors[row], z[row], p_values[row], bounds[row])
        rows = [
            (short(b), brief(se), f"{t:.3f}", probability(p), brief(low), brief(high))
            for b, se, t, p, (low, high) in zip(*columns, strict=True)
        ]
        heads = ("coef", "std err", "z", "P>|z|", "[0.025", "0.975]")
        return head + "\n" + coefficients(self.names, heads, rows)

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: Mapping[str, object] = {
            "model": "softmax",
            "target": self.target,
            "levels": self.levels,
            "names": self.names,
            "coefficients": self.estimates,
            "standard_errors": self.errors,
            "statistics": self.statistics,
            "p_values": self.p_values,
            "intervals": self.interval(),
            "deviations": self.deviations,
            "alpha": self.alpha,
            "rows": self.rows,
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "log_likelihood": self.log_likelihood,
            "rounds": self.rounds,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}


def log_chances(x: Vector, beta: Vector, *, reference: bool) -> Vector:
    """Return the logarithms (n, levels) of the chances of rows (n, 1 + p), all finite.

    The reference class comes first.
    """
    scores = x @ beta.reshape(-1, x.shape[1]).T
    if reference:
        scores = np.column_stack([np.zeros(len(x)), scores])
    below = scores - scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(below).sum(axis=1, keepdims=True))
    return np.asarray(below - total, dtype=np.float64)
