"""K-means by Lloyd's algorithm ("Least squares quantization in PCM", 1982)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .job import JobFailed, require
from .kmeans_fit import KMeansFit, nearest
from .layout import Layout, Part, Sums, count, real
from .phases import Phase
from .standardising import Mean, Scale
from .state import State
from .table import Column, Table, Vector, numbers
from .tabular import Tabular, require_features

_MOVES = 20


@dataclass(frozen=True, slots=True)
class Lloyd(Phase[Table]):
    """Counts the rows nearest to each centre, then sums those of clusters that are large enough.

    Arrays of the state: `centres` (k, p), those `before`, `sizes` (k,). Facts: `counting`, which
    of the two rounds comes, `iterations`, rows that `moved`, `moves` of centres with too few
    rows, `still`.
    """

    columns: tuple[str, ...]
    centres: tuple[tuple[float, ...], ...]
    clusters: int
    scaled: bool
    tolerance: float
    least: int
    name: str = "lloyd"

    def begin(self, state: State) -> State:
        if "warm" in state.arrays:
            points = state.floats("warm")
        elif self.centres:
            points = np.array(self.centres)
        else:
            # Within one deviation: farther out hardly any owner has rows enough to be counted.
            scatter = 2 * uniform(0, self.clusters, len(self.columns)) - 1
            points = state.floats("mean") + state.floats("scale") * scatter
        centres = (points - state.floats("mean")) / self.unit(state)
        arrays = {"centres": centres, "before": centres}
        return state.evolved(arrays, counting=True, iterations=0, moves=0, still=False)

    def layout(self, state: State) -> Layout:
        return self._counted() if state.facts["counting"] else self._summed()

    def largest(self, state: State) -> int:
        return max(self._counted().size, self._summed().size)

    def _counted(self) -> Layout:
        return Layout({"sizes": count(self.clusters), "moved": count()})

    def _summed(self) -> Layout:
        return Layout({"sums": real(self.clusters, len(self.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        x = self.centred(state, data)
        labels = nearest(x, state.floats("centres"))
        members = np.equal.outer(labels, np.arange(self.clusters)).astype(np.float64)
        if state.facts["counting"]:
            moved = labels != nearest(x, state.floats("before"))
            return {"sizes": members.sum(axis=0), "moved": moved.sum()}
        crowds = state.floats("sizes") >= self.least
        return {"sums": (members * crowds).T @ x}

    def crowds(self, state: State, data: Table) -> NDArray[np.int64]:
        """Return how many of an owner's rows (k,) are nearest to each centre."""
        labels = nearest(self.centred(state, data), state.floats("centres"))
        return np.bincount(labels, minlength=self.clusters).astype(np.int64)

    def update(self, state: State, sums: Sums) -> State:
        if not state.facts["counting"]:
            return self._moved(state, sums["sums"])
        iterations, sizes = state.count("iterations"), sums["sizes"]
        # What few rows add by moving would be the difference of the sums before and after.
        settled = sums["moved"] < self.least and (sizes >= self.least).all()
        still = iterations > 0 and bool(settled)
        return state.evolved(
            {"sizes": sizes},
            counting=still,
            still=still,
            iterations=iterations + int(still),
            moved=float(sums["moved"]),
        )

    def done(self, state: State) -> bool:
        return state.facts["still"] is True

    def unit(self, state: State) -> Vector:
        """Return what distances are measured in (p,)."""
        return state.floats("scale") if self.scaled else np.ones(len(self.columns))

    def centred(self, state: State, data: Table) -> Vector:
        """Return the columns (n, p) around their mean, in the unit."""
        x: Vector = (data.matrix(self.columns) - state.floats("mean")) / self.unit(state)
        return x

    def _moved(self, state: State, sums: Vector) -> State:
        sizes, centres = state.floats("sizes"), state.floats("centres")
        few, moves = np.flatnonzero(sizes < self.least), state.count("moves")
        if moves + len(few) > _MOVES:
            raise JobFailed(
                f"after {moves} new places clusters still have fewer than {self.least} rows; ask "
                "for fewer clusters, or begin elsewhere"
            )
        found = sums / np.maximum(sizes, 1)[:, None]
        varies = state.arrays["constant"] == 0
        spread = np.where(varies, state.floats("scale"), 0) / self.unit(state)
        for number, place in enumerate(few, start=moves + 1):
            step = uniform(number, 1, len(spread))[0] - 0.5
            found[place] = found[sizes.argmax()] + spread * step
        shift = float(((found - centres) ** 2).sum())
        near = shift <= self.tolerance * float((spread**2).mean()) and not len(few)
        return state.evolved(
            {"centres": found, "before": centres},
            counting=True,
            still=near,
            iterations=state.count("iterations") + 1,
            moves=moves + len(few),
        )


@dataclass(frozen=True, slots=True)
class Inertia(Phase[Table]):
    """Σ of squared distances to the nearest centre, and how many rows each has."""

    lloyd: Lloyd
    name: str = "inertia"

    def layout(self, state: State) -> Layout:
        return Layout({"inertia": real(), "sizes": count(self.lloyd.clusters)})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        x, centres = self.lloyd.centred(state, data), state.floats("centres")
        labels = nearest(x, centres)
        sizes = np.equal.outer(labels, np.arange(len(centres))).sum(axis=0)
        return {"inertia": float(((x - centres[labels]) ** 2).sum()), "sizes": sizes}

    def update(self, state: State, sums: Sums) -> State:
        return state.evolved({"sizes": sums["sizes"]}, inertia=float(sums["inertia"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class KMeans(Tabular):
    """Divides rows among the nearest of k centres, each the mean of its rows.

    Attributes:
        clusters: k; the centres begin scattered around the mean of all rows.
        centres: public points to begin at instead, one number for each feature.
        scaled: distances of columns with deviation 1, else of the columns as they are.
        least: rows that a cluster must have before its mean is asked for; a centre with fewer is
            put near that of the largest cluster. And over when fewer rows change their cluster;
            1 is what others do, and tells single rows.
        tolerance: over when the centres move by less, squared and relative to the variance.
    """

    features: tuple[str, ...]
    clusters: int | None = None
    centres: tuple[tuple[float, ...], ...] = ()
    scaled: bool = False
    least: int = 5
    tolerance: float = 1e-4
    max_rounds: int = 1000

    def __post_init__(self) -> None:
        require_features(self.features)
        either = (self.clusters is None) == bool(self.centres)
        require(either, "give clusters, how many, or centres, where they begin")
        require(self.clusters is None or self.clusters >= 2, "clusters must be 2 or more")
        require(len(self.centres) != 1, "centres must name two points or more")
        fitting = all(len(point) == len(self.features) for point in self.centres)
        require(fitting, "each of centres needs a number for each column that features names")
        require(bool(np.isfinite(self.centres).all()), "centres must be finite numbers")
        require(self.least >= 1, "least must be 1 or more")
        require(self.tolerance >= 0, "tolerance must be 0 or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        return numbers(self.features)

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        known = "centres" in state.arrays
        return self._lloyd().crowds(state, data) if known else Tabular.cells(self, state, data)

    def phases(self) -> Sequence[Phase[Table]]:
        lloyd = self._lloyd()
        return Mean(self.features), Scale(self.features), lloyd, Inertia(lloyd)

    def kept(self, state: State) -> State:
        if "centres" not in state.arrays:
            return State(arrays={k: v for k, v in state.arrays.items() if k == "warm"})
        return State(arrays={"warm": self._points(state)})

    def metrics(self, state: State) -> dict[str, float]:
        return {name: state.number(name) for name in ("moved",) if name in state.facts}

    def fit(self, state: State) -> KMeansFit | None:
        if state.facts.get("converged") is not True:
            return None
        moves = state.count("moves")
        texts = [f"{moves} centres with fewer than {self.least} rows got new places"]
        return KMeansFit(
            names=self.features,
            centres=self._points(state),
            sizes=state.floats("sizes"),
            unit=self._lloyd().unit(state),
            mean=state.floats("mean"),
            scale=state.floats("scale"),
            inertia=state.number("inertia"),
            iterations=state.count("iterations"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=(*map(str, state.items("notes")), *(texts if moves else [])),
        )

    def _lloyd(self) -> Lloyd:
        clusters = self.clusters or len(self.centres)
        choice = (self.scaled, self.tolerance, self.least)
        return Lloyd(self.features, self.centres, clusters, *choice)

    def _points(self, state: State) -> Vector:
        centres = state.floats("centres") * self._lloyd().unit(state)
        return np.asarray(centres + state.floats("mean"))


def uniform(seed: int, rows: int, columns: int) -> Vector:
    """Return numbers (rows, columns) between 0 and 1 that look random, the same everywhere."""
    noise = hashlib.shake_256(f"points {seed}".encode()).digest(8 * rows * columns)
    whole: NDArray[np.uint64] = np.frombuffer(noise, dtype="<u8")
    return (whole >> np.uint64(11)).reshape(rows, columns) / 2.0**53
