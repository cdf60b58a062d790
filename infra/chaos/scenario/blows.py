"""What stands in a `[[fault]]`, worked out: whom, in which rounds, at which times."""

from __future__ import annotations

from infra.chaos.cells import Moment

from . import schema
from .actions import ACTIONS
from .people import BROKER, People
from .script import Blow

MOST = 20_000  # strikes of a scenario


def blow(place: int, read: schema.Blow, people: People, run: schema.Run) -> Blow:
    """Return what a section that is in order stands for."""
    action = ACTIONS[read.do]
    # What takes the broker or everybody is planned for nobody in particular.
    names = people.names(read.who or (BROKER,))
    most = read.count
    if read.share is not None:
        most = max(1, round(read.share * len(names)))
    return Blow(
        place=place,
        action=action,
        names=names,
        most=most,
        chance=read.chance,
        rounds=_rounds(read, run),
        times_s=_times_s(read, run),
        after_s=read.after_s or 0.0,
        moment=None if read.step is None else Moment(read.step),
        side=read.side or "before",
        for_s=read.for_s or action.for_s or 0.0,
        amount=read.amount or action.amount or 0.0,
    )


def strikes(found: Blow) -> int:
    """Return how often a blow strikes at most."""
    each = len(found.names) if found.most is None else found.most
    return each * max(len(found.rounds), len(found.times_s))


def _rounds(read: schema.Blow, run: schema.Run) -> tuple[int, ...]:
    if read.round == schema.EVERY:
        return tuple(range(1, run.rounds + 1))
    return read.round or ()


def _times_s(read: schema.Blow, run: schema.Run) -> tuple[float, ...]:
    if read.at_s is None:
        return ()
    if read.every_s is None:
        return (read.at_s,)
    count = min(MOST, int((run.limit_s - read.at_s) / read.every_s) + 1)
    return tuple(read.at_s + number * read.every_s for number in range(max(1, count)))
