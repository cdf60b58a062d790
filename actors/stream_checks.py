"""Streams that are hashed and looked through while their chunks come in."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from protocols.codec import Undecodable
from protocols.effects import CheckStream, StoreChunk
from protocols.errors import Misuse
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import (
    bulk_chunk_count,
    chunk_count,
    is_bulk,
    is_share,
    share_chunk_count,
    without_salt,
)
from protocols.secagg.seeds import is_seed
from protocols.secagg.suites import SUITES
from protocols.secagg.tails import hashed, holds_residues

from .ports import Offload, Spool, StorageFailed
from .together import together

log = logging.getLogger(__name__)

_AT_ONCE = 8  # chunks between two turns of the thread's other work


@dataclass(slots=True, eq=False)
class _Course:
    """How far a stream was looked through: up to `next`, and which chunks beyond are stored."""

    bulk: bool
    share: bool
    next: int = 0
    ok: bool = True
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    tail: hashlib._Hash = field(default_factory=hashlib.sha256)
    ahead: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, stream: str) -> Self:
        """Return the beginning of a stream's."""
        return cls(is_bulk(stream), is_share(stream))

    def turn(self) -> list[int]:
        """Return the chunks whose turn it is, a few at a time, and count them as taken."""
        found: list[int] = []
        while len(found) < _AT_ONCE and (index := self.next + len(found)) in self.ahead:
            self.ahead.remove(index)
            found.append(index)
        return found

    def take(self, config: RoundConfig, chunks: Iterable[bytes]) -> None:
        """Take in the chunks from `next` on."""
        for chunk in chunks:
            number = self.next - chunk_count(config)
            whole, tail = chunk, b""
            if not self.bulk and number >= 0:
                whole, tail = hashed(config, number, chunk)
            self.digest.update(whole)
            self.tail.update(tail)
            self.ok = self.ok and self._holds_residues(config, number, chunk)
            self.next += 1

    def count(self, effect: CheckStream) -> int:
        """Return how many chunks there are to be looked through."""
        if self.bulk:
            return bulk_chunk_count(effect.config)
        return share_chunk_count(effect.config) if effect.masks else chunk_count(effect.config)

    def found(self, effect: CheckStream) -> bool:
        """Return whether what was taken in is what the effect expects."""
        right = self.digest.digest() == effect.digest
        return self.ok and right and (not effect.tail or self.tail.digest() == effect.tail)

    def _holds_residues(self, config: RoundConfig, number: int, chunk: bytes) -> bool:
        """Say so of the next chunk; from 0 on `number` counts those of a share's tail."""
        if not self.bulk and number >= 0:
            return holds_residues(config, number, chunk)
        try:
            self._add(config, chunk)
        except Undecodable:
            return False
        return True

    def _add(self, config: RoundConfig, chunk: bytes) -> None:
        suite = SUITES[config.suite]
        if not self.bulk:
            part = without_salt(config, self.next, chunk) if self.share else chunk
            size = suite.payload_bytes(config, self.next)
            if not (self.share and is_seed(config, part, size)):  # any seed will do
                suite.add(config, None, part)
        elif suite.bulk is None:
            raise Misuse(f"the suite {config.suite} has no bulk to be checked")
        else:
            suite.bulk.add(config, self.next, None, chunk)


class StreamChecks:
    """The check of each stream, begun with its first chunk and ended by `matches`.

    A chunk that comes in its turn is taken from the message, which is in memory anyway. What
    came before its turn, or before a restart, is read from the spool. No chunk is kept here.
    """

    def __init__(self, spool: Spool, offload: Offload) -> None:
        self._spool = spool
        self._offload = offload
        self._courses: dict[str, _Course] = {}

    async def take(self, chunks: Iterable[StoreChunk]) -> None:
        """Look through what has just come, as far as it is the turn of each chunk.

        What came with earlier calls must be in the spool by now. Of that at most 15 chunks of a
        stream are read again: what comes in a bad order holds up nobody for long.
        """
        coming: dict[str, dict[int, StoreChunk]] = {}
        for chunk in chunks:
            coming.setdefault(chunk.stream, {})[chunk.index] = chunk
        await together(self._go_on(stream, some) for stream, some in coming.items())

    def known(self, effect: CheckStream) -> bool | None:
        """Return what `matches` would, where all has been looked through; else None."""
        course = self._courses.get(effect.stream)
        if course is None or course.next < course.count(effect):
            return None
        del self._courses[effect.stream]
        return course.found(effect)

    async def matches(self, effect: CheckStream) -> bool:
        """Return whether a whole stream has its digests and holds residues only.

        It is in the spool by now. Raises `StorageFailed`.
        """
        course = self._courses.pop(effect.stream, None) or _Course.of(effect.stream)
        config, count = effect.config, course.count(effect)
        while course.next < count:
            wanted = range(course.next, min(count, course.next + _AT_ONCE))
            chunks = await together(self._spool.get(effect.stream, i) for i in wanted)
            await self._offload.run(course.take, config, chunks)
        return course.found(effect)

    def forget(self, prefix: str) -> None:
        """Give up the stream of this name and all below it: they are about to be erased."""
        for stream in [s for s in self._courses if s == prefix or s.startswith(prefix + "/")]:
            del self._courses[stream]

    async def _go_on(self, stream: str, coming: Mapping[int, StoreChunk]) -> None:
        if 0 in coming:
            self._courses[stream] = _Course.of(stream)
        course = self._courses.get(stream)
        if course is None:
            return  # begun before a restart
        config = next(iter(coming.values())).config
        course.ahead.update(index for index in coming if index >= course.next)
        again = 0
        try:
            while again < _AT_ONCE and (turn := course.turn()):
                chunks = [await self._chunk(stream, index, coming) for index in turn]
                await self._offload.run(course.take, config, chunks)
                again += sum(index not in coming for index in turn)
        except StorageFailed:
            log.warning("%s: a chunk can't be read; the check reads all again", stream)
            self.forget(stream)

    async def _chunk(self, stream: str, index: int, coming: Mapping[int, StoreChunk]) -> bytes:
        known = coming.get(index)
        return await self._spool.get(stream, index) if known is None else known.payload
