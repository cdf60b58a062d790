"""What happened in a run, gathered from its events: the facts of the final summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from protocols.reports import (
    ActorRestarted,
    Event,
    HolderLeft,
    HolderReturned,
    JobEnded,
    PeerFault,
    RoundAbandoned,
    RoundComplete,
    StateUpdated,
    TrainerLeft,
    TrainerReturned,
)


@dataclass(slots=True)
class Absence:
    """From which round on an actor was gone, why, and when it came back, if it did."""

    name: str
    left: int
    reason: str
    returned: int | None = None


@dataclass(slots=True)
class RunLog:
    """A monitor that remembers; everything in it is public."""

    completed: int = 0
    abandoned: list[dict[str, Any]] = field(default_factory=list)
    trainers: list[Absence] = field(default_factory=list)
    holders: list[Absence] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    survivors: dict[int, tuple[str, ...]] = field(default_factory=dict)
    ended: JobEnded | None = None

    def emit(self, event: Event) -> None:
        """Take one event."""
        match event:
            case RoundComplete():
                self.survivors[event.number] = event.survivors
            case StateUpdated():
                self.completed, self.metrics = event.completed, event.metrics
            case RoundAbandoned():
                self.abandoned.append({"round": event.number, "reason": event.reason})
            case ActorRestarted():
                self.restarts[event.actor] += 1
            case PeerFault():
                self.faults[event.peer] += 1
            case JobEnded():
                self.ended = event
            case _:
                self._attend(event)

    def _attend(self, event: Event) -> None:
        match event:
            case TrainerLeft():
                self.trainers.append(Absence(event.trainer, event.number, event.reason))
            case HolderLeft():
                step = f"silent while {event.step.value}"
                self.holders.append(Absence(event.holder, event.number, step))
            case TrainerReturned():
                _returned(self.trainers, event.trainer, event.number)
            case HolderReturned():
                _returned(self.holders, event.holder, event.number)
            case _:
                pass  # of no interest in a summary

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
            "metrics": self.metrics,
        }


def _returned(absences: list[Absence], name: str, number: int) -> None:
    for absence in absences:
        if absence.name == name and absence.returned is None:
            absence.returned = number


def as_json(event: Event) -> dict[str, Any]:
    """Return an event as plain values, with its kind in snake case."""
    name = type(event).__name__
    kind = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    return {"kind": kind, **{key: _plain(value) for key, value in asdict(event).items()}}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
