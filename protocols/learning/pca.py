"""Principal components (Pearson, 1901; Hotelling, 1933) from the summed scatter matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .job import JobFailed, require
from .layout import Layout, Part, Sums, symmetric
from .pca_fit import PcaFit
from .phases import Phase
from .standardising import Mean, Scale, standardised
from .state import State
from .table import Column, Table, numbers
from .tabular import Tabular, require_features


@dataclass(frozen=True, slots=True)
class Scatter(Phase[Table]):
    """Σ zz' of the standardised columns; then `scatter` (p, p)."""

    columns: tuple[str, ...]
    name: str = "scatter"

    def layout(self, state: State) -> Layout:
        return Layout({"scatter": symmetric(len(self.columns))})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        z = standardised(state, data, self.columns)
        return {"scatter": z.T @ z}

    def update(self, state: State, sums: Sums) -> State:
        if state.number("rows") < 2:
            raise JobFailed("one row has no components: there must be two or more")
        if (state.arrays["constant"] == 1).all():
            raise JobFailed("every column is constant: there is nothing to explain")
        return state.evolved({"scatter": sums["scatter"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pca(Tabular):
    """Finds the directions in which rows differ most.

    Attributes:
        components: how many, the largest first; by default all.
        scaled: of columns with deviation 1, else of the columns as they are.
    """

    features: tuple[str, ...]
    components: int | None = None
    scaled: bool = False
    max_rounds: int = 20

    def __post_init__(self) -> None:
        require_features(self.features)
        require(self.components is None or self.components >= 1, "components must be 1 or more")
        require(self.max_rounds >= 3, "max_rounds must be 3 or more")

    def columns(self) -> tuple[Column, ...]:
        return numbers(self.features)

    def parameters(self) -> int:
        # From as many products as rows, the rows follow up to a rotation.
        return len(self.features)

    def phases(self) -> Sequence[Phase[Table]]:
        return Mean(self.features), Scale(self.features), Scatter(self.features)

    def fit(self, state: State) -> PcaFit | None:
        if state.facts.get("converged") is not True:
            return None
        rows, scale = state.number("rows"), state.floats("scale")
        unit = scale if self.scaled else np.ones(len(scale))
        stretch = scale / unit
        covariance = np.outer(stretch, stretch) * state.floats("scatter") / (rows - 1)
        values, vectors = np.linalg.eigh(covariance)
        kept = min(self.components or len(scale), len(scale), int(rows) - 1)
        directions = vectors.T[::-1][:kept]
        largest = np.abs(directions).argmax(axis=1)
        signs = np.sign(directions[np.arange(kept), largest])
        return PcaFit(
            names=self.features,
            mean=state.floats("mean"),
            unit=unit,
            components=directions * signs[:, None],
            variances=np.maximum(values[::-1][:kept], 0.0),
            total=float(np.trace(covariance)),
            rows=int(rows),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(str(text) for text in state.items("notes")),
        )
