"""Predictions of boosted trees from their JSON, without Quorate or any other package.

    quorate run job.toml --json | tail -1 > model.json
    python boosted_trees.py model.json rows.csv > predictions.csv

Copy this file wherever a model is used.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class BoostedTrees:
    """A model with `predict` and `predict_proba` as scikit-learn has them, for lists of rows."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.names: list[str] = model["names"]
        self._logistic = model["loss"] == "logistic"
        self._baseline: float = model["baseline"]
        self._trees: list[dict[str, list[Any]]] = model["trees"]

    def decision_function(self, rows: Iterable[Sequence[float]]) -> list[float]:
        """Return the sum of all trees for each row, whose numbers stand in the order of `names`."""
        sums = (math.fsum(_leaf(tree, row) for tree in self._trees) for row in rows)
        return [self._baseline + total for total in sums]

    def predict_proba(self, rows: Iterable[Sequence[float]]) -> list[tuple[float, float]]:
        """Return the chances of 0 and of 1 for each row."""
        if not self._logistic:
            raise ValueError("these trees predict numbers, which have no chances")
        ones = [1 / (1 + math.exp(-max(score, -700))) for score in self.decision_function(rows)]
        return [(1 - one, one) for one in ones]

    def predict(self, rows: Iterable[Sequence[float]]) -> list[float]:
        """Return the expected number, or which of 0 and 1 is more likely, for each row."""
        scores = self.decision_function(rows)
        return [float(score > 0) for score in scores] if self._logistic else scores


def _leaf(tree: dict[str, list[Any]], row: Sequence[float]) -> float:
    node = 0
    while tree["columns"][node] >= 0:
        right = row[tree["columns"][node]] > tree["thresholds"][node]
        node = 2 * node + 1 + right
    return float(tree["values"][node])


def main(model: str, table: str) -> None:
    """Write a prediction for each row of a CSV table with a header to standard output."""
    with open(model, encoding="utf-8") as file:
        trees = BoostedTrees(json.load(file))
    with open(table, newline="", encoding="utf-8") as file:
        rows = [[float(row[name]) for name in trees.names] for row in csv.DictReader(file)]
    csv.writer(sys.stdout).writerows([["prediction"], *([value] for value in trees.predict(rows))])


if __name__ == "__main__":
    main(*sys.argv[1:])
