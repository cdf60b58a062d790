"""A scenario as it is played in real time: faster than it is written, and by real names."""

from __future__ import annotations

from dataclasses import replace

from infra.chaos.scenario import Blow, People, Script
from infra.chaos.scenario.people import BROKER
from infra.simulation.faults import Kind

# Seconds that go no faster: a process starts, a broker starts, a lost link is noticed and a wait
# between two attempts ends.
SLACK_S = 20.0
_SECONDS = (Kind.FSYNC_LIES, Kind.OLD_BACKUP)  # what the amount of these is


def paced(script: Script, pace: float, most_s: float) -> Script:
    """Return the scenario with all its times divided by `pace`, and its end after `most_s`.

    Bounds of `[expect]` in seconds are divided too, and `SLACK_S` is added. Everybody has the
    name of the real actor for a host.
    """
    expect = script.expect
    bounds = {
        name: bound_s / pace + SLACK_S
        for name in ("recovered_within_s", "everybody_within_s")
        if (bound_s := getattr(expect, name)) is not None
    }
    return replace(
        script,
        size=replace(script.size, training_s=script.size.training_s / pace),
        people=_real(script.people),
        limit_s=min(script.limit_s / pace, most_s),
        blows=tuple(_paced(blow, pace) for blow in script.blows),
        expect=expect.model_copy(update=bounds),
    )


def _paced(blow: Blow, pace: float) -> Blow:
    return replace(
        blow,
        times_s=tuple(at_s / pace for at_s in blow.times_s),
        after_s=blow.after_s / pace,
        for_s=blow.for_s / pace,
        amount=blow.amount / pace if blow.action.kind in _SECONDS else blow.amount,
    )


def _real(people: People) -> People:
    hosts = {name: "" if name == BROKER else name for name in people.hosts}
    return People(hosts, people.parties, people.groups)
