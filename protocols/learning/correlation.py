"""Pearson's correlations of all pairs of columns, from the Gram matrix of standardised ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .distributions import t_tails
from .fits import WIDTH, coefficients, heading, plain, shortened
from .job import require
from .layout import Layout, Part, Sums, symmetric
from .phases import Phase
from .standardising import Mean, Scale, standardised
from .state import State
from .table import Column, Table, Vector, numbers
from .tabular import Tabular, require_features

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Products(Phase[Table]):
    """ΣzzT of standardised columns; then `products` (p, p)."""

    columns: tuple[str, ...]
    name: str = "products"

    def layout(self, state: State) -> Layout:
        return Layout({"products": symmetric(len(self.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        z = standardised(state, data, self.columns)
        products = z.T @ z
        return {"products": (products + products.T) / 2}

    def update(self, state: State, sums: Sums) -> State:
        return state.evolved({"products": sums["products"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation(Tabular):
    """The correlation of each pair of columns, in three rounds."""

    features: tuple[str, ...]
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features)
        require(len(self.features) >= 2, "a correlation takes two columns or more")
        require(self.max_rounds >= 3, "max_rounds must be 3 or more")

    def columns(self) -> tuple[Column, ...]:
        return numbers(self.features)

    def parameters(self) -> int:
        # From as many products as rows, the rows follow up to a rotation.
        return len(self.features)

    def phases(self) -> Sequence[Phase[Table]]:
        return Mean(self.features), Scale(self.features), Products(self.features)

    def fit(self, state: State) -> CorrelationFit | None:
        if state.facts.get("converged") is not True:
            return None
        products = state.floats("products")
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1 / np.sqrt(np.where(state.arrays["constant"] == 1, np.nan, np.diag(products)))
        return CorrelationFit(
            features=self.features,
            matrix=np.clip(scale[:, None] * products * scale, -1.0, 1.0),
            rows=int(state.number("rows")),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationFit:
    """Correlations (p, p); nan for a column that is constant."""

    features: tuple[str, ...]
    matrix: Vector = field(repr=False)
    rows: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def p_values(self) -> Vector:
        """Return two-sided p-values (p, p) of no correlation, by Student's t; 1 needs 3 rows."""
        if self.rows < 3:
            return np.full(self.matrix.shape, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = self.matrix * np.sqrt((self.rows - 2) / (1 - self.matrix**2))
        return t_tails(t, self.rows - 2)

    def summary(self) -> str:
        """Return the matrix as text; of many columns the strongest pairs instead."""
        left = [("Columns:", str(len(self.features))), ("Owners:", str(len(self.owners)))]
        right = [("No. Observations:", str(self.rows))]
        top = heading(f"Correlations over {len(self.owners)} Owners", left, right)
        body = self._matrix() if len(self.features) <= _SHOWN else self._strongest()
        return "\n".join([top, body, *self.notes])

    def _matrix(self) -> str:
        cell = (WIDTH - 18) // len(self.features) - 1
        heads = [shortened(name, cell) for name in self.features]
        rows = [[f"{value:.3f}" for value in row] for row in self.matrix]
        return coefficients(self.features, heads, rows)

    def _strongest(self) -> str:
        pairs = [(i, j) for j in range(len(self.features)) for i in range(j)]
        pairs.sort(key=lambda pair: -np.nan_to_num(abs(self.matrix[pair]), nan=-1.0))
        shown = pairs[:20]
        p = self.p_values
        rows = [(self.features[j], f"{self.matrix[i, j]:.4f}", f"{p[i, j]:.3g}") for i, j in shown]
        names = [self.features[i] for i, _ in shown]
        table = coefficients(names, ("with", "correlation", "p"), rows)
        return f"{table}\nThe strongest {len(shown)} of {len(pairs)} pairs; --json has all."

    def to_json(self) -> dict[str, object]:
        """Return all numbers, ready for JSON."""
        found: dict[str, object] = {
            "model": "correlation",
            "features": self.features,
            "correlations": self.matrix,
            "p_values": self.p_values,
            "rows": self.rows,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
