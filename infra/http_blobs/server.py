"""Serves a folder of blobs to those who may pull them, from threads beside the event loop.

The standard library's server is enough: no request has a body, every answer is a file or a
line, and the kernel copies the file. In front of thousands of trainers belongs a real cache.
"""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from .handler import Access, BlobHandler
from .places import HttpBlobsError, Serving, bracketed
from .served_folder import ServedFolder
from .tls import server_context

log = logging.getLogger(__name__)

_LOOK_S = 0.1
_FAREWELL_S = 5.0
_DROP = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeLimits:
    """What a client may take.

    `clients` at a time; seconds for the greeting and the request together, and for each piece of
    256 KiB of the answer; `retry_s` is what one who asks too early is told to wait.
    """

    clients: int = 64
    request_s: float = 10.0
    piece_s: float = 30.0
    retry_s: int = 1


class BlobServer:
    """Serves from `start` to `close`; one connection, one request.

    More clients than allowed at a time are hung up on, and so is one that is too slow: both
    come again and go on where they were.
    """

    def __init__(
        self, folder: ServedFolder, serving: Serving, limits: ServeLimits | None = None
    ) -> None:
        self._folder = folder
        self._serving = serving
        self._limits = limits or ServeLimits()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str | None:
        """Return the base address, None while nothing is served."""
        if self._server is None:
            return None
        scheme = "https" if self._serving.tls else "http"
        port = self._server.server_address[1]
        return f"{scheme}://{bracketed(self._serving.host)}:{port}"

    def start(self) -> None:
        """Begin to serve. Raises `HttpBlobsError` for an address or a file that can't be had."""
        serving = self._serving
        context = None if serving.tls is None else server_context(serving.tls)
        try:
            server = _Server(self._folder, serving, self._limits)
        except OSError as error:
            raise HttpBlobsError(
                f"{serving.host}:{serving.port} can't be listened on ({error.strerror}); choose "
                f"another address or port"
            ) from None
        server.context = context
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(_LOOK_S,), name="blob server", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving and hang up; again is fine."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up(by_s=float("inf"))
        self._server.wait_until_gone(_FAREWELL_S)
        self._server = None


class _Server(ThreadingMixIn, TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, folder: ServedFolder, serving: Serving, limits: ServeLimits) -> None:
        self.address_family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
        self.access = Access(folder, serving.token, limits.retry_s)
        self.context: ssl.SSLContext | None = None
        self._limits = limits
        self._open = threading.Condition()
        self._due: dict[socket.socket, float] = {}
        super().__init__((serving.host, serving.port), BlobHandler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        connection.settimeout(self._limits.piece_s)
        if self.context is not None:
            # The handshake is the client's thread's: here it would hold up all others.
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._open:
            if len(self._due) >= self._limits.clients:
                log.debug("hung up on %s: %d others are served", client_address[0], len(self._due))
                return False
            self._due[request] = time.monotonic() + self._limits.request_s
        return True

    def renew(self, request: socket.socket) -> None:
        """Give a client time for another piece."""
        with self._open:
            self._due[request] = time.monotonic() + self._limits.piece_s

    def shutdown_request(self, request: Any) -> None:
        with self._open:
            self._due.pop(request, None)
            self._open.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.hang_up(by_s=time.monotonic())

    def hang_up(self, *, by_s: float) -> None:
        """End the connections that are past their time; their threads then end by themselves."""
        with self._open:
            for connection in [each for each, due_s in self._due.items() if due_s <= by_s]:
                try:
                    # What the client has not taken is dropped, or it would hold memory on.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
                    # Under any encryption, which is not ours to touch from here.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError as error:
                    log.debug("a client of the blob server had gone: %s", error)

    def wait_until_gone(self, timeout_s: float) -> None:
        """Return when no client is served any more."""
        with self._open:
            self._open.wait_for(lambda: not self._due, timeout_s)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of the blob server went away", exc_info=True)
