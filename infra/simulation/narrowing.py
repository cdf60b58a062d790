"""From a plan that breaks a rule to a short one that breaks the same rule.

Every candidate is a plan that a seed could have drawn: what the design survives bounds it too
(see `swarm`). So the healed phase is kept whole or left out: with less time to heal, rounds
would be missing however good the code is, and a mended bug would never look mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil, floor

from protocols.batches import split
from protocols.round_config import Roster, majority

from .faults import ANYBODY, Aim, Fault, Plan, Rates, Size
from .ghost import Violation
from .job import roster_of
from .shrinking import ddmin, first_that

# How a plan breaks the rule in question, if it does.
Breaks = Callable[[Plan], Violation | None]

_LEAST = 3  # holders, and trainers, as in any drawn plan
_DURATIONS_S = (0.1, 1.0, 5.0)
_RATES = ("lost", "unconfirmed", "doubled", "delayed", "overtaken", "unacked")
_PASSES = 4
_SPARE_S = 5.0  # a simpler plan may fail a little later


def narrowed(plan: Plan, breaks: Breaks) -> Plan:
    """Return the shortest plan that was found; `plan` itself must break the rule.

    A `breaks` that has had enough may answer None from then on.
    """
    for _ in range(_PASSES):
        before = plan
        for narrow in _WAYS:
            # The shorter a plan is, the less each of the next runs costs.
            plan = narrow(_without_tail(plan, breaks, _SPARE_S), breaks)
        if plan == before:
            break
    return _without_tail(plan, breaks, 0.0)


def _without_tail(plan: Plan, breaks: Breaks, spare_s: float) -> Plan:
    """Leave out what comes after the failure, but for some time to spare."""
    broken = breaks(plan)
    if broken is None:
        return plan
    early = tuple(fault for fault in plan.faults if fault.at_s <= broken.at_s)
    end_s = ceil((broken.at_s + spare_s) * 1000 + 1) / 1000
    candidates = [replace(plan, faults=early)]
    if end_s < plan.faulty_s or plan.healed_s:
        candidates.insert(0, replace(plan, faults=early, faulty_s=end_s, healed_s=0.0, core=()))
    return _simplest(plan, candidates, breaks)


def _without_rates(plan: Plan, breaks: Breaks) -> Plan:
    """Let nothing happen to messages, or at least not everything."""
    calm = Rates(hop_s=plan.rates.hop_s)
    if calm == plan.rates or breaks(replace(plan, rates=calm)):
        return replace(plan, rates=calm)
    for name in _RATES:
        if getattr(plan.rates, name):
            quieter = replace(plan, rates=replace(plan.rates, **{name: 0.0}))
            plan = _simplest(plan, [quieter], breaks)
    return plan


def _with_fewer_faults(plan: Plan, breaks: Breaks) -> Plan:
    def fails(faults: tuple[Fault, ...]) -> bool:
        return breaks(replace(plan, faults=faults)) is not None

    return replace(plan, faults=ddmin(plan.faults, fails))


# --- the cast -------------------------------------------------------------------------


def _with_smaller_cast(plan: Plan, breaks: Breaks) -> Plan:
    """Do without holders and trainers: first without all that nothing aims at, then one by one."""
    least = plan
    while (fewer := _without_an_idle_one(least)) is not None:
        least = fewer
    if least is not plan and breaks(least):
        plan = least
    while True:
        roster = roster_of(plan.size)
        names = (*reversed(roster.trainers), *reversed(roster.holders))
        candidates = [fewer for name in names if (fewer := without(plan, name)) is not None]
        fewer = _simplest(plan, candidates, breaks)
        if fewer is plan:
            return plan
        plan = fewer


def _without_an_idle_one(plan: Plan) -> Plan | None:
    roster = roster_of(plan.size)
    aimed_at = {fault.target for fault in plan.faults}
    idle = (name for name in (*roster.trainers, *roster.holders) if name not in aimed_at)
    return next((fewer for name in idle if (fewer := without(plan, name)) is not None), None)


def without(plan: Plan, name: str) -> Plan | None:
    """Return the plan without this holder or trainer, or None where it can't be spared.

    Those after it take the names before theirs, with all that strikes them.
    """
    size, before = _smaller(plan.size, name), roster_of(plan.size)
    if size is None:
        return None
    after = roster_of(size)
    new = _renamed(before.holders, after.holders, name)
    new |= _renamed(before.trainers, after.trainers, name)
    new |= {"": "", ANYBODY: ANYBODY, before.coordinator: after.coordinator}
    faults = tuple(
        replace(fault, target=new[fault.target], aim=_aimed_anew(fault.aim, new))
        for fault in plan.faults
        if fault.target in new and (fault.aim is None or fault.aim.by in new)
    )
    fewer = replace(
        plan, size=size, faults=faults, core=tuple(new[one] for one in plan.core if one in new)
    )
    return fewer if _can_live(fewer, after) else None


def _aimed_anew(aim: Aim | None, new: dict[str, str]) -> Aim | None:
    return None if aim is None else replace(aim, by=new[aim.by])


def _smaller(size: Size, name: str) -> Size | None:
    if roster_of(size).role(name) == "holder":
        return _with_holders(size, size.holders - 1) if size.holders > _LEAST else None
    trainers = size.trainers - 1
    minimum = min(size.minimum, max(_LEAST, trainers - 2))
    if trainers < _LEAST:
        return None
    if size.batches and trainers // size.batches < minimum:
        return _with_batches(replace(size, trainers=trainers, minimum=minimum), size.batches - 1)
    return replace(size, trainers=trainers, minimum=minimum)


def _with_batches(size: Size, batches: int) -> Size:
    """Keep what can be kept of batches: of fewer than two there are none."""
    if batches < 2 or size.trainers // batches < size.minimum:
        return replace(size, batches=0, drawn=0)
    return replace(size, batches=batches, drawn=min(size.drawn, batches - 1))


def _with_holders(size: Size, holders: int) -> Size:
    """Keep what can be kept of threshold, faults and packing."""
    most_faults = (holders - 1) // (3 if size.vote else 5)
    faults = min(size.faults, most_faults)
    most = majority(holders, faults)
    threshold = min(size.threshold, most, holders - 2 * faults) if size.vote else most
    fewer = replace(size, holders=holders, faults=faults, threshold=threshold)
    return replace(fewer, packing=min(size.packing, fewer.most_packing))


def _renamed(before: tuple[str, ...], after: tuple[str, ...], gone: str) -> dict[str, str]:
    left = tuple(name for name in before if name != gone)
    return dict(zip(left, after, strict=True))


def _can_live(plan: Plan, roster: Roster) -> bool:
    """Return whether the core that is healed is enough for rounds."""
    if not plan.core:
        return True
    holders = sum(name in plan.core for name in roster.holders)
    groups = split(roster, max(1, plan.size.batches))
    trainers = min(sum(name in plan.core for name in group) for group in groups)
    return holders >= plan.size.needed and trainers >= plan.size.minimum


# --- plainer values -------------------------------------------------------------------


def _with_plain_sizes(plan: Plan, breaks: Breaks) -> Plan:
    """Take usual values where nothing depends on the unusual ones."""
    rates, size = plan.rates, plan.size
    plan = _simplest(plan, [replace(plan, rates=replace(rates, hop_s=0.003))], breaks)
    plan = _simplest(plan, [replace(plan, size=replace(size, training_s=0.2))], breaks)
    if plan.size.batches:
        plan = _simplest(plan, [replace(plan, size=_with_batches(plan.size, 0))], breaks)
    roomy = replace(plan, size=replace(plan.size, queue_messages=2000))
    return _simplest(plan, [roomy], breaks)


def _with_rounder_faults(plan: Plan, breaks: Breaks) -> Plan:
    """Make each fault shorter, earlier and rounder."""
    for place in range(len(plan.faults)):
        for simpler in (_shorter, _earlier, _sooner_met, _rounder):
            faults = plan.faults
            candidates = [
                replace(plan, faults=(*faults[:place], fault, *faults[place + 1 :]))
                for fault in simpler(faults[place])
            ]
            plan = _simplest(plan, candidates, breaks)
    return plan


def _shorter(fault: Fault) -> Iterator[Fault]:
    for duration_s in (*_DURATIONS_S, float(floor(fault.duration_s))):
        if 0 < duration_s < fault.duration_s:
            yield replace(fault, duration_s=duration_s)


def _earlier(fault: Fault) -> Iterator[Fault]:
    for at_s in (0.0, float(floor(fault.at_s)), round(fault.at_s, 1)):
        if at_s < fault.at_s:
            yield replace(fault, at_s=at_s)


def _sooner_met(fault: Fault) -> Iterator[Fault]:
    if fault.aim is not None:
        for nth in range(1, fault.aim.nth):
            yield replace(fault, aim=replace(fault.aim, nth=nth))


def _rounder(fault: Fault) -> Iterator[Fault]:
    for amount in (float(floor(fault.amount)), round(fault.amount, 1)):
        if 0 < amount < fault.amount:
            yield replace(fault, amount=amount)


def _simplest(plan: Plan, candidates: list[Plan], breaks: Breaks) -> Plan:
    """Return the first that breaks the rule as well and is another one, or the plan itself."""
    others = [other for other in candidates if other != plan]
    return first_that(others, lambda other: breaks(other) is not None, plan)


_WAYS = (
    _without_rates,
    _with_fewer_faults,
    _with_smaller_cast,
    _with_plain_sizes,
    _with_rounder_faults,
)
