"""The `Journal` of a simulated host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from actors.ports import StorageFailed

from .disk import Disk
from .faults import Point
from .hosts import Life
from .stage import Stage
from .watch import Watch

_MAX_VALUE_BYTES = 16 << 20


class SimJournal:
    """Commits are atomic: a crash in the midst of one leaves all of it or none."""

    def __init__(self, life: Life, disk: Disk, stage: Stage, watch: Watch) -> None:
        if disk.user is not None and disk.user.alive:
            raise StorageFailed(f"the journal of {life.host} is open already: close it first")
        disk.user = life
        self._life = life
        self._disk = disk
        self._stage = stage
        self._watch = watch
        self._open = True

    async def commit(self, writes: Sequence[tuple[str, bytes | None]]) -> None:
        """Write all keys at once."""
        self._require_open()
        kept = tuple(writes)
        for key, value in kept:
            if value is not None and len(value) > _MAX_VALUE_BYTES:
                raise StorageFailed(f"the value of {key!r} is {len(value)} bytes long")
        if self._stage.awaits(self._life.host):
            await self._passed(Point.BEFORE_COMMIT, kept)
        await asyncio.sleep(self._disk.latency_s)
        self._require_open()
        if self._disk.full:
            raise StorageFailed(f"the disk of {self._life.host} is full")
        self._apply(kept)
        if self._stage.awaits(self._life.host):
            await self._passed(Point.AFTER_COMMIT, kept)

    def _apply(self, writes: tuple[tuple[str, bytes | None], ...]) -> None:
        records = self._disk.records
        for key, value in writes:
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value
        self._watch.committed(self._life.host, writes)

    async def _passed(self, point: Point, writes: tuple[tuple[str, bytes | None], ...]) -> None:
        for key, value in writes:
            if value is not None:
                await self._stage.passed(self._life, point, record_kind(key))

    async def load(self) -> dict[str, bytes]:
        """Return everything, sorted by key."""
        self._require_open()
        await asyncio.sleep(self._disk.latency_s)
        self._require_open()
        if self._disk.damaged:
            raise StorageFailed(f"the journal of {self._life.host} is damaged")
        return dict(sorted(self._disk.records.items()))

    async def close(self) -> None:
        """Let the next life open it."""
        self._open = False
        if self._disk.user is self._life:
            self._disk.user = None

    def _require_open(self) -> None:
        if not self._open:
            raise StorageFailed("the journal is closed: open it again")


def record_kind(key: str) -> str:
    """Return what a key of any actor's journal is about: `vote` of `round/<cid>/vote`."""
    parts = key.split("/")
    if parts[0] == "bulk":
        return parts[0]
    return parts[2] if len(parts) > 2 else parts[0]
