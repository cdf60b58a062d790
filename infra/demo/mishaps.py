"""What goes wrong in the demonstration, aimed at named steps of named rounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

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


class Mortals(Protocol):
    """The actors of a federation, as fate sees them."""

    def start(self, name: str) -> None:
        """Bring an actor back to life."""
        ...

    async def kill(self, name: str) -> None:
        """End an actor at once."""
        ...


class Fate:
    """Watches the rounds and uploads of a federation, and strikes; a monitor."""

    def __init__(self, mishaps: Mishaps, federation: Mortals) -> None:
        self._mishaps = mishaps
        self._federation = federation
        self._round = 0
        self._uploaded = 0
        self._strikes: list[asyncio.Task[None]] = []

    def emit(self, event: Event) -> None:
        """Take an event of the run."""
        if not isinstance(event, RoundBegan):
            return
        self._round = event.number
        if event.number == self._mishaps.lost_in:
            self._kill(self._mishaps.holder)
        if event.number == self._mishaps.back_in:
            self._federation.start(self._mishaps.trainer)

    def uploading(self) -> None:
        """Take note of a message of the trainer's upload on its way."""
        if self._round != self._mishaps.killed_in:
            return
        self._uploaded += 1
        if self._uploaded == self._mishaps.killed_after:
            self._kill(self._mishaps.trainer)

    def _kill(self, name: str) -> None:
        strike = asyncio.create_task(self._federation.kill(name), name=f"kill {name}")
        self._strikes.append(strike)
