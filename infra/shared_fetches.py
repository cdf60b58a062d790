"""One download for all who ask for the same bytes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from actors.ports import LinkLost


@dataclass(slots=True)
class _Fetch:
    """A fetch under way and how many wait for it."""

    task: asyncio.Task[bytes]
    waiting: int = 0
    given_up: bool = False


class SharedFetches:
    """Calls `obtain` once for a digest; it is cancelled when the last who waits has gone."""

    def __init__(self, name: str, obtain: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._name = name
        self._obtain = obtain
        self._fetches: dict[bytes, _Fetch] = {}
        self._closed = False

    @property
    def wanted(self) -> frozenset[bytes]:
        """The digests that somebody waits for."""
        return frozenset(self._fetches)

    async def fetch(self, digest: bytes) -> bytes:
        """Return what `obtain` does, whose errors pass through. Raises `LinkLost` once closed."""
        fetch = await self._join(digest)
        fetch.waiting += 1
        try:
            await asyncio.wait([fetch.task])
        finally:
            fetch.waiting -= 1
            if not fetch.waiting and not fetch.task.done():
                fetch.given_up = True
                fetch.task.cancel()
        if fetch.task.cancelled():
            raise self._gone()
        return fetch.task.result()

    async def close(self) -> None:
        """End every fetch with `LinkLost`; again is fine."""
        self._closed = True
        tasks = [fetch.task for fetch in self._fetches.values()]
        for task in tasks:
            # A second cancellation would interrupt what the first one has it tidy up.
            if not task.cancelling():
                task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _join(self, digest: bytes) -> _Fetch:
        while (fetch := self._fetches.get(digest)) is not None and fetch.given_up:
            await asyncio.wait([fetch.task])
        if fetch is None:
            if self._closed:
                raise self._gone()
            task = asyncio.create_task(self._run(digest), name=f"{self._name}: fetch of a blob")
            fetch = self._fetches[digest] = _Fetch(task)
            task.add_done_callback(lambda done: self._ended(digest, done))
        return fetch

    async def _run(self, digest: bytes) -> bytes:
        return await self._obtain(digest)

    def _ended(self, digest: bytes, task: asyncio.Task[bytes]) -> None:
        del self._fetches[digest]
        if not task.cancelled():
            task.exception()  # looked at: maybe nobody waits any more

    def _gone(self) -> LinkLost:
        return LinkLost(f"the blobs of {self._name!r} are closed")
