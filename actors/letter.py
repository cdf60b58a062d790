"""A control message on its way out, sealed when its turn comes: until then it may grow."""

from __future__ import annotations

from collections.abc import Callable

from protocols.codec import VERSION
from protocols.messages import Message
from protocols.secagg.bundling import joined


class Letter:
    """May be posted to many recipients; it is sealed once, whoever's turn comes first."""

    __slots__ = ("_body", "_seal", "message", "version")

    def __init__(
        self, message: Message, seal: Callable[[Message, int], bytes], version: int = VERSION
    ) -> None:
        self.message = message
        self.version = version
        self._seal = seal
        self._body: bytes | None = None

    def sealed(self) -> bytes:
        """Return what travels."""
        if self._body is None:
            self._body = self._seal(self.message, self.version)
        return self._body

    def joined(self, later: Letter) -> Letter | None:
        """Return one letter that says what both do, None where no message can."""
        message = joined(self.message, later.message)
        if message is None or later.version != self.version:
            return None
        return Letter(message, self._seal, self.version)
