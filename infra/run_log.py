"""What happened in a run, gathered from its events: the facts of the final summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

import msgspec

from protocols.reports import (
    ActorRestarted,
    AnswersJudged,
    Event,
    HolderLeft,
    HolderReturned,
    JobEnded,
    PeerFault,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    StateUpdated,
    TrainerLeft,
    TrainersSuspected,
)

_REASONS = 4  # of one absence; more say no more
_SUSPECTED = "suspected of garbling sums"


@dataclass(slots=True)
class Absence:
    """From which round on an actor was gone, why, and the first round that had it again."""

    name: str
    left: int
    reason: str
    returned: int | None = None


class _Past(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives the process, so that a resumed run still tells who was missing before."""

    abandoned: list[dict[str, int | str]]
    trainers: list[Absence]
    holders: list[Absence]
    restarts: dict[str, int]
    faults: dict[str, int]
    checked: dict[str, int] = {}
    liars: dict[str, int] = {}
    turns: dict[str, int] = {}


@dataclass(slots=True)
class RunLog:
    """Remembers what a summary needs; everything in it is public.

    An owner that can't contribute is asked again in every round, and that is one absence: it
    ends with the first sum that has its vector.
    """

    completed: int = 0
    abandoned: list[dict[str, int | str]] = field(default_factory=list)
    trainers: list[Absence] = field(default_factory=list)
    holders: list[Absence] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    liars: Counter[str] = field(default_factory=Counter)
    survivors: tuple[str, ...] = ()
    back: tuple[str, ...] = ()  # trainers that the latest sum has again
    turns: Counter[str] = field(default_factory=Counter)  # completed rounds, by batch
    _asked: RoundBegan | None = None  # the round under way, where it asks only some
    suspects: list[list[str]] = field(default_factory=list)  # told anew at each start

    def take(self, event: Event) -> bool:
        """Take one event; say whether it tells anything that was not known."""
        match event:
            case RoundBegan():
                self._asked = event if event.drawn else None
            case RoundComplete():
                self._complete(event)
            case StateUpdated():
                self.completed, self.metrics = event.completed, event.metrics
            case RoundAbandoned():
                self.abandoned.append({"round": event.number, "reason": event.reason})
            case ActorRestarted():
                self.restarts[event.actor] += 1
            case PeerFault():
                self.faults[event.peer] += 1
            case AnswersJudged():
                return event.checked != "verified"
            case JobEnded():
                self.completed = max(self.completed, event.completed)
            case _:
                return self._take_absence(event)
        return True

    def _take_absence(self, event: Event) -> bool:
        match event:
            case TrainerLeft():
                return _left(self.trainers, event.trainer, event.number, event.reason)
            case HolderLeft():
                reason = f"{event.reason} while {event.step.value}"
                return _left(self.holders, event.holder, event.number, reason)
            case TrainersSuspected():
                self.suspects = [list(group) for group in event.groups]
                for name in event.left_out:
                    _left(self.trainers, name, event.number, _SUSPECTED)
            case HolderReturned():
                _returned(self.holders, event.holder, event.number)
            case _:
                pass  # of no interest in a summary
        return True

    def _complete(self, event: RoundComplete) -> None:
        self.survivors = event.survivors
        self.checked[event.checked] += 1
        self.liars.update(event.liars)
        if self._asked is not None:
            self.turns.update(f"{place} of {self._asked.batches}" for place in self._asked.drawn)
        gone = {absence.name for absence in self.trainers if absence.returned is None}
        self.back = tuple(name for name in event.survivors if name in gone)
        for name in self.back:
            _returned(self.trainers, name, event.number)

    @property
    def of_asked(self) -> str:
        """Say how many trainers the round asks; nothing where it asks everybody."""
        return "" if self._asked is None else f" of {self._asked.asked}"

    @property
    def in_turn(self) -> str:
        """Say which batches the round asks; nothing where it asks everybody."""
        return "" if self._asked is None else f" ({self._asked.turn})"

    def remember(self) -> bytes:
        """Return what a resumed run must know of this one."""
        past = _Past(
            abandoned=self.abandoned,
            trainers=self.trainers,
            holders=self.holders,
            restarts=dict(self.restarts),
            faults=dict(self.faults),
            checked=dict(self.checked),
            liars=dict(self.liars),
            turns=dict(self.turns),
        )
        return msgspec.json.encode(past)

    def recall(self, data: bytes) -> None:
        """Take up what an earlier session remembered. Raises `ValueError` if it is damaged."""
        try:
            past = msgspec.json.decode(data, type=_Past)
        except RecursionError:
            raise ValueError("lists too deep") from None
        self.abandoned, self.trainers, self.holders = past.abandoned, past.trainers, past.holders
        self.restarts, self.faults = Counter(past.restarts), Counter(past.faults)
        self.checked, self.liars = Counter(past.checked), Counter(past.liars)
        self.turns = Counter(past.turns)

    def facts(self) -> dict[str, Any]:
        """Return what a summary tells of the rounds, ready for JSON."""
        return {
            "rounds": self.completed,
            "abandoned_rounds": self.abandoned,
            "dropped_trainers": [asdict(absence) for absence in self.trainers],
            "lost_holders": [asdict(a) for a in self.holders if a.returned is None],
            "returned_holders": [asdict(a) for a in self.holders if a.returned is not None],
            "restarts": dict(self.restarts),
            "peer_faults": dict(self.faults),
            "checked": dict(self.checked),
            "lying_holders": dict(self.liars),
            "suspected_trainers": self.suspects,
            "metrics": self.metrics,
            **({"rounds_by_batch": dict(self.turns)} if self.turns else {}),
        }


def _left(absences: list[Absence], name: str, number: int, reason: str) -> bool:
    known = next((a for a in absences if a.name == name and a.returned is None), None)
    if known is None:
        absences.append(Absence(name, number, reason))
        return True
    reasons = known.reason.split("; ")
    if reason in reasons or len(reasons) >= _REASONS:
        return False
    known.reason = "; ".join([*reasons, reason])
    return True


def _returned(absences: list[Absence], name: str, number: int) -> None:
    for absence in absences:
        if absence.name == name and absence.returned is None:
            absence.returned = number


def as_json(event: Any) -> dict[str, Any]:
    """Return an event, or another dataclass, as plain values with its kind in snake case.

    An event's own field `kind`, that of an owner's trouble, is called `trouble`.
    """
    fields = asdict(event)
    if "kind" in fields:
        fields["trouble"] = fields.pop("kind")
    return {"kind": kind_of(type(event)), **fields}


def kind_of(event: type[Any]) -> str:
    """Return how lines call this sort of event."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in event.__name__).lstrip("_")


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: a number that is not finite becomes null."""
    match value:
        case Enum():
            return plain(value.value)
        case float():
            return value if isfinite(value) else None
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return value
