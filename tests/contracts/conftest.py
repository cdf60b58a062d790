"""Every adapter of a port, one fixture parameter each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from contracts.homes import (
    FakeJournalHome,
    FakeSpoolHome,
    FileSpoolHome,
    JournalHome,
    MemoryTransportHome,
    SpoolHome,
    SqliteJournalHome,
    TransportHome,
)

from actors.ports import Journal, Spool


@pytest.fixture(params=[MemoryTransportHome])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[TransportHome]:
    home = request.param()
    yield home
    await home.close()


@pytest.fixture(params=["sqlite", "fake"])
async def journal_home(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[JournalHome]:
    home = SqliteJournalHome(tmp_path) if request.param == "sqlite" else FakeJournalHome()
    yield home
    await home.close()


@pytest.fixture
async def journal(journal_home: JournalHome) -> Journal:
    return await journal_home.open()


@pytest.fixture(params=["files", "fake"])
async def spool_home(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SpoolHome]:
    home = FileSpoolHome(tmp_path) if request.param == "files" else FakeSpoolHome()
    yield home
    await home.close()


@pytest.fixture
async def spool(spool_home: SpoolHome) -> Spool:
    return await spool_home.open()
