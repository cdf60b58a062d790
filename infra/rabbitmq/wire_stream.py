"""A socket as the AMQP library wants to read and write it, with no copy more than that takes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from .contents import Contents, FrameError

_RECEIVED_BYTES = 2**18  # at a time
_UNREAD_BYTES = 2**18
_TLS_HANDSHAKE_S = 10.0
_TLS_SHUTDOWN_S = 1.0

# For the library, which takes a connection for dead on which it sees nothing for long.
_HEARTBEAT = bytes([8, 0, 0, 0, 0, 0, 0, 0xCE])
_HEARTBEAT_S = 1.0


class WireStream(asyncio.BufferedProtocol):
    """Both halves of a connection, with those methods of asyncio's streams that the library calls.

    Bodies of messages are in `contents`, whatever else comes in is read by the library. The
    socket is read no further while 256 KiB wait for it. One reader at a time.
    """

    def __init__(
        self, blocked: Callable[[bool], None], *, unread_bytes: int = _UNREAD_BYTES
    ) -> None:
        self.contents = Contents(self._emit, blocked)
        self._received = memoryview(bytearray(_RECEIVED_BYTES))
        self._unread = bytearray()
        self._most_unread = unread_bytes
        self._wanted = 0  # by the reader that waits
        self._emitted, self._emitted_s = False, 0.0
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
        blocked: Callable[[bool], None],
        *,
        unread_bytes: int = _UNREAD_BYTES,
    ) -> WireStream:
        """Connect, by TLS if there is a context. Raises `OSError`.

        `blocked` hears when the broker blocks publishers, and when no longer.
        """
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
            lambda: cls(blocked, unread_bytes=unread_bytes), host, port, **limits
        )
        return cast(WireStream, stream)

    # --- as the library reads ---------------------------------------------------------

    async def readexactly(self, size: int) -> bytes:
        """Return so many bytes. Raises `IncompleteReadError`, or what ended the connection."""
        while len(self._unread) < size:
            if self._error is not None:
                raise self._error
            if self._eof:
                raise asyncio.IncompleteReadError(self._taken(len(self._unread)), size)
            await self._more(size)
        return self._taken(size)

    async def read(self) -> bytes:
        """Return all that comes until the end."""
        parts = []
        while not self.at_eof():
            if not self._unread:
                if self._error is not None:
                    raise self._error
                await self._more(1)
            parts.append(self._taken(len(self._unread)))
        return b"".join(parts)

    @property
    def unread_bytes(self) -> int:
        """How much waits for the library."""
        return len(self._unread)

    def at_eof(self) -> bool:
        """Return whether everything is read and no more comes."""
        return self._eof and not self._unread

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
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came."""
        try:
            self.contents.feed(self._received[:nbytes])
        except FrameError as error:
            self._error = error
            self.transport.abort()
        now_s = asyncio.get_running_loop().time()
        if self._emitted:
            self._emitted_s, self._emitted = now_s, False
        elif self.contents.holds_back and now_s - self._emitted_s > _HEARTBEAT_S:
            self._emitted_s = now_s
            self._unread += _HEARTBEAT
        if len(self._unread) >= max(self._most_unread, self._wanted):
            self._reading_paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Take note that no more comes; the transport then closes itself."""
        self._eof = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everybody know."""
        self._eof, self._error = True, self._error or exc
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

    # --- what waits -------------------------------------------------------------------

    def _emit(self, data: bytes | memoryview) -> None:
        self._unread += data
        self._emitted = True

    def _taken(self, size: int) -> bytes:
        data = bytes(memoryview(self._unread)[:size])
        del self._unread[:size]
        self._read_on(self._most_unread)
        return data

    def _read_on(self, unread_bytes: int) -> None:
        if self._reading_paused and len(self._unread) < unread_bytes:
            self._reading_paused = False
            self.transport.resume_reading()

    async def _more(self, wanted: int) -> None:
        self._wanted = wanted
        self._read_on(wanted)
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting, self._wanted = None, 0

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
