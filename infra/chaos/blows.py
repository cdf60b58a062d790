"""What a soak does to its federation, one blow after the other: drawn from a seed, by rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from protocols.round_config import Roster

from .cells import Fault, Party

_PARTIES = {Party.TRAINER: 35, Party.HOLDER: 35, Party.COORDINATOR: 18, Party.BROKER: 12}
_FAULTS = {Fault.KILL: 50, Fault.CUT: 25, Fault.PAUSE: 25}
_TWICE = 0.3  # of the blows have a second strike
_APART_S = 3.0
_REST_S = (0.5, 6.0)
_LASTS_S = {Fault.KILL: (0.3, 4.0), Fault.PAUSE: (1.0, 6.0), Fault.CUT: (0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: to whom (None: the broker), how long after the blow began, and for how long."""

    party: Party
    victim: str | None
    fault: Fault
    after_s: float
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.party.value} {self.fault.value}"


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens at once, after so long a rest in which everybody was well."""

    rest_s: float
    strikes: tuple[Strike, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom a soak may hurt.

    The `spared` are never killed, so that the memory of one process can be watched for long; they
    are paused and cut as others. At most `holders` and `trainers` are hurt at once: as many as a
    round can do without.
    """

    roster: Roster
    spared: tuple[str, ...]
    holders: int
    trainers: int


def blows(seed: int, rules: Rules) -> Iterator[Blow]:
    """Yield blows for ever, the same ones for the same seed and rules."""
    random = Random(seed)  # noqa: S311 - a schedule, no secret
    while True:
        first = _strike(random, rules, after_s=0.0)
        strikes = [first]
        if random.random() < _TWICE:
            second = _strike(random, rules, after_s=random.uniform(0, _APART_S))
            if _allowed(first, second, rules):
                strikes.append(second)
        yield Blow(random.uniform(*_REST_S), tuple(strikes))


def _strike(random: Random, rules: Rules, *, after_s: float) -> Strike:
    (party,) = random.choices(list(_PARTIES), list(_PARTIES.values()))
    (fault,) = random.choices(list(_FAULTS), list(_FAULTS.values()))
    roster = rules.roster
    names: tuple[str | None, ...] = {
        Party.TRAINER: roster.trainers,
        Party.HOLDER: roster.holders,
        Party.COORDINATOR: (roster.coordinator,),
        Party.BROKER: (None,),
    }[party]
    if fault is Fault.KILL:
        names = tuple(name for name in names if name not in rules.spared)
    return Strike(party, random.choice(names), fault, after_s, random.uniform(*_LASTS_S[fault]))


def _allowed(first: Strike, second: Strike, rules: Rules) -> bool:
    if first.victim == second.victim:
        return False
    both = (first.party, second.party)
    trainers, holders = both.count(Party.TRAINER), both.count(Party.HOLDER)
    return trainers <= rules.trainers and holders <= rules.holders
