"""The index of the model stream: which blob was published where, newest first to be found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .backoff import Backoff
from .link import Incoming, RabbitLink
from .publication import Malformed, Publication
from .stream_reading import WarnOnce, reading
from .topology import MODEL_INDEX

log = logging.getLogger(__name__)

TAIL = 64  # newest entries that are read and known; the model stream keeps about three models

_PREFETCH = 16
_NEWEST = "last"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

Told = Callable[[Publication | None], None]


class ModelIndex:
    """Follows the index from the first time that somebody listens.

    It begins at the newest entry and steps back from there, so a late joiner reads a tail and
    not the history of the job. After each loss of the connection it does so again: no offset
    is carried over, for one that lies beyond the end of a stream that was made anew would
    bring nothing, without any error.
    """

    def __init__(self, link: RabbitLink, warn: WarnOnce) -> None:
        self._link = link
        self._warn = warn
        self._known: dict[bytes, Publication] = {}
        self._listeners: dict[bytes, Told] = {}
        self._following: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, digest: bytes, told: Told) -> Iterator[None]:
        """Tell what the newest publication of a blob is, None for none that is known.

        Told now and whenever there is something new, so the same may come again. One listener
        for each digest.
        """
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        self._listeners[digest] = told
        self._tell(digest)
        try:
            yield
        finally:
            del self._listeners[digest]

    async def close(self) -> None:
        """Follow no longer; again is fine."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    async def _follow(self) -> None:
        pause = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            try:
                newest = await self._find_newest()
                await self._read_on(max(0, newest - TAIL + 1), newest)
                pause.reset()
            except Exception:
                # Every fetch waits for what is read here, and nobody waits for this task.
                log.exception("following %s failed unexpectedly; it begins again", MODEL_INDEX)
                await asyncio.sleep(pause.next_s())

    async def _find_newest(self) -> int:
        """Return the offset of an entry that is among the newest few."""
        async with reading(
            self._link, MODEL_INDEX, start=lambda _: _NEWEST, prefetch=1
        ) as arrivals:
            while True:
                arrived = await arrivals.next()
                if arrived is not None:
                    return arrived.offset

    async def _read_on(self, start: int, newest: int) -> None:
        """Learn all entries from an offset on, until the stream may be another one.

        Nobody is told before the tail has been read, or an older publication might pass for
        the newest.
        """
        known: dict[bytes, Publication] = {}
        async with reading(
            self._link,
            MODEL_INDEX,
            start=lambda attachment: start if attachment == 1 else _NEWEST,
            prefetch=_PREFETCH,
        ) as arrivals:
            while True:
                arrived = await arrivals.next()
                if arrived is None:
                    continue
                if arrived.attachment > 1:
                    return
                self._learn(known, arrived.message)
                if arrived.offset >= newest:
                    self._known = known
                    for digest in tuple(self._listeners):
                        self._tell(digest)
                await arrived.message.ack()

    def _learn(self, known: dict[bytes, Publication], message: Incoming) -> None:
        try:
            publication = Publication.from_bytes(message.body)
        except Malformed as error:
            self._warn("entry", f"passed over on {MODEL_INDEX}: {error}")
            return
        known.pop(publication.digest, None)
        known[publication.digest] = publication
        if len(known) > TAIL:
            del known[next(iter(known))]

    def _tell(self, digest: bytes) -> None:
        self._listeners[digest](self._known.get(digest))
