"""Who looks on from outside all hosts, as an interface."""

from __future__ import annotations

from typing import Protocol

from actors.ports import Lane
from protocols.reports import Event

from .hosts import Life

Writes = tuple[tuple[str, bytes | None], ...]


class Watch(Protocol):
    """Told of what hosts do at the moment they do it. Never raises: it takes note."""

    def sending(self, life: Life, to: str, body: bytes, lane: Lane) -> str:
        """Look at a message before it leaves; return the name of its kind."""
        ...

    def acked(self, host: str, body: bytes, kind: str) -> None:
        """Look at a message that a host acknowledges: it will not come again."""
        ...

    def committed(self, host: str, writes: Writes) -> None:
        """Look at what has just become durable."""
        ...

    def told(self, host: str, event: Event) -> None:
        """Hear what an actor tells its monitor."""
        ...

    def logged(self, host: str, text: str) -> None:
        """Read what an actor writes into its log."""
        ...

    def drew(self, host: str, secret: bytes) -> None:
        """Learn of entropy that a host was given."""
        ...
