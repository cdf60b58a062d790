"""A socket as the AMQP library wants to read and write it, with no copy more than that takes."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import cast

_FRAME_HEAD = struct.Struct(">BHI")  # type, channel, payload bytes
_METHOD = struct.Struct(">HH")
_FRAME_END_BYTES = 1
_METHOD_FRAME = 1
_BLOCKED, _UNBLOCKED = (10, 60), (10, 61)

_BUFFER_BYTES = 2**19
_LEAST_ROOM_BYTES = 2**16
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

    def feed(self, data: bytes | memoryview) -> None:
        """Take in the next bytes, cut anywhere."""
        if self._held:
            data, self._held = self._held + bytes(data), b""
        at = min(self._skip, len(data))
        self._skip -= at
        while at < len(data):
            step = self._frame_at(data, at)
            if step is None:
                self._held = bytes(data[at:])
                return
            self._skip = max(0, at + step - len(data))
            at += step

    def _frame_at(self, data: bytes | memoryview, at: int) -> int | None:
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


class WireStream(asyncio.BufferedProtocol):
    """Both halves of a connection, with those methods of asyncio's streams that the library calls.

    What comes in is received into one buffer, which is bounded by the largest frame: the socket
    is read no further while it is full. One reader and one writer at a time.
    """

    def __init__(self, watch: FrameWatch, *, buffer_bytes: int = _BUFFER_BYTES) -> None:
        self._watch = watch
        self._view = memoryview(bytearray(buffer_bytes))
        self._begin = self._end = 0  # of what is received and not read yet
        self._transport: asyncio.Transport | None = None
        self._reading_paused = self._writing_paused = self._eof = False
        self._error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None  # the reader
        self._draining: list[asyncio.Future[None]] = []
        self._closed = asyncio.Event()

    @classmethod
    async def open(
        cls,
        place: tuple[str, int],
        context: ssl.SSLContext | None,
        watch: FrameWatch,
        *,
        buffer_bytes: int = _BUFFER_BYTES,
    ) -> WireStream:
        """Connect, by TLS if there is a context. Raises `OSError`."""
        host, port = place
        limits: dict[str, object] = {}
        if context is not None:
            limits = {
                "ssl": context,
                "server_hostname": host,
                "ssl_handshake_timeout": _TLS_HANDSHAKE_S,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
            }
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(  # type: ignore[call-overload]
            lambda: cls(watch, buffer_bytes=buffer_bytes), host, port, **limits
        )
        return cast(WireStream, stream)

    # --- as the library reads ---------------------------------------------------------

    async def readexactly(self, size: int) -> memoryview:
        """Return so many bytes, which stay what they are until the next wait, whoever waits.

        The library copies them at once. Raises `IncompleteReadError`, or what ended the
        connection.
        """
        while self._end - self._begin < size:
            if self._error is not None:
                raise self._error
            if self._eof:
                rest = bytes(self._taken(self._end - self._begin))
                raise asyncio.IncompleteReadError(rest, size)
            self._make_room(size)
            await self._more()
        return self._taken(size)

    async def read(self) -> bytes:
        """Return all that comes until the end."""
        parts = []
        while not self.at_eof():
            if self._begin == self._end:
                if self._error is not None:
                    raise self._error
                await self._more()
            parts.append(bytes(self._taken(self._end - self._begin)))
        return b"".join(parts)

    @property
    def unread_bytes(self) -> int:
        """How much was received and not read."""
        return self._end - self._begin

    def at_eof(self) -> bool:
        """Return whether everything is read and no more comes."""
        return self._eof and self._begin == self._end

    # --- as the library writes --------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport:
        """What lies below."""
        if self._transport is None:
            raise RuntimeError("the stream is not connected yet")
        return self._transport

    def write(self, data: bytes) -> None:
        """Send, or queue what the socket does not take now."""
        # Of a view the transport cuts off what was sent without copying the rest.
        self.transport.write(memoryview(data))

    async def drain(self) -> None:
        """Wait until little is queued. Raises what ended the connection."""
        if self.transport.is_closing():
            await asyncio.sleep(0)  # so that its end is known
        self._require_open()
        if self._writing_paused:
            turn = asyncio.get_running_loop().create_future()
            self._draining.append(turn)
            await turn
            self._require_open()

    def is_closing(self) -> bool:
        """Return whether the connection is closed, or is being closed."""
        return self.transport.is_closing()

    def can_write_eof(self) -> bool:
        """Return whether `write_eof` works."""
        return self.transport.can_write_eof()

    def write_eof(self) -> None:
        """Say that no more comes from here."""
        self.transport.write_eof()

    def close(self) -> None:
        """Close the connection, after what is queued."""
        self.transport.close()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed. Raises what ended it."""
        await self._closed.wait()
        if self._error is not None:
            raise self._error

    # --- what the event loop calls ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes next."""
        if len(self._view) - self._end < _LEAST_ROOM_BYTES:
            self._make_room(0)
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what came."""
        self._watch.feed(self._view[self._end : self._end + nbytes])
        self._end += nbytes
        if self._is_full():
            self._reading_paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take note that no more comes; the transport then closes itself."""
        self._eof = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everybody know."""
        self._eof, self._error = True, exc
        self._writing_paused = False
        self._closed.set()
        self._wake()
        self._let_go()

    def pause_writing(self) -> None:
        """Hold writers back."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Hold writers back no longer."""
        self._writing_paused = False
        self._let_go()

    # --- the buffer -------------------------------------------------------------------

    def _taken(self, size: int) -> memoryview:
        data = self._view[self._begin : self._begin + size]
        self._begin += size
        if self._begin == self._end:
            self._begin = self._end = 0
        self._read_on()
        return data

    def _make_room(self, size: int) -> None:
        """Move what is there to the front of the buffer, a larger one if `size` asks for it."""
        there = self._end - self._begin
        view = self._view if size <= len(self._view) else memoryview(bytearray(size))
        if self._begin or view is not self._view:
            view[:there] = self._view[self._begin : self._end]
        self._view, self._begin, self._end = view, 0, there
        self._read_on()

    def _is_full(self) -> bool:
        return self._end - self._begin == len(self._view)

    def _read_on(self) -> None:
        if self._reading_paused and not self._is_full():
            self._reading_paused = False
            self.transport.resume_reading()

    async def _more(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _let_go(self) -> None:
        for turn in self._draining:
            if not turn.done():
                turn.set_result(None)
        self._draining.clear()

    def _require_open(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed.is_set():
            raise ConnectionResetError("the connection is closed")
