"""The stream under the AMQP library: the same bytes, in bounded memory, and an end that is told.

The bytes here are no AMQP but for two tests; bodies of messages are tested by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fakes.ports import yield_turns
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header, heartbeat

from infra.rabbitmq import wire_stream
from infra.rabbitmq.contents import FrameError
from infra.rabbitmq.wire_stream import WireStream

UNREAD_BYTES = 4096
RECEIVED_BYTES = 2**18  # at a time


class Peer:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.here = asyncio.Event()

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.here.set()


@asynccontextmanager
async def connected(unread_bytes: int = UNREAD_BYTES) -> AsyncIterator[tuple[WireStream, Peer]]:
    """A stream and its peer, over loopback."""
    peer = Peer()
    server = await asyncio.start_server(peer.met, "127.0.0.1", 0)
    place = server.sockets[0].getsockname()[:2]
    stream = await WireStream.open(place, None, lambda _: None, unread_bytes=unread_bytes)
    try:
        await peer.here.wait()
        yield stream, peer
    finally:
        stream.transport.abort()
        peer.writer.transport.abort()
        server.close()
        await server.wait_closed()


def pattern(size: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


@given(
    pieces=st.lists(st.integers(8, 3 * UNREAD_BYTES), min_size=1, max_size=8),
    asked=st.lists(st.integers(0, 3 * UNREAD_BYTES), min_size=1, max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_bytes_come_in_order_however_they_are_cut(pieces: list[int], asked: list[int]) -> None:
    """Sizes above the bound among them: a broker may allow larger frames."""
    sent = pattern(sum(pieces))

    async def exchange() -> bytes:
        async with connected() as (stream, peer):
            for end in range(len(pieces)):
                begin = sum(pieces[:end])
                peer.writer.write(sent[begin : begin + pieces[end]])
                await yield_turns(1)
            got, sizes = b"", iter(asked * len(sent))
            while len(got) < len(sent):
                got += bytes(
                    await stream.readexactly(min(max(1, next(sizes)), len(sent) - len(got)))
                )
            return got

    assert asyncio.run(exchange()) == sent


async def test_unread_bytes_are_bounded() -> None:
    async with connected() as (stream, peer):
        sent = pattern(64 * 2**20)
        writing = asyncio.create_task(_write_all(peer, sent))
        await stream.readexactly(1)
        await yield_turns(200)

        assert not writing.done()
        assert stream.unread_bytes < UNREAD_BYTES + RECEIVED_BYTES
        assert await stream.readexactly(len(sent) - 1) == sent[1:]
        await writing


async def test_frame_above_the_bound_is_received_while_somebody_waits_for_it() -> None:
    async with connected() as (stream, peer):
        sent = pattern(8 * RECEIVED_BYTES)
        peer.writer.write(sent)

        assert await stream.readexactly(len(sent)) == sent


async def test_end_in_the_middle_of_a_frame_says_what_was_missing() -> None:
    async with connected() as (stream, peer):
        peer.writer.write(pattern(20))
        peer.writer.close()

        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await stream.readexactly(30)

        assert (caught.value.partial, caught.value.expected) == (pattern(20), 30)
        assert stream.at_eof()
        await stream.wait_closed()


async def test_what_came_before_the_end_can_be_read() -> None:
    async with connected() as (stream, peer):
        peer.writer.write(pattern(3 * UNREAD_BYTES))
        peer.writer.close()

        assert await stream.readexactly(2) == pattern(2)
        assert not stream.at_eof()
        assert await stream.read() == pattern(3 * UNREAD_BYTES)[2:]
        assert stream.at_eof()


async def test_reset_connection_is_told_to_reader_writer_and_closer() -> None:
    async with connected() as (stream, _):
        reading = asyncio.create_task(stream.readexactly(1))
        stream.write(bytes(64 * 2**20))
        draining = asyncio.create_task(stream.drain())
        await yield_turns()
        assert not draining.done()

        stream.connection_lost(ConnectionResetError("reset"))

        for waiting in (reading, draining, stream.wait_closed(), stream.drain()):
            with pytest.raises(ConnectionResetError):
                await waiting


async def test_drain_waits_until_the_peer_reads() -> None:
    async with connected() as (stream, peer):
        sent = pattern(64 * 2**20)
        stream.write(sent)
        draining = asyncio.create_task(stream.drain())
        await yield_turns()
        assert not draining.done()

        assert await peer.reader.readexactly(len(sent)) == sent
        await draining


async def test_cancelled_drain_leaves_the_others_waiting() -> None:
    async with connected() as (stream, peer):
        stream.write(bytes(64 * 2**20))
        given_up, other = (asyncio.create_task(stream.drain()) for _ in range(2))
        await yield_turns()

        given_up.cancel()
        await yield_turns()

        assert given_up.cancelled()
        assert not other.done()
        await peer.reader.readexactly(64 * 2**20)
        await other


async def test_peer_sees_the_end_and_what_was_queued_before() -> None:
    async with connected() as (stream, peer):
        assert stream.can_write_eof()
        stream.write(pattern(2**20))
        stream.close()

        assert stream.is_closing()
        assert await peer.reader.read() == pattern(2**20)
        await stream.wait_closed()


async def test_library_sees_signs_of_life_while_a_long_body_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It gives a connection up on which it sees no frame for three heartbeats."""
    sent = marshalled(
        (commands.Basic.Deliver("consumer", 1, False, "exchange", "key"), 1),
        (header.ContentHeader(body_size=3000), 1),
    )
    async with connected() as (stream, peer):
        peer.writer.write(sent)
        await stream.readexactly(len(frame.marshal(*delivery())))
        monkeypatch.setattr(wire_stream, "_HEARTBEAT_S", 0.0)

        peer.writer.write(marshalled((body.ContentBody(bytes(1000)), 1)))

        assert await stream.readexactly(8) == frame.marshal(heartbeat.Heartbeat(), 0)


async def test_stream_of_broken_frames_is_ended() -> None:
    async with connected() as (stream, peer):
        peer.writer.write(frame.marshal(*delivery())[:-1] + b"\x00")

        with pytest.raises(FrameError):
            await stream.readexactly(1)

        assert stream.is_closing()
        with pytest.raises(FrameError):
            await stream.wait_closed()


def delivery() -> tuple[object, int]:
    return commands.Basic.Deliver("consumer", 1, False, "exchange", "key"), 1


def marshalled(*frames: tuple[object, int]) -> bytes:
    return b"".join(frame.marshal(value, channel) for value, channel in frames)


async def test_stream_without_a_connection_has_no_transport() -> None:
    with pytest.raises(RuntimeError, match="not connected"):
        WireStream(lambda _: None).write(b"a")


async def _write_all(peer: Peer, data: bytes) -> None:
    peer.writer.write(data)
    await peer.writer.drain()
