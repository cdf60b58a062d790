"""A scenario that is in order: frozen values, and nothing of how it is played."""

from __future__ import annotations

from dataclasses import dataclass

from infra.chaos.cells import Moment
from infra.simulation.faults import Rates, Size

from .actions import Action
from .people import People
from .schema import Expect


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What is done to whom, and when.

    Attributes:
        place: its number in the file, from 1.
        names: to whom; only `most` of them, drawn anew each time, if that is not None.
        chance: how likely each of those is struck.
        rounds: in which rounds; empty where `times_s` say when.
        times_s: at which times of the run.
        after_s: so long after the round began.
        moment: in which step; None for at once. `side` is before or after what is done there.
    """

    place: int
    action: Action
    names: tuple[str, ...]
    most: int | None
    chance: float
    rounds: tuple[int, ...]
    times_s: tuple[float, ...]
    after_s: float
    moment: Moment | None
    side: str
    for_s: float
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A scenario: who, for how long, what befalls messages and people, and what must come of it."""

    name: str
    title: str
    shows: str
    size: Size
    people: People
    rounds: int
    limit_s: float
    rates: Rates
    blows: tuple[Blow, ...]
    expect: Expect
