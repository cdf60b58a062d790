"""What came in, read once: the same bytes are heard by many in one process, or come again."""

from __future__ import annotations

from functools import lru_cache

from protocols.codec import Envelope
from protocols.messages import Wire, received

from .signing import Statement

_SHORT_BYTES = 4096  # what is longer is seldom heard twice, and would take room
_REMEMBERED = 64  # the bytes of one message come to all within a few others


class Heard:
    """An envelope and its message, and what its sender signs when it says just this."""

    __slots__ = ("_federation", "_statement", "envelope", "message")

    def __init__(self, envelope: Envelope, message: Wire) -> None:
        self.envelope = envelope
        self.message = message
        self._federation = ""
        self._statement = b""

    def statement(self, federation: str) -> bytes:
        """Return the statement of the message, not of the bytes that came.

        Whoever is shown a signature has the message only. Raises `Misuse` for a sender whose
        name is no member's.
        """
        if federation != self._federation:
            said = Statement.of(federation, self.envelope.sender, self.message)
            self._federation, self._statement = federation, said.to_bytes()
        return self._statement


def heard(data: bytes) -> Heard:
    """Read the bytes of anybody. Raises as `codec.unseal`."""
    return _remembered(data) if len(data) <= _SHORT_BYTES else _read(data)


def _read(data: bytes) -> Heard:
    return Heard(*received(data))


_remembered = lru_cache(maxsize=_REMEMBERED)(_read)
