"""Model states over the broker's stream and over HTTPS at once, for a federation with both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actors.ports import Blobs
from protocols.pieces import Pieces


class BothWays:
    """Publishes everywhere, fetches by the first way; who reads may choose either."""

    def __init__(self, first: Blobs, second: Blobs) -> None:
        self._first = first
        self._second = second

    async def publish(self, data: Pieces) -> bytes:
        """Return the SHA-256 of `data` once both ways have it. Raises what they raise."""
        digest = await self._first.publish(data)
        await self._second.publish(data)
        return digest

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes with this SHA-256; wait until the first way has them."""
        return await self._first.fetch(digest)

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Let both forget everything that was published but `digests`."""
        await asyncio.gather(self._first.retain(digests), self._second.retain(digests))
