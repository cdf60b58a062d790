"""Writing a blob to the model stream, and finding out where in it that was."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable

import msgspec

from actors.ports import Lane, PortError
from protocols.pieces import Pieces

from .link import RabbitLink
from .publication import MARK, TAG_BYTES, ChunkHead, Publication, cut
from .stream_reading import reading
from .topology import MODEL_INDEX, MODEL_STREAM

_OLDEST, _NEXT = "first", "next"
# Retention drops whole segments: the first attempt may lie across the end of one.
_ATTEMPTS = 2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 5.0


class StreamTooSmall(PortError):
    """The stream drops the beginning of a blob before its end is written."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"{MODEL_STREAM} does not hold a model state of {size_bytes} bytes: it drops the first "
            "chunks before the last are written; provision it for larger model states"
        )
        self.size_bytes = size_bytes


class ModelWriter:
    """Publishes one blob at a time; `stream_free` is held while the stream is looked at."""

    def __init__(
        self,
        name: str,
        link: RabbitLink,
        stream_free: asyncio.Lock,
        *,
        chunk_bytes: int,
        window: int,
    ) -> None:
        self._stream_key = f"{name}.{MODEL_STREAM}"
        self._index_key = f"{name}.{MODEL_INDEX}"
        self._link = link
        self._stream_free = stream_free
        self._chunk_bytes = chunk_bytes
        self._window = window

    async def write(self, digest: bytes, blob: Pieces) -> Publication:
        """Write chunks and index entry; return once the broker has confirmed all.

        Raises `StreamTooSmall`, and what the link raises.
        """
        for _ in range(_ATTEMPTS):
            publication = await self._write_chunks(digest, blob)
            if await self._oldest() <= publication.begin:
                await self._link.publish(self._index_key, publication.to_bytes(), lane=Lane.BULK)
                return publication
        raise StreamTooSmall(len(blob))

    async def holds(self, publication: Publication) -> bool:
        """Return whether the stream still has all of a publication.

        A stream that was made anew is shorter than the publication's place in it. It is not
        asked for that place, as it would answer only once it is as long.
        """
        newest = await self._mark(f"{publication.tag.hex()} look")
        return await self._oldest() <= publication.begin and publication.end < newest

    async def _write_chunks(self, digest: bytes, blob: Pieces) -> Publication:
        tag = secrets.token_bytes(TAG_BYTES)
        begin = await self._mark(f"{tag.hex()} begin")
        draft = Publication(
            digest=digest,
            size=len(blob),
            chunk_bytes=self._chunk_bytes,
            begin=begin,
            end=begin,
            tag=tag,
        )
        await self._send(cut(draft, blob))
        return msgspec.structs.replace(draft, end=await self._mark(f"{tag.hex()} end"))

    async def _oldest(self) -> int:
        async with (
            self._stream_free,
            reading(self._link, MODEL_STREAM, start=lambda _: _OLDEST, prefetch=1) as arrivals,
        ):
            while True:
                arrived = await arrivals.next()
                if arrived is not None:
                    return arrived.offset

    async def _mark(self, text: str) -> int:
        """Put a mark into the stream and return its offset, which only a reader is told.

        It is put again until it is seen: the reader may have been attached too late for the
        first one. Any of them lies where it should, after all that was confirmed before.
        """
        pause_s = _FIRST_PAUSE_S
        async with (
            self._stream_free,
            reading(self._link, MODEL_STREAM, start=lambda _: _NEXT, prefetch=1) as arrivals,
        ):
            while True:
                await self._link.publish(
                    self._stream_key, b"", lane=Lane.BULK, headers={MARK: text}
                )
                try:
                    async with asyncio.timeout(pause_s):
                        while True:
                            arrived = await arrivals.next()
                            if arrived is None:
                                continue
                            if arrived.message.headers.get(MARK) == text:
                                return arrived.offset
                            await arrived.message.ack()
                except TimeoutError:
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _send(self, chunks: Iterable[tuple[ChunkHead, bytes]]) -> None:
        """Publish the chunks with a few under way at a time."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            for head, chunk in chunks:
                if len(under_way) >= self._window:
                    under_way = await _some_done(under_way)
                under_way.add(asyncio.create_task(self._send_one(head, chunk)))
            while under_way:
                under_way = await _some_done(under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _send_one(self, head: ChunkHead, chunk: bytes) -> None:
        await self._link.publish(self._stream_key, chunk, lane=Lane.BULK, headers=head.to_headers())


async def _some_done(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for one publish or more; raise what it raised, return those that go on."""
    done, rest = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return rest
