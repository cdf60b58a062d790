"""One blob on its way from one address or several, for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from actors.ports import StorageFailed
from infra.rabbitmq.backoff import Backoff
from infra.system import ThreadOffload

from .attempt import Attempt, PullFailed, Terms
from .places import BaseUrl
from .pulled_folder import PulledFolder
from .traffic import BlobTraffic, Pulled

log = logging.getLogger(__name__)

_LONGEST_HINT_S = 60.0

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Disk:
    """The folder of what was pulled, and the thread that works there."""

    folder: PulledFolder
    threads: ThreadOffload

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)` from the disk's thread. Raises `StorageFailed` for `OSError`."""
        try:
            return await self.threads.run_to_end(partial(work, *args, **kwargs))
        except OSError as error:
            raise StorageFailed(
                f"keeping a model state failed ({error.filename}: {error.strerror or error}): "
                "check the disk's space, health and permissions"
            ) from error


@dataclass(frozen=True, slots=True)
class Source:
    """What the pulls of one actor share; `network` are threads that may hang for a while."""

    urls: Sequence[BaseUrl]
    terms: Terms
    network: ThreadOffload
    disk: Disk
    traffic: BlobTraffic


class Pull:
    """Asks the addresses in turn, each for what is still missing, until the bytes are right.

    If they are wrong and came from several addresses, nobody knows who lied: from then on each
    address has a beginning of its own. One that gave wrong bytes alone is asked again only when
    all others have, too.
    """

    def __init__(self, digest: bytes, source: Source, backoff: Backoff) -> None:
        self._digest = digest
        self._source = source
        self._backoff = backoff
        self._apart = False
        self._wrong: set[BaseUrl] = set()
        self._hint_s = 0.0
        self._told: set[tuple[BaseUrl, str]] = set()

    async def run(self) -> bytes:
        """Return the blob. Raises `StorageFailed` where the disk does."""
        disk = self._source.disk
        await disk.run(disk.folder.forget_single, self._digest)
        while True:
            self._hint_s = 0.0
            for base in self._trusted():
                blob = await self._from(base)
                if blob is not None:
                    return blob
            await asyncio.sleep(self._hint_s + self._backoff.next_s())

    def _trusted(self) -> list[BaseUrl]:
        urls = self._source.urls
        if self._wrong.issuperset(urls):
            self._wrong.clear()
        return [base for base in urls if base not in self._wrong]

    async def _from(self, base: BaseUrl) -> bytes | None:
        """Return the blob if an address completes it."""
        disk, digest = self._source.disk, self._digest
        only = self._source.urls.index(base) if self._apart else None
        part = await disk.run(disk.folder.part, digest, only)
        received = await self._attempted(base, part)
        if received is None:
            return None
        blob = await disk.run(disk.folder.finished, part, digest)
        self._source.traffic.ended(Pulled.FALSE if blob is None else Pulled.WHOLE, received)
        if blob is None:
            self._blame(base)
        return blob

    async def _attempted(self, base: BaseUrl, part: Path) -> int | None:
        """Return how many bytes came if they may be all that was missing."""
        source = self._source
        attempt = Attempt(base, self._digest, part, source.terms)
        try:
            await source.network.run(attempt.run)
        except PullFailed as failed:
            if attempt.received:
                self._backoff.reset()
            ending = Pulled.ABSENT if failed.absent else Pulled.FAILED
            source.traffic.ended(ending, attempt.received)
            self._note(base, failed)
            return None
        finally:
            attempt.cancel()
        return attempt.received

    def _blame(self, base: BaseUrl) -> None:
        if self._apart:
            self._wrong.add(base)
        self._apart = True
        self._warn(base, "the bytes that came do not have the digest that was asked for")

    def _note(self, base: BaseUrl, failed: PullFailed) -> None:
        self._hint_s = max(self._hint_s, min(failed.retry_s, _LONGEST_HINT_S))
        if failed.absent:
            log.debug("%s: %s", base, failed)
        else:
            self._warn(base, str(failed))

    def _warn(self, base: BaseUrl, reason: str) -> None:
        """Say it once for each blob; it may go on for hours."""
        if (base, reason) not in self._told:
            self._told.add((base, reason))
            log.warning("a model state from %s: %s; trying on", base, reason)
