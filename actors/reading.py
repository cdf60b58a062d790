"""What came in becomes what is to be decided on: whose it is, signed by whom, its box open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from protocols.codec import Undecodable
from protocols.effects import Effect
from protocols.errors import OtherVersion, PeerViolation
from protocols.messages import Unsupported, Wire
from protocols.round_config import Roster
from protocols.trust.errors import Untrusted
from protocols.trust.heard import Heard, heard
from protocols.versions import Versions

from .ports import Delivery, Signatures

# From here on a message takes so long to read that others wait for their turn.
_LONG_BYTES = 2**16
_MOST_AHEAD_BYTES = 8 * 2**20

Decide = Callable[[], list[Effect]]


class Decider(Protocol):
    """Opens boxes, and decides on messages."""

    def unboxed(self, sender: str, message: Wire) -> Wire | None:
        """Return a message with its box open, None where no key opens it, yet."""
        ...

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        """Decide on a message, whose signature is its sender's."""
        ...


class Reading:
    """Reads deliveries in their turn, or long ones when they come and decides in their turn."""

    def __init__(
        self, decider: Decider, roster: Roster, signatures: Signatures, versions: Versions
    ) -> None:
        self._decider = decider
        self._roster = roster
        self._signatures = signatures
        self._versions = versions
        self._ahead_bytes = 0  # of messages that were read and wait for their turn

    def ahead(self, delivery: Delivery) -> Decide | None:
        """Read a long message now, while those before it are on their way to the disk.

        Returns what is left to do in its turn. None leaves all to `read`: short messages, those
        with a fault, what no key is known for, and whatever comes while 8 MiB wait.
        """
        size = len(delivery.body)
        full = self._ahead_bytes > 0 and self._ahead_bytes + size > _MOST_AHEAD_BYTES
        if size < _LONG_BYTES or full:
            return None
        try:
            said = self._heard(delivery)
            self._require_said(said)
            sender, signature = said.envelope.sender, said.envelope.signature
            opened = self._decider.unboxed(sender, said.message)
        except (PeerViolation, OtherVersion, Undecodable):
            return None
        if opened is None:
            return None
        self._ahead_bytes += size

        def decide() -> list[Effect]:
            self._ahead_bytes -= size
            self._versions.understood(sender)
            return self._decider.decide(sender, opened, signature)

        return decide

    def read(self, delivery: Delivery) -> list[Effect]:
        """Read a message and decide on it.

        Raises `PeerViolation`, and `Undecodable` where nobody can be named.
        """
        try:
            said = self._heard(delivery)
        except OtherVersion as other:
            if self._is_peer(other.peer):
                return self._versions.other(other)
            raise PeerViolation(other.peer, str(other)) from None
        sender, message = said.envelope.sender, said.message
        if isinstance(message, Unsupported) and self._is_peer(sender):
            # Signed as another version signs, if at all; nothing follows from it but a hint.
            return self._versions.unsupported(sender, message)
        self._require_said(said)
        self._versions.understood(sender)
        opened = self._decider.unboxed(sender, message) or message
        return self._decider.decide(sender, opened, said.envelope.signature)

    def _heard(self, delivery: Delivery) -> Heard:
        try:
            said = heard(delivery.body)
        except (OtherVersion, PeerViolation) as error:
            _require_own_name(delivery, error.peer)
            raise
        _require_own_name(delivery, said.envelope.sender)
        return said

    def _is_peer(self, name: str) -> bool:
        return self._roster.role(name) is not None

    def _require_said(self, said: Heard) -> None:
        sender = said.envelope.sender
        if not self._is_peer(sender):
            raise PeerViolation(sender, "is no member of the federation")
        statement = said.statement(self._roster.federation)
        try:
            self._signatures.require(sender, statement, said.envelope.signature)
        except Untrusted as error:
            kind = type(said.message).__name__
            text = f"did not sign this {kind}: {error}; is its roster another than ours?"
            raise PeerViolation(sender, text) from None


def _require_own_name(delivery: Delivery, claimed: str) -> None:
    """Raise `PeerViolation` of who sent this, by the transport's word, under another's name."""
    if delivery.sender is not None and delivery.sender != claimed:
        raise PeerViolation(delivery.sender, f"sent a message under the name {claimed[:64]!r}")
