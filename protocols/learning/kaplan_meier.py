"""Survival curves of groups and the log-rank test (Kaplan and Meier, 1958; Mantel, 1966)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .job import require
from .kaplan_meier_fit import KaplanMeierFit
from .phases import Phase
from .state import State
from .survival import Grid, LifeTable, survival_columns
from .table import Column, Table
from .tabular import Tabular


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeier(Tabular):
    """Counts events and censored times on a grid, in one round.

    Attributes:
        time: column of times, above 0; `event` is 1 where they end with an event, else 0.
        group: column whose `levels` get a curve each; without it there is one curve.
        step, until: the grid is step, 2·step ... until. Every time counts at the next point, so
            with a step that all times are multiples of, nothing is rounded; a larger step tells
            less of when a single row had its event.
    """

    time: str
    event: str
    until: float
    step: float = 1.0
    group: str | None = None
    levels: tuple[str, ...] = ()
    max_rounds: int = 3

    def __post_init__(self) -> None:
        names = [self.time, self.event, *([] if self.group is None else [self.group])]
        require(len(set(names)) == len(names), "time, event and group must be different columns")
        Grid(self.step, self.until)
        grouped = self.group is not None
        require(grouped == bool(self.levels), "group and levels go together")
        require(not grouped or len(self.levels) >= 2, "levels must name two groups or more")
        require(self.max_rounds >= 1, "max_rounds must be 1 or more")

    def columns(self) -> tuple[Column, ...]:
        columns = survival_columns(self.time, self.event)
        if self.group is None:
            return columns
        return (*columns, Column(name=self.group, kind="class", levels=self.levels))

    def cells(self, state: State, data: Table) -> NDArray[np.int64]:
        return self._life_table().crowds(data)

    def phases(self) -> Sequence[Phase[Table]]:
        return (self._life_table(),)

    def fit(self, state: State) -> KaplanMeierFit | None:
        if state.facts.get("converged") is not True:
            return None
        return KaplanMeierFit(
            time=self.time,
            groups=self.levels or ("all",),
            points=Grid(self.step, self.until).points,
            rows=state.floats("rows"),
            events=state.floats("events"),
            censored=state.floats("censored"),
            owners=tuple(str(name) for name in state.items("cohort")),
            notes=tuple(map(str, state.items("notes") + state.items("remarks"))),
        )

    def _life_table(self) -> LifeTable:
        grid = Grid(self.step, self.until)
        return LifeTable(self.time, self.event, grid, self.group, self.levels or ("all",))
