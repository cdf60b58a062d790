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
    """Watches the rounds and messages of a federation, and strikes."""

    def __init__(self, mishaps: Mishaps, federation: Federation) -> None:
        self._mishaps = mishaps
        self._federation = federation
        self._round = 0
        self._uploaded = 0
        self._strikes: list[asyncio.Task[None]] = []

        federation.listen(self)
        federation.watch(self.observe)

    def emit(self, event: Event) -> None:
        """Take an event of the run."""
        if not isinstance(event, RoundBegan):
            return
        self._round = event.number
        if event.number == self._mishaps.lost_in:
            self._kill(self._mishaps.holder)
        if event.number == self._mishaps.back_in:
            self._federation.start(self._mishaps.trainer)

    def observe(self, sent: Sent) -> None:
        """Take a message that the bus accepted."""
        mishaps = self._mishaps
        if self._round != mishaps.killed_in:
            return
        if sent.sender == mishaps.trainer and sent.lane is Lane.BULK:
            self._uploaded += 1
            if self._uploaded == mishaps.killed_after:
                self._kill(mishaps.trainer)

    def _kill(self, name: str) -> None:
        strike = asyncio.create_task(self._federation.kill(name), name=f"kill {name}")
        self._strikes.append(strike)
