"""The `Blobs` of an actor that pulls model states over HTTPS, or serves what others pull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.ports import LinkLost, PortError
from infra.rabbitmq.backoff import Backoff
from infra.shared_fetches import SharedFetches
from infra.system import ThreadOffload
from protocols.pieces import Pieces

from .attempt import Terms
from .places import Pulling
from .pull import Disk, Pull, Source
from .pulled_folder import PulledFolder
from .served_folder import ServedFolder
from .traffic import BlobTraffic

_DIGEST_BYTES = 32
_NETWORK_THREADS = 4  # one pulls; others may still hang on what was cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPolicy:
    """How large a blob may be, and how patient a pull is.

    Seconds for a connection and its greeting; without a byte, or for 256 KiB; and between rounds
    over all addresses, at random up to a limit that doubles from the first to the longest.
    """

    limit_bytes: int
    connect_s: float = 10.0
    piece_s: float = 30.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 15.0


class PullBlobs:
    """Fetches from the addresses, the first one first; publishes into the served folder.

    `folder` holds what was fetched: an interrupted download goes on after a restart, and the
    newest blob stays there. A process holds one copy of a blob, and a MiB or two besides.

    Attributes:
        traffic: what was pulled so far.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        pulling: Pulling,
        policy: PullPolicy,
        *,
        served: ServedFolder | None = None,
    ) -> None:
        terms = Terms(
            limit_bytes=policy.limit_bytes,
            token=pulling.token,
            tls=pulling.tls,
            connect_s=policy.connect_s,
            piece_s=policy.piece_s,
        )
        disk = Disk(PulledFolder(folder), ThreadOffload(workers=1, name=f"{name} blobs"))
        network = ThreadOffload(workers=_NETWORK_THREADS, name=f"{name} pulls")
        self._name = name
        self._policy = policy
        self.traffic = BlobTraffic()
        self._source = Source(pulling.urls, terms, network, disk, self.traffic)
        self._served = served
        self._fetches = SharedFetches(name, self._obtain)
        self._closed = False

    async def publish(self, data: Pieces) -> bytes:
        """Return the SHA-256 of `data` once it is durable in the served folder.

        Raises `StorageFailed`, and `PortError` where nothing is served.
        """
        return await self._source.disk.run(self._publisher().keep, data)

    async def fetch(self, digest: bytes) -> bytes:
        """Return the bytes with this SHA-256; wait until an address has them.

        Fetches of one digest at the same time share one download and its bytes. It ends when
        the last of them is cancelled, and what has come by then stays on disk. Raises
        `StorageFailed`, and `LinkLost` once closed.
        """
        if len(digest) != _DIGEST_BYTES:
            raise PortError(f"a blob's digest has {_DIGEST_BYTES} bytes, not {len(digest)}")
        return await self._fetches.fetch(digest)

    async def retain(self, digests: Sequence[bytes]) -> None:
        """Delete from the served folder all but `digests`; who is reading one reads on.

        Raises `StorageFailed`, and `PortError` where nothing is served.
        """
        await self._source.disk.run(self._publisher().retain, digests)

    async def close(self) -> None:
        """End every fetch with `LinkLost`, then the threads; again is fine.

        One that is looking up a name or connecting may take its time for that.
        """
        self._closed = True
        await self._fetches.close()
        await self._source.network.close()
        await self._source.disk.threads.close()

    def _publisher(self) -> ServedFolder:
        if self._closed:
            raise LinkLost(f"the blobs of {self._name!r} are closed")
        if self._served is None:
            raise PortError(f"{self._name!r} only pulls model states: it has no folder to serve")
        return self._served

    async def _obtain(self, digest: bytes) -> bytes:
        source, policy = self._source, self._policy
        disk, folder = source.disk, source.disk.folder
        if self._served is not None:
            own = await disk.run(self._served.read, digest)
            if own is not None:
                return own
        blob = await disk.run(folder.kept, digest)
        if blob is None:
            if not source.urls:
                raise PortError(f"{self._name!r} has no address to pull a model state from")
            backoff = Backoff(policy.first_wait_s, policy.longest_wait_s)
            blob = await Pull(digest, source, backoff).run()
            await disk.run(folder.keep_only, self._fetches.wanted)
        return blob
