"""What is signed of a message: who says which bytes, of which type, in which round, and where.

`framed` (see `framing`) with the tag `quorate/message`, the version of the protocol, and these
fields:

| field | bytes |
|---|---|
| federation | its name |
| round | 32: the round's id, or zeros for a message of no round |
| sender | its name |
| type | the name of the message's type |
| body | 32: SHA-256 of the message's canonical bytes, the only ones that are signed; |
| | those of a chunk have the `ends` of its box in the payload's place |

`ends` of a box (see `sealing`) are its length in 4 bytes, its first 1120 and, of the rest, its last
16: the encapsulated key and the cipher's tag. Between them nobody can put anything else that opens,
unless he knows that key, as sender and recipient do. So a chunk's signature is for its recipient,
and shows nothing to others.

The headers in chunks of shares and answers are signed by themselves, too, as messages of the types
`ContributionHeader` and `AnswerHeader` whose body is their canonical form.

A signature therefore fits no other federation, round, sender, type, body or version of the
protocol. Within a round the same message may come again, and means the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from msgspec.structs import replace

from protocols.codec import VERSION, digest_of
from protocols.errors import Misuse
from protocols.messages import (
    Announce,
    AnswerChunk,
    AnswerHeader,
    ContributionHeader,
    Goodbye,
    Hello,
    OpenRound,
    ShareChunk,
    Unsupported,
    Welcome,
    Wire,
)
from protocols.round_config import NAME_PATTERN

from .framing import framed
from .keys import SigningKey
from .sealing import ends

DOMAIN = "quorate/message"
NO_ROUND = bytes(32)
_NAME = re.compile(NAME_PATTERN)
_TYPE = re.compile(r"[A-Za-z]{1,64}\Z")


@lru_cache(maxsize=4096)  # a federation's names come again with each message
def _is_name(text: str) -> bool:
    return _NAME.match(text) is not None


@lru_cache(maxsize=256)
def _is_type(text: str) -> bool:
    return _TYPE.match(text) is not None


class Verifier(Protocol):
    """Knows the members' keys, or stands for somebody who does."""

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        """Check that a member has signed this. Raises `Untrusted`, also for a stranger."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a signature is about. The verifier fills in what it knows, not what it is told.

    Attributes:
        federation: the verifier's own.
        round_id: 32 bytes, `NO_ROUND` for a message of no round.
        sender: who claims to have said it.
        type_name: the name of the message's type, as in `messages`.
        body_digest: 32 bytes, as `body_digest` returns them.
    """

    federation: str
    round_id: bytes
    sender: str
    type_name: str
    body_digest: bytes

    def __post_init__(self) -> None:
        if not (_is_name(self.federation) and _is_name(self.sender)):
            raise Misuse("a statement names a federation and a sender of it")
        if len(self.round_id) != 32 or len(self.body_digest) != 32:
            raise Misuse("the ids of a statement have 32 bytes each")
        if not _is_type(self.type_name):
            raise Misuse("a statement names the type of its message")

    @classmethod
    def of(cls, federation: str, sender: str, message: Wire) -> Statement:
        """Return the statement about a message, in whatever bytes it came."""
        return cls.about(federation, sender, message, body_digest(message))

    @classmethod
    def about(cls, federation: str, sender: str, message: Wire, body_digest: bytes) -> Statement:
        """Return the statement about a message that has this digest, or is said to."""
        return cls(
            federation=federation,
            round_id=round_of(message),
            sender=sender,
            type_name=type(message).__name__,
            body_digest=body_digest,
        )

    @classmethod
    def of_header(
        cls, federation: str, sender: str, header: ContributionHeader | AnswerHeader
    ) -> Statement:
        """Return the statement about what is in chunks, whichever of them it comes with."""
        return cls(
            federation=federation,
            round_id=header.cid,
            sender=sender,
            type_name=type(header).__name__,
            body_digest=header.digest(),
        )

    def to_bytes(self) -> bytes:
        """Return the bytes that are signed."""
        return framed(
            DOMAIN,
            VERSION,
            self.federation.encode(),
            self.round_id,
            self.sender.encode(),
            self.type_name.encode(),
            self.body_digest,
        )

    def signed_by(self, key: SigningKey) -> bytes:
        """Return the signature, 64 bytes."""
        return key.sign(self.to_bytes())

    def require(self, verifier: Verifier, signature: bytes) -> None:
        """Check that the sender said this. Raises `Untrusted`."""
        verifier.require(self.sender, self.to_bytes(), signature)


def require_said(
    verifier: Verifier, federation: str, sender: str, message: Wire, signature: bytes
) -> None:
    """Check that a member said a message that is known here, bytes or not.

    A message has one canonical form, so its signature can be checked again by whoever can put
    the message together: that is what certificates are made of.

    Raises:
        Untrusted: the sender is a stranger, or the signature is not its own over just this.
    """
    Statement.of(federation, sender, message).require(verifier, signature)


def body_digest(message: Wire) -> bytes:
    """Return what stands for a message's body, whatever its length: see the top of this page."""
    match message:
        case ShareChunk() | AnswerChunk():
            return digest_of(replace(message, payload=ends(message.payload)))
        case _:
            return digest_of(message)


def round_of(message: Wire) -> bytes:
    """Return the id of the round that a message belongs to, `NO_ROUND` where there is none."""
    match message:
        case Hello() | Goodbye() | Unsupported() | Welcome():
            return NO_ROUND
        case OpenRound(config=config) | Announce(config=config):
            return config.cid()
        case ShareChunk(header=header):
            return header.cid
        case AnswerChunk(header=answer):
            return answer.cid
        case _:  # all others say it themselves
            return message.cid
