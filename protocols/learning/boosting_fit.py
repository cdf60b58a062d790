"""Finished boosted trees: predictions, importances, and JSON that needs no Quorate to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .fits import Columns, coefficients, design, heading, plain, short
from .table import Vector

LossName = Literal["squared", "logistic"]

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingFit:
    """Trees (t, nodes); below the node i lie 2i + 1, for values up to the threshold, and 2i + 2.

    Attributes:
        columns: which column a node asks; -1 at leaves, whose `values` are added to `baseline`.
        gains: what each split took from the loss.
        losses: per row before each tree and after the last (t + 1,): the mean logistic loss, or
            half the squared error over the variance of the outcome.
    """

    names: tuple[str, ...]
    target: str
    loss: LossName
    baseline: float
    columns: NDArray[np.int64] = field(repr=False)
    thresholds: Vector = field(repr=False)
    values: Vector = field(repr=False)
    gains: Vector = field(repr=False)
    losses: Vector = field(repr=False)
    rows: int
    owners: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def scores(self, columns: Columns) -> Vector:
        """Return the sums of all trees (n,): the outcome, or the log odds of a 1."""
        x = design(columns, self.names)[:, 1:]
        scores, rows = np.full(len(x), self.baseline), np.arange(len(x))
        depth = int(np.log2(self.values.shape[1] + 1)) - 1
        for asked, thresholds, values in zip(
            self.columns, self.thresholds, self.values, strict=True
        ):
            node = np.zeros(len(x), dtype=np.int64)
            for _ in range(depth):
                right = x[rows, asked[node]] > thresholds[node]
                node = np.where(asked[node] >= 0, 2 * node + 1 + right, node)
            scores += values[node]
        return scores

    def predict(self, columns: Columns) -> Vector:
        """Return the expected outcome (n,) of each row; for 0 and 1 the chance of a 1."""
        scores = self.scores(columns)
        return scores if self.loss == "squared" else np.exp(-np.logaddexp(0, -scores))

    @property
    def importances(self) -> Vector:
        """Return the part (p,) of all gains that each column has."""
        gains = np.zeros(len(self.names))
        np.add.at(gains, self.columns[self.columns >= 0], self.gains[self.columns >= 0])
        return gains / gains.sum() if gains.any() else gains

    def summary(self) -> str:
        """Return losses, and the columns by importance."""
        left = [
            ("Dep. Variable:", self.target),
            ("Loss:", self.loss),
            ("Trees:", str(len(self.values))),
            ("Owners:", str(len(self.owners))),
        ]
        right = [
            ("No. Observations:", str(self.rows)),
            ("Loss per row, of the mean:", f"{self.losses[0]:.6g}"),
            ("of the trees:", f"{self.losses[-1]:.6g}"),
        ]
        if self.loss == "squared":
            right += [("R-squared:", f"{1 - 2 * self.losses[-1]:.4f}")]
        order = np.argsort(-self.importances, kind="stable")[:_SHOWN]
        splits = np.bincount(self.columns[self.columns >= 0], minlength=len(self.names))
        cells = [(short(float(self.importances[place])), str(splits[place])) for place in order]
        table = coefficients(
            [self.names[place] for place in order], ("importance", "splits"), cells
        )
        title = f"Boosted Trees over {len(self.owners)} Owners"
        return "\n".join([heading(title, left, right), table, *self.notes])

    def to_json(self) -> dict[str, object]:
        """Return the model, ready for JSON."""
        trees = [
            {"columns": asked.tolist(), "thresholds": at.tolist(), "values": values.tolist()}
            for asked, at, values in zip(self.columns, self.thresholds, self.values, strict=True)
        ]
        found: Mapping[str, object] = {
            "model": "boosting",
            "target": self.target,
            "loss": self.loss,
            "names": self.names,
            "baseline": self.baseline,
            "trees": trees,
            "importances": self.importances,
            "losses": self.losses,
            "rows": self.rows,
            "owners": self.owners,
            "notes": self.notes,
        }
        return {name: plain(value) for name, value in found.items()}
