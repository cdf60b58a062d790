"""Public content-addressed bytes in memory, shared by the actors of one bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256

from actors.ports import Lane, PortError
from infra.memory_queue import Sent
from protocols.pieces import Pieces

DIGEST_BYTES = 32


class BlobsFull(PortError):
    """An actor published more than it may keep."""

    def __init__(self, name: str, limit_bytes: int) -> None:
        super().__init__(
            f"the blobs of {name!r} would take more than {limit_bytes} bytes: retain fewer or "
            "raise BusLimits.blob_bytes"
        )
        self.name = name
        self.limit_bytes = limit_bytes


class BlobStore:
    """What all actors published; a blob lives while one of its publishers keeps it."""

    def __init__(self, limit_bytes: int, observer: Callable[[Sent], None]) -> None:
        self._limit_bytes = limit_bytes
        self._observer = observer
        self._published: dict[str, dict[bytes, bytes]] = {}
        self._waiting: dict[asyncio.Future[bytes], bytes] = {}

    def publish(self, name: str, data: bytes) -> bytes:
        """Keep `data` for `name` and wake those who wait for it."""
        digest = sha256(data).digest()
        kept = self._published.setdefault(name, {})
        if digest not in kept:
            if sum(map(len, kept.values())) + len(data) > self._limit_bytes:
                raise BlobsFull(name, self._limit_bytes)
            kept[digest] = data
        self._observer(Sent(sender=name, recipient="*", lane=Lane.BULK, body=data))
        for waiting, wanted in self._waiting.items():
            if wanted == digest and not waiting.done():
                waiting.set_result(data)
        return digest

    def find(self, digest: bytes) -> bytes | None:
        """Return a blob that anyone keeps."""
        for kept in self._published.values():
            if digest in kept:
                return kept[digest]
        return None

    async def wait_for(self, digest: bytes) -> bytes:
        """Return the blob when it is published; a cancelled wait leaves nothing behind."""
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = digest
        try:
            return await waiting
        finally:
            del self._waiting[waiting]

    def retain(self, name: str, digests: Sequence[bytes]) -> None:
        """Drop everything that `name` published but `digests`."""
        kept = self._published.get(name, {})
        self._published[name] = {digest: data for digest, data in kept.items() if digest in digests}


class MemoryBlobs:
    """The blobs of a bus as one actor sees them."""

    def __init__(self, name: str, store: BlobStore) -> None:
        self._name = name
        self._store = store

    async def publish(self, data: Pieces) -> bytes:
        """Make `data` available to all; return its SHA-256. Raises `BlobsFull`."""
        return self._store.publish(self._name, bytes(data))

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes with this SHA-256; wait until they are published.

        The store computed the digest itself from the bytes that it keeps.
        """
        if len(digest) != DIGEST_BYTES:
            raise PortError(f"a blob's digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        found = self._store.find(digest)
        return found if found is not None else await self._store.wait_for(digest)

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Forget everything this actor published but `digests`."""
        self._store.retain(self._name, digests)
