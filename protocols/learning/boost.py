"""The rounds of boosted trees: histograms of gradients at the owners, splits at the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Unfit

from .job import JobFailed
from .layout import Layout, Part, Ranged, Sums, count, real
from .phases import Phase
from .state import State
from .table import Table, Vector
from .trees import Split, Totals, Whole, best_split, binned, histograms, reached

# Gradients are of outcomes with deviation 1; they are exact to 2^-52.
_LARGEST = 2.0**30
_WORSE = 1 + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How trees grow; see `Boosting`, whose options these are."""

    columns: tuple[str, ...]
    target: str
    logistic: bool
    trees: int
    depth: int
    learning_rate: float
    l2: float
    leaf_rows: int
    node_rows: int
    edges: tuple[tuple[float, ...], ...]
    bins: int


@dataclass(frozen=True, slots=True)
class Boost(Phase[Table]):
    """Grows tree after tree, a level in each round.

    Arrays of the state: `columns`, `cuts`, `values` and `gains` (trees, nodes), see `trees`;
    `open` (m,), the nodes whose histograms come next; `losses` (trees + 1,) per row, before each
    tree. Facts: `grown` trees, whether no split helps any more, which is `stuck`, `baseline` and
    `unit` of the outcome.
    """

    how: Growth
    name: str = "boost"

    def begin(self, state: State) -> State:
        how, mean, rows = self.how, float(state.floats("mean")[-1]), state.number("rows")
        if state.arrays["constant"][-1] == 1:
            raise JobFailed("the outcome is the same in all rows: there is nothing to explain")
        if rows < max(how.node_rows, 2 * how.leaf_rows):
            raise JobFailed(
                f"{int(rows)} rows are too few: {how.node_rows} are needed to divide them, and "
                f"{how.leaf_rows} on each side; take fewer bins, or lower node_rows or leaf_rows"
            )
        shape = (how.trees, 2 ** (how.depth + 1) - 1)
        arrays = {
            "edges": _padded(how.edges) if how.edges else state.floats("edges"),
            "columns": np.full(shape, -1, dtype=np.int64),
            "cuts": np.zeros(shape, dtype=np.int64),
            "values": np.zeros(shape),
            "gains": np.zeros(shape),
            "open": np.zeros(1, dtype=np.int64),
            "losses": np.zeros(how.trees + 1),
        }
        baseline = float(np.log(mean / (1 - mean))) if how.logistic else mean
        unit = 1.0 if how.logistic else float(state.floats("scale")[-1])
        return state.evolved(arrays, grown=0, stuck=False, baseline=baseline, unit=unit)

    def layout(self, state: State) -> Layout:
        return self._laid_out(self._shape(state))

    def largest(self, state: State) -> int:
        # All nodes of the last level that is divided, each with all bins.
        nodes = 2 ** (self.how.depth - 1)
        return self._laid_out((nodes, len(self.how.columns), self.how.bins)).size

    def _laid_out(self, shape: tuple[int, int, int]) -> Layout:
        sums = Ranged(shape=shape, largest=_LARGEST, digits=2)
        curvature = {"curvature": sums} if self.how.logistic else {}
        return Layout({"rows": count(*shape), "gradient": sums, **curvature, "loss": real()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        bins, grown = self._bins(state, data), state.count("grown")
        place = np.full(state.arrays["values"].shape[1], -1, dtype=np.int64)
        place[_whole(state, "open")] = np.arange(len(state.arrays["open"]))
        nodes = place[reached(bins, _whole(state, "columns")[grown], _whole(state, "cuts")[grown])]
        loss, gradient, curvature = self._slopes(state, data, bins)
        shape = self._shape(state)
        found = {
            "rows": histograms(bins, nodes, np.ones(data.rows), shape),
            "gradient": histograms(bins, nodes, gradient, shape),
        }
        if self.how.logistic:
            found["curvature"] = histograms(bins, nodes, curvature, shape)
        return {**found, "loss": loss}

    def crowds(self, state: State, data: Table) -> NDArray[np.int64]:
        """Return how many of an owner's rows are in each node of the coming histograms.

        And in its other half: their parent's histograms are known, so each tells the other's.
        """
        opened, tree = _whole(state, "open"), state.count("grown")
        paths = (_whole(state, "columns")[tree], _whole(state, "cuts")[tree])
        nodes = reached(self._bins(state, data), *paths)
        rows = np.bincount(nodes, minlength=len(paths[0])).astype(np.int64)
        halves = opened + 2 * (opened % 2) - 1  # of 1 it is 2, of 2 it is 1; the root has none
        return rows[np.append(opened, halves[opened > 0])]

    def update(self, state: State, sums: Sums) -> State:
        opened, tree = _whole(state, "open").tolist(), state.count("grown")
        if opened == [0]:
            state = self.measured(state, sums["loss"], sums["rows"][0, 0].sum())
        names = ("columns", "cuts", "values", "gains")
        arrays = {name: state.arrays[name].copy() for name in names}
        curvature = sums["curvature"] if self.how.logistic else sums["rows"]
        following: list[int] = []
        for place, node in enumerate(opened):
            totals = Totals(sums["rows"][place], sums["gradient"][place], curvature[place])
            split = best_split(totals, leaf_rows=self.how.leaf_rows, l2=self.how.l2)
            if split is None:
                continue
            at, step = (tree, node), self.how.learning_rate * state.number("unit")
            arrays["columns"][at], arrays["cuts"][at] = split.column, split.cut
            arrays["gains"][at] = split.gain
            for child, side in enumerate((split.left, split.right), start=2 * node + 1):
                arrays["values"][tree, child] = step * float(side.weight(self.how.l2))
            following += self._following(node, split)
        stuck = bool(arrays["columns"][tree, 0] < 0)
        arrays["open"] = np.array(following or [0], dtype=np.int64)
        grown = tree if following or stuck else tree + 1
        return state.evolved(arrays, grown=grown, stuck=stuck)

    def done(self, state: State) -> bool:
        return state.facts["stuck"] is True or state.count("grown") >= self.how.trees

    def regrouped(self, state: State) -> State | None:
        return state  # the trees so far are public, and those to come are fitted to who is left

    def loss(self, state: State, data: Table) -> float:
        """Return the loss of the trees so far over an owner's rows."""
        return self._slopes(state, data, self._bins(state, data))[0]

    def measured(self, state: State, loss: Vector, rows: Vector) -> State:
        """Return the state with the loss per row. Raises `JobFailed` where training diverges."""
        grown, losses = state.count("grown"), state.floats("losses")
        losses[grown] = float(loss) / float(rows)
        if losses[grown] > losses[0] * _WORSE:
            raise JobFailed(
                f"after {grown} trees predictions are worse than the mean outcome: training "
                "diverges; lower learning_rate"
            )
        return state.evolved({"losses": losses})

    def _shape(self, state: State) -> tuple[int, int, int]:
        columns, edges = state.arrays["edges"].shape
        return len(state.arrays["open"]), columns, edges + 1

    def _bins(self, state: State, data: Table) -> Whole:
        x = data.matrix(self.how.columns)
        faulty = ~np.isfinite(x).all(axis=0)
        if faulty.any():
            name = self.how.columns[int(faulty.argmax())]
            raise Unfit("not finite", f"{name!r} must be a finite number in each row")
        return binned(x, state.floats("edges"))

    def _slopes(self, state: State, data: Table, bins: Whole) -> tuple[float, Vector, Vector]:
        """Return the loss, and its slope and curvature (n,) at the scores of rows."""
        y, scores = data.column(self.how.target), np.full(len(bins), state.number("baseline"))
        columns, cuts = _whole(state, "columns"), _whole(state, "cuts")
        for tree, values in enumerate(state.floats("values")[: state.count("grown")]):
            scores += values[reached(bins, columns[tree], cuts[tree])]
        if not self.how.logistic:
            left = (scores - y) / state.number("unit")
            return float((left**2).sum()) / 2, left, np.ones(len(y))
        chance = np.exp(-np.logaddexp(0, -scores))
        loss = float((np.logaddexp(0, scores) - y * scores).sum())
        return loss, chance - y, chance * (1 - chance)

    def _following(self, node: int, split: Split) -> list[int]:
        """Return the children to be divided; one's histograms tell the other's, as their parent's
        are known, so both must be crowds.
        """
        sizes = {2 * node + 1: float(split.left.rows), 2 * node + 2: float(split.right.rows)}
        if 2 * node + 1 >= 2**self.how.depth - 1 or min(sizes.values()) < self.how.node_rows:
            return []
        return [child for child, rows in sizes.items() if rows >= 2 * self.how.leaf_rows]


@dataclass(frozen=True, slots=True)
class FinalLoss(Phase[Table]):
    """The loss of all trees, per row; the last of `losses`. The fact `rows` is of who is left."""

    boost: Boost
    name: str = "final loss"

    def layout(self, state: State) -> Layout:
        return Layout({"rows": count(), "loss": real()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        return {"rows": data.rows, "loss": self.boost.loss(state, data)}

    def update(self, state: State, sums: Sums) -> State:
        state = self.boost.measured(state, sums["loss"], sums["rows"])
        return state.evolved(rows=float(sums["rows"]))

    def regrouped(self, state: State) -> State | None:
        return state


def _padded(edges: tuple[tuple[float, ...], ...]) -> Vector:
    """Return edges as an array (p, b), with infinities behind."""
    padded = np.full((len(edges), max(map(len, edges))), np.inf)
    for place, some in enumerate(edges):
        padded[place, : len(some)] = some
    return padded


def _whole(state: State, name: str) -> Whole:
    return state.arrays[name].astype(np.int64)
