"""What a contract suite needs from an adapter: a place to open and reopen it, and to break it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from fakes.ports import FakeJournal, FakeSpool

from actors.ports import Blobs, Journal, Spool, StorageFailed, Transport
from infra.file_spool import FileSpool
from infra.memory_bus import MemoryBus
from infra.sqlite_journal import SqliteJournal


class TransportHome(Protocol):
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


class JournalHome(Protocol):
    async def open(self) -> Journal: ...

    async def close(self) -> None: ...


class SpoolHome(Protocol):
    async def open(self) -> Spool:
        """Open the same spool, as a new process finds it."""
        ...

    async def close(self) -> None: ...


class MemoryTransportHome:
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
