"""One blob on its way from the model stream to the disk, for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from actors.ports import StorageFailed
from infra.system import ThreadOffload

from .link import RabbitLink
from .model_index import ModelIndex
from .partial_blob import PartialBlob
from .publication import MARK, ChunkHead, Malformed, Publication
from .stream_reading import Arrivals, Arrived, WarnOnce, reading
from .topology import MODEL_STREAM

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Source:
    """What the downloads of one actor share.

    `stream_free` is held by whoever reads the model stream: a link has one consumer for a queue.
    """

    link: RabbitLink
    index: ModelIndex
    folder: Path
    disk: ThreadOffload
    warn: WarnOnce
    stream_free: asyncio.Lock
    prefetch: int

    async def on_disk(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)` from the disk's thread. Raises `StorageFailed` for `OSError`."""
        try:
            return await self.disk.run_to_end(partial(work, *args, **kwargs))
        except OSError as error:
            raise StorageFailed(
                f"keeping a model state in {self.folder} failed ({error.strerror or error}): "
                "check the disk's space, health and permissions"
            ) from error


class Download:
    """Tries one publication of a blob after the other until its bytes are there and right.

    A publication is given up when its end is reached with chunks missing (the stream's
    retention dropped them), when the index no longer knows it, or when the digest is wrong.
    """

    def __init__(self, digest: bytes, source: Source) -> None:
        self._digest = digest
        self._source = source
        self._newest: Publication | None = None
        self._spent: Publication | None = None  # of no use any more
        self._news = asyncio.Event()
        self._arrivals: Arrivals | None = None

    async def run(self) -> bytes:
        """Return the blob. Raises `StorageFailed` where the disk does."""
        with self._source.index.listening(self._digest, self._told):
            while True:
                publication = await self._next()
                blob = await self._attempt(publication)
                if blob is not None:
                    return blob

    def _told(self, publication: Publication | None) -> None:
        self._newest = publication
        self._news.set()
        if self._arrivals is not None:
            self._arrivals.nudge()

    async def _next(self) -> Publication:
        while True:
            self._news.clear()
            newest, spent = self._newest, self._spent
            if newest is not None and (spent is None or newest.tag != spent.tag):
                return newest
            await self._news.wait()

    async def _attempt(self, publication: Publication) -> bytes | None:
        source = self._source
        part = await source.on_disk(PartialBlob, source.folder, publication)
        if part.missing and not await self._complete(publication, part):
            return None
        blob = await source.on_disk(part.finished)
        if blob is None:
            self._complain(f"has other bytes than its digest {self._digest.hex()[:8]} says")
            if not part.resumed:
                # What an earlier process left may be to blame: then once more from the start.
                self._spent = publication
        return blob

    async def _complete(self, publication: Publication, part: PartialBlob) -> bool:
        """Read what is missing; False if this publication does not have it."""
        source = self._source
        async with (
            source.stream_free,
            reading(
                source.link,
                MODEL_STREAM,
                start=lambda _: part.resume_at(publication),
                prefetch=source.prefetch,
            ) as arrivals,
        ):
            self._arrivals = arrivals
            try:
                while part.missing:
                    arrived = await arrivals.next()
                    if arrived is None:
                        if self._outdated(publication, arrivals):
                            return False
                    elif arrived.offset >= publication.end:
                        self._complain(f"lacks {part.missing} of its {publication.count} chunks")
                        self._spent = publication
                        return False
                    else:
                        await self._take(publication, part, arrived)
            finally:
                self._arrivals = None
        return True

    def _outdated(self, publication: Publication, arrivals: Arrivals) -> bool:
        """Return whether to leave a publication for a newer one, or for none.

        One that lies further on in the same stream can wait, and would have the same chunks
        sent again. After a loss of the connection the stream may be another one.
        """
        newest = self._newest
        if newest is None:
            return True
        other = newest.tag != publication.tag
        return other and (newest.begin < publication.end or arrivals.attachment > 1)

    async def _take(self, publication: Publication, part: PartialBlob, arrived: Arrived) -> None:
        head = self._head(publication, arrived)
        if head is not None and not part.has(head.index):
            await self._source.on_disk(
                part.add, publication, arrived.offset, head.index, arrived.message.body
            )
        part.passed(publication, arrived.offset)
        await arrived.message.ack()

    def _head(self, publication: Publication, arrived: Arrived) -> ChunkHead | None:
        """Return the head of a chunk of this blob, None for anything else."""
        message = arrived.message
        if MARK in message.headers:
            return None
        try:
            head = ChunkHead.from_headers(message.headers)
        except Malformed as error:
            self._source.warn("chunk", f"passed over on {MODEL_STREAM}: {error}")
            return None
        if head.digest != self._digest.hex():
            return None
        if not head.belongs_to(publication):
            self._source.warn(
                "cut", f"passed over on {MODEL_STREAM}: a chunk that is cut otherwise"
            )
            return None
        if len(message.body) != publication.length(head.index):
            self._source.warn("length", f"passed over on {MODEL_STREAM}: a chunk of a wrong length")
            return None
        return head

    def _complain(self, what: str) -> None:
        log.warning("a model state on %s %s; waiting for another", MODEL_STREAM, what)
