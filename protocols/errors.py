"""Errors, split by whose fault they are."""

from __future__ import annotations


class ProtocolError(Exception):
    """Anything that goes wrong while deciding."""


class Misuse(ProtocolError):
    """Our own code called the protocol wrongly: a bug, let it crash the actor."""


class PeerViolation(ProtocolError):
    """A peer broke the protocol: drop the message, count it, keep the round."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"{peer}: {reason}")
        self.peer = peer
        self.reason = reason


class OtherVersion(ProtocolError):
    """A peer speaks another version of the protocol; `body` is what it said, unread."""

    def __init__(self, peer: str, version: int, body: bytes) -> None:
        super().__init__(f"{peer} speaks version {version} of the protocol")
        self.peer = peer
        self.version = version
        self.body = body


class Unfit(ProtocolError):
    """An owner's own vector or data can't be contributed; the text says what to change.

    The text may be shown to that owner only: it names places, never values, yet it
    still speaks of private data. `Decline` carries only `kind` to others.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
