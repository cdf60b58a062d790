"""From a scenario and a seed to a plan of the simulator: the seed draws what is left to chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra.simulation.draws import stream
from infra.simulation.faults import Fault, Kind, Plan
from infra.simulation.job import roster_of

from .script import Blow, Script
from .steps import aim_of

_HEALED_S = 240.0
_TRAININGS = 10  # of the longest, for which a healed federation gets more time


def plan_of(script: Script, seed: int) -> Plan:
    """Return what happens in the history of this seed.

    When the rounds are over all that still lasts is healed, the dead stay dead if a round can
    do without them, and three rounds must follow.
    """
    faults = tuple(sorted(drawn(script, seed), key=lambda fault: (fault.round, fault.at_s)))
    plan = Plan(
        size=script.size,
        rates=script.rates,
        faults=faults,
        faulty_s=script.limit_s,
        healed_s=_HEALED_S + _TRAININGS * script.size.training_s,
        rounds=script.rounds,
    )
    return replace(plan, core=_core(plan))


def drawn(script: Script, seed: int) -> dict[Fault, int]:
    """Return the faults that belong to this seed, each with its place in the file, from 1."""
    return {fault: blow.place for blow in script.blows for fault in _faults(script, blow, seed)}


def _core(plan: Plan) -> tuple[str, ...]:
    roster = roster_of(plan.size)
    dead = {fault.target for fault in plan.faults if fault.kind is Kind.DEATH}
    holders = [name for name in roster.holders if name not in dead]
    trainers = [name for name in roster.trainers if name not in dead]
    if len(holders) < plan.size.needed or len(trainers) < plan.size.minimum:
        return ()
    return (roster.coordinator, *holders, *trainers)


def _faults(script: Script, blow: Blow, seed: int) -> Iterator[Fault]:
    # A stream for each fault of the file: what one draws does not shift the others.
    draw = stream(seed, f"scenario fault {blow.place}")
    times = [(number, blow.after_s) for number in blow.rounds] or [(0, at) for at in blow.times_s]
    for number, at_s in times:
        names = list(blow.names)
        if blow.most is not None:
            names = sorted(draw.sample(names, blow.most), key=names.index)
        for name in names:
            if draw.random() < blow.chance:
                yield _fault(script, blow, name, (number, at_s))


def _fault(script: Script, blow: Blow, name: str, when: tuple[int, float]) -> Fault:
    people = script.people
    aim = None
    if blow.moment is not None:
        coordinator = roster_of(script.size).coordinator
        aim = aim_of(people.parties[name], blow.moment, blow.side, coordinator=coordinator)
    return Fault(
        kind=blow.action.kind,
        at_s=when[1],
        target=people.hosts[name],
        duration_s=blow.for_s,
        amount=blow.amount,
        aim=aim,
        round=when[0],
    )
