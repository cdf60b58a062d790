"""Public states of a simulated federation, with a way to each host that takes its time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actors.ports import PortError
from protocols.pieces import Pieces

from .draws import exponential
from .stage import Stage

_FETCH_S = 0.01
_DIGEST_BYTES = 32


class BlobShelf:
    """What was published; `slow_s` is added to every fetch on average."""

    def __init__(self, stage: Stage) -> None:
        self.slow_s = 0.0
        self.stage = stage
        self.published: dict[str, dict[bytes, bytes]] = {}
        self.fetches = 0
        self.news = asyncio.Event()

    def find(self, digest: bytes) -> bytes | None:
        """Return a blob that anybody keeps."""
        for kept in self.published.values():
            if digest in kept:
                return kept[digest]
        return None


class SimBlobs:
    """The blobs as one host sees them; what it published outlives its lives."""

    def __init__(self, host: str, shelf: BlobShelf) -> None:
        self._host = host
        self._shelf = shelf

    async def publish(self, data: Pieces) -> bytes:
        """Make `data` available to all."""
        digest = data.sha256()
        self._shelf.published.setdefault(self._host, {})[digest] = bytes(data)
        self._shelf.news.set()
        await asyncio.sleep(0)
        return digest

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes; wait until they are published."""
        if len(digest) != _DIGEST_BYTES:
            raise PortError(f"a blob's digest has {_DIGEST_BYTES} bytes, not {len(digest)}")
        shelf = self._shelf
        shelf.fetches += 1
        bits = shelf.stage.draw(f"fetch {self._host}", shelf.fetches)
        await asyncio.sleep((_FETCH_S + shelf.slow_s) * exponential(bits, 0))
        while (found := shelf.find(digest)) is None:
            shelf.news.clear()
            await shelf.news.wait()
        return found

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Forget everything this host published but `digests`."""
        kept = self._shelf.published.get(self._host, {})
        self._shelf.published[self._host] = {d: kept[d] for d in kept if d in digests}
