"""What goes wrong in the demonstration, aimed at named steps of named rounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from actors.ports import Lane
from infra.federation import Federation
from infra.memory_queue import Sent
from protocols.reports import Event, RoundBegan


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishaps:
    """Whom to kill, in which rounds, and after how many messages of an upload."""

    trainer: str
    killed_in: int
    killed_after: int
    back_in: int
    holder: str
    lost_in: int


class Fate:
    """Watches rounds and messages, and strikes. Wraps what the federation tells its monitor."""

    def __init__(self, mishaps: Mishaps) -> None:
        self._mishaps = mishaps
        self._federation: Federation | None = None
        self._round = 0
        self._uploaded = 0
        self._strikes: list[asyncio.Task[None]] = []

    def attach(self, federation: Federation) -> None:
        """Begin to watch this federation."""
        self._federation = federation

    def emit(self, event: Event) -> None:
        """Take an event of the run."""
        if not isinstance(event, RoundBegan) or self._federation is None:
            return
        self._round = event.number
        if event.number == self._mishaps.lost_in:
            self._kill(self._federation, self._mishaps.holder)
        if event.number == self._mishaps.back_in:
            self._federation.start(self._mishaps.trainer)

    def observe(self, sent: Sent) -> None:
        """Take a message that the bus accepted."""
        mishaps = self._mishaps
        if self._federation is None or self._round != mishaps.killed_in:
            return
        if sent.sender == mishaps.trainer and sent.lane is Lane.BULK:
            self._uploaded += 1
            if self._uploaded == mishaps.killed_after:
                self._kill(self._federation, mishaps.trainer)

    def _kill(self, federation: Federation, name: str) -> None:
        self._strikes.append(asyncio.create_task(federation.kill(name), name=f"kill {name}"))
