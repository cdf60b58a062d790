"""What a contract suite needs from an adapter: a place to open and reopen it, and to break it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from brokers import Vhost
from fakes.blob_rig import BlobRig
from fakes.http_rig import TOKEN, policy, pulling
from fakes.ports import FakeJournal, FakeSpool
from fakes.rabbit_rig import RabbitRig

from actors.ports import Blobs, Journal, Spool, StorageFailed, Transport
from infra.file_spool import FileSpool
from infra.http_blobs import BlobServer, PullBlobs, ServedFolder, ServeLimits, Serving
from infra.memory_bus import MemoryBus
from infra.rabbitmq.link import LinkState
from infra.rabbitmq.topology import Sizes
from infra.rabbitmq.transport import RabbitTransport
from infra.sqlite_journal import SqliteJournal


class BlobsHome(Protocol):
    forgets: bool  # whether blobs that nobody retains are gone, or stay until they are the oldest

    async def blobs(self, name: str) -> Blobs:
        """Give one actor its view of the shared blobs."""
        ...

    async def close(self) -> None: ...


class TransportHome(Protocol):
    heals: bool  # whether a link whose connection broke goes on by itself
    forgets: bool  # whether blobs that nobody retains are gone, or stay until they are the oldest

    async def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        """Link a name, provisioned where it is new."""
        ...

    async def cut(self, name: str) -> None:
        """Break the link of a name, as a fault does."""
        ...

    async def blobs(self, name: str) -> Blobs:
        """Give one actor its view of the shared blobs."""
        ...

    async def close(self) -> None: ...


# Room for one message of the largest size in the suite, and for few of the small ones.
SMALL = Sizes(holder_control=(1 << 20) + (1 << 16), bulk=(1 << 20) + (1 << 16))


class JournalHome(Protocol):
    async def open(self) -> Journal: ...

    async def close(self) -> None: ...


class SpoolHome(Protocol):
    async def open(self) -> Spool:
        """Open the same spool, as a new process finds it."""
        ...

    async def close(self) -> None: ...


class MemoryTransportHome:
    heals = False
    forgets = True

    def __init__(self) -> None:
        self._bus = MemoryBus()

    async def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        self._bus.declare(name)
        return self._bus.connect(name, prefetch=prefetch)

    async def cut(self, name: str) -> None:
        self._bus.disconnect(name)

    async def blobs(self, name: str) -> Blobs:
        return self._bus.blobs(name)

    async def close(self) -> None:
        pass


class RabbitTransportHome:
    """Every name is a share-holder in a virtual host of its own, so that it has both lanes."""

    heals = True
    forgets = False

    def __init__(self, vhost: Vhost) -> None:
        self._vhost = vhost
        self._rig = RabbitRig(vhost, SMALL)
        self._transports: dict[str, RabbitTransport] = {}
        self._blobs = BlobRig(self._rig)

    async def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        """Return a new transport, or the one of this name that is healing."""
        link = self._rig.links.get(name)
        if link is None or link.state is LinkState.CLOSED:
            self._transports[name] = await self._rig.transport(name, prefetch=prefetch)
        return self._transports[name]

    async def cut(self, name: str) -> None:
        await self._rig.cut(name)

    async def blobs(self, name: str) -> Blobs:
        return await self._blobs.open(name)

    async def close(self) -> None:
        await self._blobs.close()
        await self._rig.close()
        await self._vhost.delete()


class HttpBlobsHome:
    """Every name serves what it publishes, and pulls from all of them."""

    forgets = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[str, PullBlobs] = {}
        self._served = {
            name: ServedFolder(folder / name / "served") for name in ["ann", "bob", "cat"]
        }
        serving, limits = Serving.parse("127.0.0.1:0", token=TOKEN), ServeLimits(retry_s=0)
        self._servers = [BlobServer(served, serving, limits) for served in self._served.values()]
        for server in self._servers:
            server.start()

    async def blobs(self, name: str) -> Blobs:
        """Open blobs by name: again means the next process of that actor."""
        await self._end(name)
        ways = pulling(*(str(server.url) for server in self._servers), token=TOKEN)
        folder = self._folder / name / "pulled"
        served = self._served[name]
        self._opened[name] = PullBlobs(name, folder, ways, policy(), served=served)
        return self._opened[name]

    async def close(self) -> None:
        for name in tuple(self._opened):
            await self._end(name)
        for server in self._servers:
            server.close()

    async def _end(self, name: str) -> None:
        if name in self._opened:
            await self._opened.pop(name).close()


class SqliteJournalHome:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.db"
        self._opened: list[SqliteJournal] = []

    async def open(self) -> SqliteJournal:
        self._opened.append(await SqliteJournal.open(self._path))
        return self._opened[-1]

    async def close(self) -> None:
        for journal in self._opened:
            await journal.close()


class FakeJournalHome:
    def __init__(self) -> None:
        self._journal: FakeJournal | None = None

    async def open(self) -> FakeJournal:
        if self._journal is None:
            self._journal = FakeJournal()
        elif self._journal.closed:
            self._journal = self._journal.rebooted()
        else:
            raise StorageFailed("the journal is open already: close it first")
        return self._journal

    async def close(self) -> None:
        pass


class FileSpoolHome:
    def __init__(self, folder: Path) -> None:
        self._root = folder / "spool"
        self._opened: list[FileSpool] = []

    async def open(self) -> FileSpool:
        self._opened.append(FileSpool(self._root))
        return self._opened[-1]

    async def close(self) -> None:
        for spool in self._opened:
            await spool.close()


class FakeSpoolHome:
    def __init__(self) -> None:
        self._spool = FakeSpool()

    async def open(self) -> FakeSpool:
        self._spool = self._spool.rebooted()
        return self._spool

    async def close(self) -> None:
        pass
