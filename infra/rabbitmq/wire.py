"""One AMQP connection, watched for being blocked and cut off where it does not end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import struct
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

import aiormq
from aiormq.abc import ChannelFrame
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError, ConnectionClosed
from yarl import URL

from .address import BrokerAddress
from .errors import GONE, guarded

_FRAME_HEAD = struct.Struct(">BHI")  # type, channel, payload bytes
_METHOD = struct.Struct(">HH")
_FRAME_END_BYTES = 1
_METHOD_FRAME = 1
_BLOCKED, _UNBLOCKED = (10, 60), (10, 61)

_READ_AHEAD_BYTES = 2**18
_TLS_HANDSHAKE_S = 10.0
_TLS_SHUTDOWN_S = 1.0


class FrameWatch:
    """Looks at the bytes that a broker sends and tells when it blocks or unblocks publishers.

    The library answers these notices by itself and tells nobody.
    """

    def __init__(self, blocked: Callable[[bool], None]) -> None:
        self._blocked = blocked
        self._held = b""
        self._skip = 0

    def feed(self, data: bytes) -> None:
        """Take in the next bytes, cut anywhere."""
        data, self._held = self._held + data, b""
        at = min(self._skip, len(data))
        self._skip -= at
        while at < len(data):
            step = self._frame_at(data, at)
            if step is None:
                self._held = data[at:]
                return
            self._skip = max(0, at + step - len(data))
            at += step

    def _frame_at(self, data: bytes, at: int) -> int | None:
        """Return the length of the frame, None where more of its head is needed."""
        if len(data) - at < _FRAME_HEAD.size:
            return None
        kind, channel, size = _FRAME_HEAD.unpack_from(data, at)
        if kind == _METHOD_FRAME and channel == 0:
            if len(data) - at < _FRAME_HEAD.size + _METHOD.size:
                return None
            method = _METHOD.unpack_from(data, at + _FRAME_HEAD.size)
            if method in (_BLOCKED, _UNBLOCKED):
                self._blocked(method == _BLOCKED)
        return _FRAME_HEAD.size + int(size) + _FRAME_END_BYTES


class _WatchedReader(asyncio.StreamReader):
    def __init__(self, watch: FrameWatch) -> None:
        super().__init__(limit=_READ_AHEAD_BYTES)
        self._watch = watch

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        taken = bytes(data)
        self._watch.feed(taken)
        super().feed_data(taken)


class _Sockets(TransportFactory):
    """Opens the library's sockets for it, so that they can be watched and cut off."""

    def __init__(
        self, place: tuple[str, int], context: ssl.SSLContext | None, watch: FrameWatch
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self._host, self._port = place
        self._watch = watch
        self._context = context

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = _WatchedReader(self._watch)
        protocol = asyncio.StreamReaderProtocol(reader)
        limits: dict[str, Any] = {}
        if self._context is not None:
            limits = {
                "ssl": self._context,
                "server_hostname": self._host,
                "ssl_handshake_timeout": _TLS_HANDSHAKE_S,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
            }
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, self._host, self._port, **limits
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            raise AMQPConnectionError(_said(error)) from error
        self.transport = transport
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class _OneWay(asyncio.Queue[ChannelFrame]):
    """A channel's way to the writer, shut once the channel has agreed to be closed.

    The library lets messages pass after that for a moment, and the broker then closes the whole
    connection: it knows no such channel.
    """

    def __init__(self, writer: asyncio.Queue[ChannelFrame]) -> None:
        super().__init__()
        self._writer = writer
        self._shut = False

    async def put(self, item: ChannelFrame) -> None:
        if self._shut:
            raise ChannelInvalidStateError("the broker has closed the channel")
        await self._writer.put(item)

    def put_nowait(self, item: ChannelFrame) -> None:
        # The library uses this for one thing only: to agree.
        self._shut = True
        self._writer.put_nowait(item)


class _Connection(aiormq.Connection):
    # While the broker reads nothing, heartbeats pile up here. Where they find no room the
    # library gives the connection up, and an alarm may last for hours.
    FRAME_BUFFER_SIZE = 4096


class Wire:
    """One connection to one host; `blocked` is told when the broker blocks publishers or not."""

    def __init__(self, connection: aiormq.Connection, sockets: _Sockets) -> None:
        self.connection = connection
        self._sockets = sockets

    @classmethod
    async def open(
        cls,
        address: BrokerAddress,
        place: tuple[str, int],
        *,
        name: str,
        heartbeat_s: int,
        blocked: Callable[[bool], None],
    ) -> Wire:
        """Return an open connection. Raises the library's errors and `AddressError`."""
        host, port = place
        sockets = _Sockets(place, address.ssl_context(), FrameWatch(blocked))
        url = URL.build(
            scheme="amqps" if address.tls else "amqp",
            host=host,
            port=port,
            user=address.user,
            password=address.password,
            query={"heartbeat": str(heartbeat_s), "name": name},
        )
        connection = _Connection(url, transport_factory=sockets)
        # The URL can't carry every name: the library decodes it only in part.
        connection.vhost = address.vhost
        wire = cls(connection, sockets)
        try:
            await guarded(connection.connect())
        except BaseException:
            wire.cut()
            raise
        return wire

    async def channel(self, *, confirms: bool = False) -> aiormq.Channel:
        """Return a new channel, with publisher confirms or without. Raises the library's errors."""
        channel = await guarded(
            self.connection.channel(publisher_confirms=confirms, on_return_raises=True)
        )
        if not isinstance(channel, aiormq.Channel):
            raise TypeError(f"{type(channel).__name__} is not the channel this was made for")
        channel.write_queue = _OneWay(self.connection.write_queue)
        return channel

    def unsent(self) -> tuple[int, int]:
        """Return how much waits to leave this machine, as (frames, bytes)."""
        transport = self._sockets.transport
        written = 0 if transport is None else transport.get_write_buffer_size()
        return self.connection.write_queue.qsize(), written

    def cut(self) -> None:
        """Drop the socket at once, whatever is still in it."""
        if self._sockets.transport is not None:
            self._sockets.transport.abort()

    async def close(self, *, within_s: float) -> None:
        """Say goodbye; after `within_s` hang up without."""
        with contextlib.suppress(*GONE, TimeoutError):
            async with asyncio.timeout(within_s):
                await guarded(self.connection.close(ConnectionClosed(0, "closed by us")))
        self.cut()


def _said(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
