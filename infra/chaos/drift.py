"""Whether processes grow: slopes over their readings, and what is more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from .census import BROKER, Reading

_MIB = 2**20
_HOUR_S = 3600.0
_MOST_POINTS = 400  # the slope looks at each pair of them
_FEWEST = 4  # readings or lives, for a slope
_AGE_S, _AGE_SLACK_S = 30.0, 8.0  # at which lives are compared

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a process may grow.

    Memory must grow faster than `percent_per_h` and by more than `noise_mib` to count: a short
    soak is no proof of a slow leak, and must not be one by chance. The broker's memory goes up
    and down by much more than ours. `handles`: files and threads.
    """

    percent_per_h: float = 2.0
    noise_mib: float = 12.0
    broker_noise_mib: float = 64.0
    handles: int = 3


@dataclass(frozen=True, slots=True)
class Drift:
    """How a process changed.

    A process with one life is judged by all its readings after the warm-up, one with several by
    its lives at equal age. `mib_per_h` and `percent_per_h` are that slope, None where there is too
    little to tell; `this_life` is the slope since its last start and `whole` that over all
    readings after the warm-up, in MiB/h.
    """

    who: str
    lives: int
    first_mib: float
    last_mib: float
    largest_mib: float
    mib_per_h: float | None
    percent_per_h: float | None
    grew_mib: float
    this_life: float | None
    whole: float | None
    handles_grew: int

    def problems(self, limits: Limits) -> list[str]:
        """Return what is more than may be, in words."""
        found = []
        rate = self.percent_per_h
        noise_mib = limits.broker_noise_mib if self.who == BROKER else limits.noise_mib
        if rate is not None and rate > limits.percent_per_h and self.grew_mib > noise_mib:
            found.append(
                f"{self.who} grows by {rate:.1f} % an hour ({self.grew_mib:.0f} MiB in this soak)"
            )
        if self.handles_grew > limits.handles:
            found.append(f"{self.who} has {self.handles_grew} more files and threads than before")
        return found


def drifts(readings: Iterable[Reading], *, warm_s: float) -> tuple[Drift, ...]:
    """Return how each process changed, by name; `warm_s` is when the warm-up was over."""
    by_name: dict[str, list[Reading]] = {}
    for reading in readings:
        by_name.setdefault(reading.who, []).append(reading)
    return tuple(_drift(who, by_name[who], warm_s) for who in sorted(by_name))


def theil_sen(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the median of the slopes of all pairs, None for too few points."""
    if len(points) < _FEWEST:
        return None
    step = -(-len(points) // _MOST_POINTS)
    x, y = np.array(points[::step], dtype=np.float64).T
    first, second = np.triu_indices(len(x), k=1)
    apart = x[second] - x[first]
    if not apart.any():
        return None
    slopes = (y[second] - y[first])[apart != 0] / apart[apart != 0]
    return float(np.median(slopes))


def _drift(who: str, readings: list[Reading], warm_s: float) -> Drift:
    lives: dict[str, list[Reading]] = {}
    for reading in readings:
        lives.setdefault(reading.life, []).append(reading)
    warm = [reading for reading in readings if reading.at_s >= warm_s]
    compared = warm if len(lives) == 1 else _at_equal_age(lives.values())
    points = _memory(compared)
    slope = theil_sen(points)
    level = median(y for _, y in points) if points else 0.0
    last = [reading for reading in readings if reading.life == readings[-1].life]
    settled = [reading for reading in last if reading.age_s >= _AGE_S and reading.at_s >= warm_s]
    return Drift(
        who=who,
        lives=len(lives),
        first_mib=points[0][1] if points else readings[0].rss_bytes / _MIB,
        last_mib=readings[-1].rss_bytes / _MIB,
        largest_mib=max(reading.rss_bytes for reading in readings) / _MIB,
        mib_per_h=slope,
        percent_per_h=100 * slope / level if slope is not None and level else None,
        grew_mib=slope * (points[-1][0] - points[0][0]) if slope is not None else 0.0,
        this_life=theil_sen(_memory(settled)),
        whole=theil_sen(_memory(warm)),
        handles_grew=_handles_grew(compared),
    )


def _at_equal_age(lives: Iterable[list[Reading]]) -> list[Reading]:
    """Return the reading of each life nearest to one age, of those that came so far."""
    nearest = [min(life, key=lambda reading: abs(reading.age_s - _AGE_S)) for life in lives]
    return [one for one in nearest if abs(one.age_s - _AGE_S) <= _AGE_SLACK_S]


def _memory(readings: Iterable[Reading]) -> Points:
    return [(reading.at_s / _HOUR_S, reading.rss_bytes / _MIB) for reading in readings]


def _handles_grew(readings: Sequence[Reading]) -> int:
    """Compare the last third with the first; a lost link changes the number for a moment."""
    third = len(readings) // 3
    if third < _FEWEST:
        return 0
    counts = [reading.fds + reading.threads for reading in readings]
    return round(median(counts[-third:]) - median(counts[:third]))
