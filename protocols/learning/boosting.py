"""Gradient-boosted trees on histograms (Friedman, 2001; Chen and Guestrin, "XGBoost", 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bin_edges import BinEdges
from .boost import Boost, FinalLoss, Growth
from .boosting_fit import BoostingFit, LossName
from .job import require
from .phases import Phase
from .standardising import Mean, Scale
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosting(Tabular):
    """Adds up trees, each of which is fitted to what those before it have left.

    Attributes:
        loss: `squared` for numbers, `logistic` for a target of 0 and 1.
        trees: how many, of at most `depth` levels of splits.
        learning_rate: part of each tree that is added.
        l2: added to the curvature of every node.
        leaf_rows: rows that each side of a split must have.
        bins: into which each column is divided near its quantiles; not where `edges` are given,
            for each column the points, ascending, at which its bins end.
        node_rows: rows that a node, and the other half of the one that it comes from, must have
            to be divided; by default ten for each bin. A bin with one row tells of it.
    """

    features: tuple[str, ...]
    target: str
    loss: LossName
    trees: int = 100
    depth: int = 3
    learning_rate: float = 0.1
    l2: float = 0.0
    leaf_rows: int = 20
    bins: int = 16
    edges: tuple[tuple[float, ...], ...] = ()
    node_rows: int | None = None
    max_rounds: int = 10_000

    def __post_init__(self) -> None:
        require_features(self.features, self.target)
        require(self.loss in ("squared", "logistic"), "loss must be squared or logistic")
        require(1 <= self.trees <= 10_000, "trees must be 1 to 10000")
        require(1 <= self.depth <= 8, "depth must be 1 to 8")
        require(0 < self.learning_rate < np.inf, "learning_rate must be above 0")
        require(0 <= self.l2 < np.inf, "l2 must be 0 or more")
        require(self.leaf_rows >= 1, "leaf_rows must be 1 or more")
        require(2 <= self.bins <= 1024, "bins must be 2 to 1024")
        require(self.node_rows is None or self.node_rows >= 1, "node_rows must be 1 or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")
        if self.edges:
            fitting = len(self.edges) == len(self.features)
            require(fitting, "edges needs a list for each column that features names")
        for some in self.edges:
            rising = all(np.isfinite(some)) and all(np.diff(some) > 0) and len(some) > 0
            require(rising, "edges must be finite and ascending, one or more for each column")

    def columns(self) -> tuple[Column, ...]:
        kind = Column(name=self.target, kind="0 or 1" if self.loss == "logistic" else "number")
        return (*numbers(self.features), kind)

    def parameters(self) -> int:
        # Of one tree: each has as many values as it has leaves, and all have the same rows.
        return int(2**self.depth)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        boost = Boost(self.growth())
        growing = state.facts["phase"] == boost.name
        return boost.crowds(state, data) if growing else Tabular.cells(self, state, data)

    def phases(self) -> Sequence[Phase[Table]]:
        boost = Boost(self.growth())
        if self.edges:
            return Mean((self.target,)), Scale((self.target,)), boost, FinalLoss(boost)
        summed = (*self.features, self.target)
        edges = BinEdges(self.features, self.bins)
        return Mean(summed), Scale(summed), edges, boost, FinalLoss(boost)

    def growth(self) -> Growth:
        """Return how trees grow."""
        bins = max((len(some) + 1 for some in self.edges), default=self.bins)
        return Growth(
            columns=self.features,
            target=self.target,
            logistic=self.loss == "logistic",
            trees=self.trees,
            depth=self.depth,
            learning_rate=self.learning_rate,
            l2=self.l2,
            leaf_rows=self.leaf_rows,
            node_rows=10 * bins if self.node_rows is None else self.node_rows,
            edges=self.edges,
            bins=bins,
        )

    def metrics(self, state: State) -> dict[str, float]:
        if "grown" not in state.facts:
            return {}
        losses = state.floats("losses")
        known = losses[losses > 0]
        loss = {"loss_per_row": float(known[-1])} if len(known) else {}
        return {"grown": float(state.count("grown")), **loss}

    def fit(self, state: State) -> BoostingFit | None:
        if state.facts.get("converged") is not True:
            return None
        grown, edges = state.count("grown"), state.floats("edges")
        columns = state.arrays["columns"][:grown].astype(np.int64)
        cuts = state.arrays["cuts"][:grown].astype(np.int64)
        return BoostingFit(
            names=self.features,
            target=self.target,
            loss=self.loss,
            baseline=state.number("baseline"),
            columns=columns,
            thresholds=np.where(columns >= 0, edges[columns, cuts], 0.0),
            values=state.floats("values")[:grown],
            gains=state.floats("gains")[:grown],
            losses=state.floats("losses")[: grown + 1],
            rows=int(state.number("rows")),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=(*map(str, state.items("notes")), *self._remarks(grown, edges.shape[1] + 1)),
        )

    def _remarks(self, grown: int, bins: int) -> list[str]:
        texts, rows = [], self.growth().node_rows
        if grown < self.trees:
            texts.append(f"no split helps after {grown} trees")
        if rows < 10 * bins:
            texts.append(
                f"with node_rows = {rows}, so few rows were opened in {bins} bins of each column "
                "that single rows can be read off; leave it out, or take fewer bins"
            )
        return texts
