"""The link that tests cut: what arrives, what does not, and who notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from infra.rabbitmq.cuttable import CuttableLink, Towards
from infra.rabbitmq.ports import free_port

UNHEARD_S = 0.2
DELAY_S = 0.2


class Echo:
    """A server that sends back what it got, and keeps it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.heard = bytearray()
        self.news = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65_536):
                self.heard += chunk
                self.news.set()
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    server = Echo()
    async with await asyncio.start_server(server.serve, "127.0.0.1", server.port):
        yield server


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[CuttableLink]:
    async with CuttableLink(echo.port) as made:
        yield made


class Client:
    """One connection through the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self, question: bytes) -> bytes:
        self.writer.write(question)
        return await self.reader.readexactly(len(question))

    async def hears_nothing(self) -> bool:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.reader.read(1), UNHEARD_S)
        return True


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
async def connect(link: CuttableLink) -> AsyncIterator[Connect]:
    clients: list[Client] = []

    async def connected() -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", link.port))
        clients.append(client)
        await link.connected(len(clients))
        return client

    yield connected
    for client in clients:
        client.writer.transport.abort()


async def test_everything_arrives_in_order(connect: Connect) -> None:
    client = await connect()
    sent = bytes(range(256)) * 40_000

    assert await client.answer(sent) == sent


async def test_a_cut_link_resets_connections_and_refuses_new_ones_until_it_heals(
    link: CuttableLink, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    await link.cut()

    with pytest.raises(ConnectionResetError):
        await client.reader.read(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", link.port)
    await link.heal()
    assert await (await connect()).answer(b"after") == b"after"


async def test_a_reset_ends_the_present_connections_only(
    link: CuttableLink, echo: Echo, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    await link.reset()

    with pytest.raises(ConnectionResetError):
        await client.reader.read(1)
    await echo.gone.wait()
    assert await (await connect()).answer(b"after") == b"after"


async def test_a_clogged_link_keeps_everything_back_and_loses_nothing(
    link: CuttableLink, echo: Echo, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    link.clog()
    client.writer.write(b"late")

    assert await client.hears_nothing()
    assert echo.heard == b"before"
    await link.heal()
    assert await client.reader.readexactly(4) == b"late"


async def test_a_link_that_was_cut_and_reopened_is_still_stalled(
    link: CuttableLink, connect: Connect
) -> None:
    link.stall()
    await link.cut()

    await link.reopen()

    client = await connect()
    client.writer.write(b"lost")
    assert await client.hears_nothing()


async def test_a_stalled_link_swallows_all_bytes_and_resets_the_connection_when_it_heals(
    link: CuttableLink, echo: Echo, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    link.stall()
    client.writer.write(b"lost")

    assert await client.hears_nothing()
    assert echo.heard == b"before"
    await link.heal()
    with pytest.raises(ConnectionResetError):
        await client.reader.read(1)


async def test_a_stalled_link_keeps_the_end_of_a_client_from_the_server(
    link: CuttableLink, echo: Echo, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    link.stall()
    client.writer.transport.abort()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(echo.gone.wait(), UNHEARD_S)
    assert link.connections == 1
    await link.heal()
    await echo.gone.wait()


async def test_connections_made_while_the_link_is_stalled_hear_nothing(
    link: CuttableLink, connect: Connect
) -> None:
    link.stall()

    client = await connect()
    client.writer.write(b"hello")

    assert await client.hears_nothing()


async def test_one_direction_alone_can_be_stalled(
    link: CuttableLink, echo: Echo, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")
    echo.news.clear()

    link.stall(Towards.CLIENT)
    client.writer.write(b"-heard")
    await echo.news.wait()

    assert await client.hears_nothing()
    assert echo.heard == b"before-heard"


async def test_a_connection_that_lost_nothing_survives_a_stall(
    link: CuttableLink, connect: Connect
) -> None:
    client = await connect()
    await client.answer(b"before")

    link.stall()
    await link.heal()

    assert await client.answer(b"after") == b"after"


async def test_a_delay_counts_in_both_directions(link: CuttableLink, connect: Connect) -> None:
    client = await connect()
    loop = asyncio.get_running_loop()

    link.delay(DELAY_S)
    began_s = loop.time()
    await client.answer(b"slow")

    assert loop.time() - began_s >= 2 * DELAY_S


async def test_a_client_of_a_dead_server_is_reset(echo: Echo) -> None:
    async with CuttableLink(free_port()) as link:
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)

        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
