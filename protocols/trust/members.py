"""The members of a roster, to those who check signatures and have no key of their own."""

from __future__ import annotations

from .errors import Untrusted
from .keys import verify
from .roster import RosterBody


class Members:
    """Checks what members of a roster have signed."""

    def __init__(self, body: RosterBody) -> None:
        self.body = body
        self._keys = {entry.name: entry.key for entry in body.entries}

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        """Check that a member has signed this.

        Raises:
            Untrusted: a stranger, or not its signature over these bytes.
        """
        key = self._keys.get(member)
        if key is None:
            raise Untrusted("signature", f"no member of epoch {self.body.epoch} has this name")
        verify(key, signature, statement)
