"""Model states on their way to the trainers, over two streams: one writes, all read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.ports import PortError
from infra.shared_fetches import SharedFetches
from infra.system import ThreadOffload
from protocols.pieces import Pieces

from .link import RabbitLink
from .model_download import Download, Source
from .model_index import ModelIndex
from .model_writing import ModelWriter
from .partial_blob import keep_only, kept_blob
from .publication import DIGEST_BYTES, MAX_BLOB_BYTES, MAX_CHUNK_BYTES, Publication
from .stream_reading import WarnOnce


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFlow:
    """How a blob travels: bytes of a chunk, chunks under way to and from the broker.

    A process holds about twice `prefetch` chunks besides the blob itself.
    """

    chunk_bytes: int = 2**19
    window: int = 8
    prefetch: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_bytes <= MAX_CHUNK_BYTES:
            raise ValueError(
                f"chunk_bytes is {self.chunk_bytes}: it must be from 1 to {MAX_CHUNK_BYTES}"
            )
        if self.window < 1 or self.prefetch < 1:
            raise ValueError(f"window and prefetch must be at least 1: {self}")


class BlobTooLarge(PortError):
    """A blob above what any reader accepts."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"a model state of {size_bytes} bytes is above the limit of {MAX_BLOB_BYTES}"
        )
        self.size_bytes = size_bytes


class RabbitBlobs:
    """The `Blobs` of one actor on RabbitMQ.

    A blob is cut into chunks on `model.stream`; an entry on `model.index` then says where they
    lie, so that a late joiner reads what it needs and nothing else. `folder` holds what was
    fetched: an interrupted download goes on after a restart, and the newest blob stays there.
    Close it before the link.
    """

    def __init__(
        self, name: str, link: RabbitLink, folder: Path, *, flow: BlobFlow | None = None
    ) -> None:
        flow = flow or BlobFlow()
        warn = WarnOnce(name)
        stream_free = asyncio.Lock()
        self._disk = ThreadOffload(workers=1, name=f"{name} blobs")
        self._source = Source(
            link=link,
            index=ModelIndex(link, warn),
            folder=folder,
            disk=self._disk,
            warn=warn,
            stream_free=stream_free,
            prefetch=flow.prefetch,
        )
        self._writer = ModelWriter(
            name, link, stream_free, chunk_bytes=flow.chunk_bytes, window=flow.window
        )
        self._writing = asyncio.Lock()
        self._published: Publication | None = None
        self._fetches = SharedFetches(name, self._obtain)

    async def publish(self, data: Pieces) -> bytes:
        """Make `data` available to all; return its SHA-256 once the broker has all of it.

        The blob that this object published last is sent again only where the stream has lost
        it. Raises `BlobTooLarge`, `StreamTooSmall`, and what the link's `publish` raises.
        """
        if len(data) > MAX_BLOB_BYTES:
            raise BlobTooLarge(len(data))
        digest = await self._disk.run(data.sha256)
        async with self._writing:
            if not await self._is_current(digest):
                self._published = None
                self._published = await self._writer.write(digest, data)
        return digest

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes with this SHA-256; wait until they are published.

        Fetches of one digest at the same time share one download and its bytes. It ends when
        the last of them is cancelled, and what has come by then stays on disk. Raises
        `StorageFailed`, and `LinkLost` once closed.
        """
        if len(digest) != DIGEST_BYTES:
            raise PortError(f"a blob's digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        return await self._fetches.fetch(digest)

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Let go of what this object published but `digests`: it would be sent in full again.

        The broker is not asked: a stream forgets by size, oldest first, and never by name. What
        was published stays readable for as long as its retention keeps it.
        """
        if self._published is not None and self._published.digest not in digests:
            self._published = None

    async def close(self) -> None:
        """End every fetch with `LinkLost` and the disk's thread; again is fine."""
        await self._fetches.close()
        await self._source.index.close()
        await self._disk.close()

    # --- publishing -------------------------------------------------------------------

    async def _is_current(self, digest: bytes) -> bool:
        published = self._published
        if published is None or published.digest != digest:
            return False
        return await self._writer.holds(published)

    # --- fetching ---------------------------------------------------------------------

    async def _obtain(self, digest: bytes) -> bytes:
        source = self._source
        blob = await source.on_disk(kept_blob, source.folder, digest)
        if blob is None:
            blob = await Download(digest, source).run()
            await source.on_disk(keep_only, source.folder, self._fetches.wanted)
        return blob
