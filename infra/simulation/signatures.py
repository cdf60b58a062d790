"""Signatures that nobody can forge because nobody here tries to: a fortieth of the real ones' time.

A signature is a hash of the member's name and the statement. Liars speak in their own name only,
or in another's without this; what a real signature is worth, the tests of `protocols.trust` show.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from protocols.codec import seal
from protocols.messages import AnswerHeader, ContributionHeader, Wire
from protocols.trust.errors import Untrusted
from protocols.trust.signing import Statement

_SIGNED = 4096  # of what was signed, each to be checked by all who hear it


class IdealSignatures:
    """One member's signatures, and its knowledge of everybody's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def sign(self, statement: bytes) -> bytes:
        """Return the own signature."""
        return signature_of_statement(self._name, statement)

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        """Check that a member has signed this. Raises `Untrusted`."""
        if signature != signature_of_statement(member, statement):
            raise Untrusted("signature", f"not signed by {member}")


@lru_cache(maxsize=_SIGNED)
def signature_of_statement(member: str, statement: bytes) -> bytes:
    """Return what a member signs of a statement."""
    return hashlib.blake2b(statement, key=member.encode(), digest_size=64).digest()


def signature_of(federation: str, member: str, message: Wire) -> bytes:
    """Return what a member signs when it says this."""
    statement = Statement.of(federation, member, message)
    return signature_of_statement(member, statement.to_bytes())


def header_signature(
    federation: str, member: str, header: ContributionHeader | AnswerHeader
) -> bytes:
    """Return what a member signs of what is in its chunks."""
    return signature_of_statement(
        member, Statement.of_header(federation, member, header).to_bytes()
    )


def signed(federation: str, member: str, message: Wire, *, name: str = "") -> bytes:
    """Return what travels when a member says this, in its own name or under another."""
    said = Statement.of(federation, name or member, message)
    signature = signature_of_statement(member, said.to_bytes())
    return seal(name or member, message, signature=signature)
