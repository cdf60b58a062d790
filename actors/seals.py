"""Shares and answers are sealed when they are sent, and opened before a machine sees them.

Their headers are signed and checked here, too: once for a stream, not once for each chunk.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

from msgspec.structs import replace

from protocols.errors import PeerViolation
from protocols.messages import AnswerChunk, AnswerHeader, ContributionHeader, ShareChunk
from protocols.secagg.sealed import binding_of
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxKey, SealingKey
from protocols.trust.signing import Statement

from .ports import Sealing, Signatures

Chunk = TypeVar("Chunk", ShareChunk, AnswerChunk)
Header = ContributionHeader | AnswerHeader

_REMEMBERED = 1024  # of the headers whose signatures were checked


class Seals:
    """Seals and opens in the name of one actor of one federation."""

    def __init__(
        self,
        name: str,
        federation: str,
        sealing: Sealing,
        signatures: Signatures,
    ) -> None:
        self._name = name
        self._federation = federation
        self._sealing = sealing
        self._signatures = signatures
        self._signed_last: tuple[Header, bytes] | None = None
        self._known: dict[bytes, None] = {}  # signatures, which fit one header each

    async def sealed(self, chunk: Chunk, to: str, key: SealingKey) -> Chunk:
        """Return a chunk as it travels; others get their turn before.

        Not in a thread: the library seals under Python's lock, and nobody else would work.
        """
        await asyncio.sleep(0)
        info = binding_of(self._federation, self._name, to, chunk)
        box = self._sealing.seal(key, info, chunk.payload)
        return replace(chunk, payload=box, header_signature=self._signature(chunk.header))

    def _signature(self, header: Header) -> bytes:
        if self._signed_last is None or self._signed_last[0] is not header:
            said = Statement.of_header(self._federation, self._name, header)
            self._signed_last = header, self._signatures.sign(said.to_bytes())
        return self._signed_last[1]

    def opened(self, sender: str, chunk: Chunk, key: BoxKey) -> Chunk:
        """Return a chunk as it was before it was sealed.

        Raises `PeerViolation` where its sender has not signed the header, or its box does not
        open with this key as what it claims to be.
        """
        info = binding_of(self._federation, sender, self._name, chunk)
        try:
            self._require_signed(sender, chunk)
            return replace(chunk, payload=self._sealing.open(key, info, chunk.payload))
        except Untrusted as error:
            raise PeerViolation(sender, str(error)) from None

    def _require_signed(self, sender: str, chunk: Chunk) -> None:
        said = Statement.of_header(self._federation, sender, chunk.header).to_bytes()
        known = said + chunk.header_signature
        if known in self._known:
            return
        try:
            self._signatures.require(sender, said, chunk.header_signature)
        except Untrusted:
            kind = type(chunk.header).__name__
            raise PeerViolation(sender, f"did not sign this {kind}") from None
        self._known[known] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
