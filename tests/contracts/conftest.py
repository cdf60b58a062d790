"""Every adapter of a port, one fixture parameter each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from brokers import Vhost
from contracts.homes import (
    BlobsHome,
    FakeJournalHome,
    FakeSpoolHome,
    FileSpoolHome,
    HttpBlobsHome,
    JournalHome,
    MemoryTransportHome,
    RabbitTransportHome,
    SpoolHome,
    SqliteJournalHome,
    TransportHome,
)

from actors.ports import Journal, Spool
from infra.rabbitmq.private_node import PrivateNode


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker)])
def make_network(request: pytest.FixtureRequest) -> Callable[[], Awaitable[TransportHome]]:
    if request.param == "memory":
        return made_in_memory
    return on_a_broker(request.getfixturevalue("broker"))


def on_a_broker(broker: PrivateNode) -> Callable[[], Awaitable[RabbitTransportHome]]:
    async def made() -> RabbitTransportHome:
        vhost = Vhost(broker)
        await vhost.create()
        return RabbitTransportHome(vhost)

    return made


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.broker), "http"])
def make_blobs(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], Awaitable[BlobsHome]]:
    if request.param == "memory":
        return made_in_memory
    if request.param == "rabbitmq":
        return on_a_broker(request.getfixturevalue("broker"))

    async def made_of_servers() -> BlobsHome:
        return HttpBlobsHome(tmp_path)

    return made_of_servers


@pytest.fixture
async def blobs_home(
    make_blobs: Callable[[], Awaitable[BlobsHome]],
) -> AsyncIterator[BlobsHome]:
    home = await make_blobs()
    yield home
    await home.close()


async def made_in_memory() -> MemoryTransportHome:
    return MemoryTransportHome()


@pytest.fixture
async def network(
    make_network: Callable[[], Awaitable[TransportHome]],
) -> AsyncIterator[TransportHome]:
    home = await make_network()
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
