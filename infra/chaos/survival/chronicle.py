"""Writes down what the coordinator tells and what strikes, and makes a story of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infra.chaos.ledger import Ending, Ledger
from infra.chaos.ledger import Fate as Ended
from infra.chaos.scenario.actions import WORDS
from infra.chaos.scenario.people import BROKER, People
from infra.chaos.scenario.steps import moment_of
from infra.simulation.faults import Fault, Kind
from protocols.reports import (
    Event,
    HolderLeft,
    HolderReturned,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    TrainerLeft,
    TrainerReturned,
)

from .story import Absence, Fate, Round, Story, Strike

_FATES: dict[Ended, Fate] = {Ended.COMPLETE: "complete", Ended.ABANDONED: "abandoned"}


@dataclass(slots=True)
class Chronicle:
    """An onlooker of a history, until the time of its faults is over."""

    people: People
    ledger: Ledger = field(default_factory=Ledger)
    end_s: float | None = None
    _began_s: dict[int, float] = field(default_factory=dict)
    _ended_s: dict[int, float] = field(default_factory=dict)
    _struck: list[tuple[float, Fault]] = field(default_factory=list)
    _away: dict[str, Absence] = field(default_factory=dict)
    _missing: dict[int, dict[str, Absence]] = field(default_factory=dict)

    # --- what an onlooker hears -------------------------------------------------------

    def told(self, now_s: float, host: str, event: Event) -> None:
        """Hear what an actor tells."""
        if self.end_s is not None or host != self.people.hosts["coordinator"]:
            return
        self.ledger.emit(event)
        match event:
            case RoundBegan():
                self._began_s.setdefault(event.number, now_s)
                self._missing.setdefault(event.number, dict(self._away))
            case RoundComplete() | RoundAbandoned():
                self._ended_s.setdefault(event.number, now_s)
            case TrainerLeft():
                self._left(event.number, event.trainer, event.step.value, event.reason)
            case HolderLeft():
                self._left(event.number, event.holder, event.step.value, event.reason)
            case TrainerReturned():
                self._away.pop(event.trainer, None)
            case HolderReturned():
                self._away.pop(event.holder, None)
            case _:
                pass

    def struck(self, now_s: float, fault: Fault) -> None:
        """Hear that a fault struck."""
        if self.end_s is None:
            self._struck.append((now_s, fault))

    def over(self, now_s: float) -> None:
        """Take no note any more; only the first time counts."""
        if self.end_s is None:
            self.end_s = now_s

    def _left(self, number: int, host: str, step: str, reason: str) -> None:
        absence = Absence(name=self.people.label(host), step=step, reason=reason)
        self._away[host] = absence
        self._missing.setdefault(number, {})[host] = absence

    # --- what comes of it -------------------------------------------------------------

    def story(self, seed: int, places: Mapping[Fault, int]) -> Story:
        """Return all of it once it is over, with what the ledger found wrong.

        `places` are those in the file of everything that was planned.
        """
        strikes = self.strikes(places)
        struck = {strike.place for strike in strikes}
        return Story(
            seed=seed,
            rounds=self.rounds(),
            strikes=strikes,
            missed=tuple(sorted(set(places.values()) - struck)),
            end_s=self.end_s or 0.0,
            violations=tuple(self.ledger.violations),
            digest="",
        )

    def rounds(self) -> tuple[Round, ...]:
        """Return the rounds that ended, in their order."""
        found = []
        for number, ending in sorted(self.ledger.endings.items()):
            later = [at for other, at in self._began_s.items() if other > number]
            ended_s = self._ended_s.get(number, min(later, default=self.end_s or 0.0))
            found.append(
                Round(
                    number=number,
                    began_s=self._began_s.get(number, ended_s),
                    ended_s=ended_s,
                    fate=_FATES[ending.fate],
                    survivors=tuple(map(self.people.label, ending.survivors)),
                    left_out=self._left_out(number, ending),
                    reason=ending.reason,
                )
            )
        return tuple(found)

    def _left_out(self, number: int, ending: Ending) -> tuple[Absence, ...]:
        """Name those without whom the round went on: for a sum, whoever is not in it."""
        missing = self._missing.get(number, {})
        if ending.fate is not Ended.COMPLETE or not ending.told:
            return tuple(missing.values())
        holders = {self.people.hosts[name] for name in self.people.groups["holders"]}
        absences = [each for host, each in missing.items() if host in holders]
        for name in self.people.groups["trainers"]:
            host = self.people.hosts[name]
            if host not in ending.survivors:
                absences.append(
                    missing.get(host) or Absence(name=name, step="", reason="not told why")
                )
        return tuple(absences)

    def strikes(self, places: Mapping[Fault, int]) -> tuple[Strike, ...]:
        """Return what struck, with what became of it; `places` are those in the file."""
        rounds = self.rounds()
        fates = {each.number: each.fate for each in rounds}
        told = []
        for at_s, fault in self._struck:
            number = max((n for n, began in self._began_s.items() if began <= at_s), default=0)
            party = self.people.party(fault.target)
            moment = None if fault.aim is None else moment_of(party, fault.aim)
            told.append(
                Strike(
                    place=places.get(fault, 0),
                    at_s=at_s,
                    action=WORDS[fault.kind],
                    target=self._target(fault),
                    party=party.value,
                    step="" if moment is None else moment.value,
                    round=number,
                    fate=fates.get(number, ""),
                    sum_s=_until_sum(rounds, at_s),
                    everybody_s=self._until_everybody(rounds, at_s),
                )
            )
        return tuple(told)

    def _target(self, fault: Fault) -> str:
        everybody = fault.kind in (Kind.BLACKOUT, Kind.SWIZZLE)
        return "everybody" if everybody else self.people.label(fault.target) or BROKER

    def _until_everybody(self, rounds: Iterable[Round], at_s: float) -> float | None:
        dead = [
            (when, self.people.label(fault.target))
            for when, fault in self._struck
            if fault.kind is Kind.DEATH
        ]
        for each in rounds:
            if each.began_s < at_s or each.fate != "complete":
                continue
            gone = [name for when, name in dead if when < each.ended_s]
            wanted = [name for name in self.people.groups["trainers"] if name not in gone]
            if set(wanted) <= set(each.survivors):
                return each.ended_s - at_s
        return None


def _until_sum(rounds: Iterable[Round], at_s: float) -> float | None:
    for each in rounds:
        if each.fate == "complete" and each.ended_s > at_s:
            return each.ended_s - at_s
    return None
