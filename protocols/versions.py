"""Meeting a peer of another version of the protocol: each side is told once, and no loop begins."""

from __future__ import annotations

from .codec import VERSION, Undecodable, parse
from .effects import Effect, Report, Send
from .errors import OtherVersion
from .messages import Unsupported
from .reports import Incompatible

VERSIONS = (VERSION,)


class Versions:
    """What one actor does about peers that speak otherwise.

    Feed it members of the federation only: it remembers each that it has answered.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: dict[str, None] = {}

    def understood(self, peer: str) -> None:
        """Take note that a peer speaks our version: the next that is not is answered again."""
        self._told.pop(peer, None)

    def other(self, error: OtherVersion) -> list[Effect]:
        """Answer a message of another version, once; an `Unsupported` is never answered."""
        if error.peer in self._told:
            return []
        self._told[error.peer] = None
        try:
            message = parse(error.body, Unsupported)
        except Undecodable:  # so it is not the one message that all versions share
            answer = Send(error.peer, Unsupported(versions=VERSIONS), error.version)
            return [answer, self._incompatible(error.peer, (error.version,))]
        return self.unsupported(error.peer, message)

    def unsupported(self, peer: str, message: Unsupported) -> list[Effect]:
        """Take note that a peer can't read what we send."""
        return [self._incompatible(peer, message.versions)]

    def _incompatible(self, peer: str, versions: tuple[int, ...]) -> Report:
        return Report(Incompatible(actor=self._name, peer=peer, versions=versions))


def advice(event: Incompatible) -> str:
    """Say in a sentence which side to upgrade."""
    spoken = ", ".join(str(version) for version in event.versions)
    older, newer = max(event.versions) < VERSION, min(event.versions) > VERSION
    upgrade = event.peer if older else event.actor if newer else "the older of the two"
    return (
        f"{event.peer} speaks version {spoken} of the protocol and {event.actor} version "
        f"{VERSION}: upgrade {upgrade}"
    )
