"""Shares and answers are sealed when they are sent, and opened before a machine sees them."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from protocols.errors import PeerViolation
from protocols.messages import AnswerChunk, ShareChunk
from protocols.secagg.sealed import binding_of
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxKey, SealingKey

from .ports import Offload, Sealing

Chunk = TypeVar("Chunk", ShareChunk, AnswerChunk)


class Seals:
    """Seals and opens in the name of one actor of one federation."""

    def __init__(self, name: str, federation: str, sealing: Sealing, offload: Offload) -> None:
        self._name = name
        self._federation = federation
        self._sealing = sealing
        self._offload = offload

    async def sealed(self, chunk: Chunk, to: str, key: SealingKey) -> Chunk:
        """Return a chunk as it travels; away from the event loop, as it takes its time."""
        info = binding_of(self._federation, self._name, to, chunk)
        box = await self._offload.run(self._sealing.seal, key, info, chunk.payload)
        return replace(chunk, payload=box)

    def opened(self, sender: str, chunk: Chunk, key: BoxKey) -> Chunk:
        """Return a chunk as it was before it was sealed.

        Raises `PeerViolation` where its box does not open with this key as what it claims to be.
        """
        info = binding_of(self._federation, sender, self._name, chunk)
        try:
            return replace(chunk, payload=self._sealing.open(key, info, chunk.payload))
        except Untrusted as error:
            raise PeerViolation(sender, str(error)) from None
