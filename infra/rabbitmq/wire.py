"""One AMQP connection, watched for being blocked and cut off where it does not end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, cast

import aiormq
from aiormq.abc import AbstractChannel, ChannelFrame, DeliveredMessage
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError, ConnectionClosed
from yarl import URL

from .address import BrokerAddress
from .contents import with_body
from .errors import GONE, guarded
from .wire_stream import WireStream

# Of the message that this task publishes.
_body: ContextVar[bytes] = ContextVar("body", default=b"")


class _Sockets(TransportFactory):
    """Opens the library's sockets for it, so that they can be watched and cut off."""

    def __init__(
        self,
        place: tuple[str, int],
        context: ssl.SSLContext | None,
        blocked: Callable[[bool], None],
    ) -> None:
        self.stream: WireStream | None = None
        self._place = place
        self._blocked = blocked
        self._context = context

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            stream = await WireStream.open(self._place, self._context, self._blocked)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise AMQPConnectionError(_said(error)) from error
        self.stream = stream
        # It has what the library calls of these two.
        return cast(asyncio.StreamReader, stream), cast(asyncio.StreamWriter, stream)


class _OneWay(asyncio.Queue[ChannelFrame]):
    """A channel's way to the writer, shut once the channel has agreed to be closed.

    The library lets messages pass after that for a moment, and the broker then closes the whole
    connection: it knows no such channel. A message that is published by `publish` gets its body
    here, in the task that publishes it.
    """

    def __init__(self, writer: asyncio.Queue[ChannelFrame], *, most_bytes: int) -> None:
        super().__init__()
        self._writer = writer
        self._most_bytes = most_bytes  # of a body, in a frame
        self._shut = False

    async def put(self, item: ChannelFrame) -> None:
        if self._shut:
            raise ChannelInvalidStateError("the broker has closed the channel")
        body = _body.get()
        if body:
            frames = with_body(item.payload, body, most_bytes=self._most_bytes)
            item = replace(item, payload=frames)
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
        sockets = _Sockets(place, address.ssl_context(), blocked)
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
        channel.write_queue = _OneWay(
            self.connection.write_queue, most_bytes=channel.max_content_size
        )
        return channel

    def body(self, message: DeliveredMessage) -> bytes:
        """Return the body of a message that was delivered by one of our channels, once."""
        number, tag = message.channel.number, message.delivery_tag
        found = None
        if self._sockets.stream is not None and tag is not None:
            found = self._sockets.stream.contents.body(number, tag)
        return message.body if found is None else found

    def forget(self, channel: int) -> None:
        """Let go of bodies that nobody will ask for."""
        if self._sockets.stream is not None:
            self._sockets.stream.contents.forget(channel)

    def unsent(self) -> tuple[int, int]:
        """Return how much waits to leave this machine, as (frames, bytes)."""
        stream = self._sockets.stream
        written = 0 if stream is None else stream.transport.get_write_buffer_size()
        return self.connection.write_queue.qsize(), written

    def cut(self) -> None:
        """Drop the socket at once, whatever is still in it."""
        if self._sockets.stream is not None:
            self._sockets.stream.transport.abort()

    async def close(self, *, within_s: float) -> None:
        """Say goodbye; after `within_s` hang up without."""
        # The library waits for its last byte to go out, and does so when it is cancelled, too.
        hanging_up = asyncio.get_running_loop().call_later(within_s, self.cut)
        try:
            with contextlib.suppress(*GONE, TimeoutError):
                async with asyncio.timeout(within_s):
                    await guarded(self.connection.close(ConnectionClosed(0, "closed by us")))
        finally:
            hanging_up.cancel()
            self.cut()


async def publish(channel: AbstractChannel, body: bytes, **how: Any) -> None:
    """Do what the channel's `basic_publish` does, with the body copied once.

    For channels of a `Wire`. Raises the library's errors.
    """
    handed = _body.set(body)
    try:
        await guarded(channel.basic_publish(b"", **how))
    finally:
        _body.reset(handed)


def _said(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
