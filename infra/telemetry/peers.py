"""What this actor knows of the others: when it last heard of each, and who is not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.ports import Clock
from protocols.reports import (
    Event,
    HolderLeft,
    HolderReturned,
    PeerJoined,
    RoundComplete,
    TrainerLeft,
    TrainerReturned,
    TrainersSuspected,
)

from .snapshot import Peer
from .subject import Subject

_TEXT = 500  # characters of a reason


@dataclass(slots=True)
class _Known:
    role: str
    heard_s: float | None = None
    left: int | None = None
    reason: str = ""
    software: str = ""


class Peers:
    """Only names of the roster are remembered, so a stranger can't fill the memory."""

    def __init__(self, subject: Subject, clock: Clock) -> None:
        self._clock = clock
        self._known = {name: _Known(role) for name, role in subject.peers().items()}

    def heard(self, name: str) -> None:
        """Take note of a sign of life."""
        known = self._known.get(name)
        if known is not None:
            known.heard_s = self._clock.now_s()

    def take(self, event: Event) -> None:
        """Take an event; most are of no interest here."""
        match event:
            case TrainerLeft():
                self._left(event.trainer, event.number, event.reason)
            case HolderLeft():
                reason = f"{event.reason} while {event.step.value}"
                self._left(event.holder, event.number, reason)
            case TrainerReturned():
                self._back(event.trainer)
            case HolderReturned():
                self._back(event.holder)
            case PeerJoined():
                self.heard(event.actor)
                if event.actor in self._known:
                    self._known[event.actor].software = event.software
            case RoundComplete():
                for name in event.survivors:
                    self._back(name, heard=False)
            case _:
                self._suspected(event)

    def _suspected(self, event: Event) -> None:
        if isinstance(event, TrainersSuspected):
            for name in (name for group in event.groups for name in group):
                self._left(name, event.number, "suspected of garbling sums")

    def now(self) -> Iterator[Peer]:
        """Yield everybody, in the order of the roster."""
        now_s = self._clock.now_s()
        for name, known in self._known.items():
            yield Peer(
                name=name,
                role=known.role,
                heard_s=None if known.heard_s is None else now_s - known.heard_s,
                left=known.left,
                reason=known.reason,
                software=known.software,
            )

    def _left(self, name: str, number: int, reason: str) -> None:
        known = self._known.get(name)
        if known is not None:
            known.left, known.reason = number, reason[:_TEXT]

    def _back(self, name: str, *, heard: bool = True) -> None:
        known = self._known.get(name)
        if known is not None:
            known.left, known.reason = None, ""
            if heard:
                self.heard(name)
