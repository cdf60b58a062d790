"""Times until an event, some censored: what rows may hold, and how many fall on a public grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Unfit

from .job import JobFailed, require
from .layout import Layout, Part, Sums, count
from .phases import Phase
from .state import State
from .table import Column, Table, Vector

_MOST_POINTS = 100_000
# A time that near to a point of the grid, in steps, is at it: 1.1 is 11 steps of 0.1.
_AT = 1e-9


@dataclass(frozen=True, slots=True)
class Grid:
    """The points step, 2·step ... up to `until`; a time counts at the next one.

    Raises `ValueError`: no points, or too many.
    """

    step: float
    until: float

    def __post_init__(self) -> None:
        require(0 < self.step < np.inf, "step must be above 0")
        require(self.step <= self.until < np.inf, "until must be one step or more")
        most = self.until / self.step <= _MOST_POINTS
        require(most, f"until is more than {_MOST_POINTS} steps; make step larger")

    @property
    def points(self) -> Vector:
        """Return the points (k,)."""
        last = int(np.floor(self.until / self.step + _AT))
        return self.step * np.arange(1.0, last + 1)

    def places(self, times: Vector) -> NDArray[np.int64]:
        """Return the points (n,) at which times count, from 0; k is after the last."""
        steps = np.ceil(times / self.step - _AT) - 1
        places: NDArray[np.int64] = np.clip(steps, 0, len(self.points)).astype(np.int64)
        return places

    def between(self, times: Vector) -> int:
        """Return how many times are no points."""
        steps = times / self.step
        return int((np.abs(steps - np.rint(steps)) > _AT).sum())


@dataclass(frozen=True, slots=True)
class Observed:
    """The times (n,) of rows, and whether they end with an event: 1, or are censored: 0."""

    times: Vector
    events: Vector


def survival_columns(time: str, event: str) -> tuple[Column, ...]:
    """Return the columns of times, above 0, and of events."""
    return Column(name=time, kind="positive"), Column(name=event, kind="0 or 1")


def observed(data: Table, time: str, event: str) -> Observed:
    """Return what an owner has observed. Raises `Unfit`: "bad times" or "bad events"."""
    times, events = data.column(time), data.column(event)
    if not (np.isfinite(times) & (times > 0)).all():
        raise Unfit(
            "bad times",
            f"{time!r} must be above 0 in each row: whoever was observed for no time at all was "
            "not observed; leave such rows out, or give them a small time",
        )
    if not np.isin(events, (0, 1)).all():
        raise Unfit("bad events", f"{event!r} must be 1 for an event and 0 for a censored time")
    return Observed(times, events)


@dataclass(frozen=True, slots=True)
class LifeTable(Phase[Table]):
    """How many have an event or are censored at each point of the grid, group by group.

    Then `rows` (g,), `events` and `censored` (k, g); the fact `remarks` is for the end.
    """

    time: str
    event: str
    grid: Grid
    group: str | None = None
    groups: tuple[str, ...] = ("all",)
    name: str = "life table"

    def layout(self, state: State) -> Layout:
        table = count(len(self.grid.points), len(self.groups))
        rows = count(len(self.groups))
        return Layout({"rows": rows, "events": table, "censored": table, "between": count()})

    def local(self, state: State, data: Table) -> Mapping[str, Part]:
        seen = observed(data, self.time, self.event)
        places = self.grid.places(seen.times)
        group = np.zeros(data.rows) if self.group is None else data.column(self.group)
        members = np.equal.outer(group, np.arange(len(self.groups)))
        return {
            "rows": members.sum(axis=0),
            "events": self._counted(places[seen.events == 1], members[seen.events == 1]),
            "censored": self._counted(places[seen.events == 0], members[seen.events == 0]),
            # Of owners, not of rows: one row with a time of its own is a cell of one row.
            "between": self.grid.between(seen.times) > 0,
        }

    def crowds(self, data: Table) -> NDArray[np.int64]:
        """Return how many of an owner's rows are counted together: at a point, and after the last.

        Those with an event and those who are censored are counted apart, and so is each group.
        """
        counted = self.local(State(), data)
        rows, *table = (np.asarray(counted[part]) for part in ("rows", "events", "censored"))
        after = rows - sum(part.sum(axis=0) for part in table)
        return np.concatenate([part.ravel() for part in (*table, after)]).astype(np.int64)

    def update(self, state: State, sums: Sums) -> State:
        empty = [name for name, n in zip(self.groups, sums["rows"], strict=True) if n == 0]
        if empty:
            which = ", ".join(empty)
            raise JobFailed(f"no row of any owner is of the group {which}; leave it out of levels")
        between = int(sums["between"])
        text = f"times of {between} owners lie between points of the grid and count at the next one"
        names = ("rows", "events", "censored")
        return state.evolved({n: sums[n] for n in names}, remarks=[text] if between else [])

    def _counted(self, places: NDArray[np.int64], members: NDArray[np.bool_]) -> Vector:
        table = np.zeros((len(self.grid.points) + 1, len(self.groups)))
        np.add.at(table, places, members)
        return table[:-1]
