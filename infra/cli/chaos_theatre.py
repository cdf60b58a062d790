"""Which theatre a scenario is played in: virtual time, or real processes with their folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from infra.chaos.real.theatre import MINUTES, PACE, RealBroker
from infra.chaos.survival.theatre import Theatre, VirtualTime

from .chaos_stage import Place, in_folder
from .signals import STOPPED
from .terminal import show_interrupted

_FEW = 16  # seeds that are done before more processes have started


@dataclass(frozen=True, slots=True)
class Real:
    """How many times as fast as written, for how many minutes at most, and where."""

    pace: float
    minutes: float
    place: Place


@dataclass(frozen=True, slots=True)
class Theatres:
    """Real processes, or virtual time (None) on so many processes."""

    real: Real | None
    jobs: int


def real_of(pace: float | None, minutes: float | None, place: Place) -> Real:
    """Return what was asked for, with what is usual for the rest."""
    return Real(PACE if pace is None else pace, MINUTES if minutes is None else minutes, place)


def jobs_for(seeds: range, wanted: int | None) -> int:
    """Return how many processes play these histories, where nobody says."""
    return wanted or (1 if len(seeds) <= _FEW else os.cpu_count() or 1)


def in_theatre(wanted: Theatres, output: str, work: Callable[[Theatre], int]) -> int:
    """Open the theatre for some work, and return its exit code."""
    real = wanted.real
    if real is not None:
        return in_folder(
            real.place,
            output,
            lambda folder: work(RealBroker(folder, real.pace, real.minutes, real.place.root)),
        )
    try:
        return work(VirtualTime(wanted.jobs))
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
