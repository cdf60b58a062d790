"""Who is told of a history while it happens, beside those who check its rules."""

from __future__ import annotations

from typing import Protocol

from protocols.reports import Event

from .faults import Fault


class Onlooker(Protocol):
    """Told of what happens, at times of the world. Never acts at once: it takes note."""

    def told(self, now_s: float, host: str, event: Event) -> None:
        """Hear what an actor tells its monitor."""
        ...

    def struck(self, now_s: float, fault: Fault) -> None:
        """Hear that a planned fault really struck."""
        ...

    def over(self, now_s: float) -> None:
        """Hear that the time of faults is over."""
        ...
