"""Serves a folder of blobs to those who may pull them, from threads beside the event loop.

The standard library's server is enough: no request has a body, every answer is a file or a
line, and the kernel copies the file. In front of thousands of trainers belongs a real cache.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Any

from infra.bounded_server import BoundedServer

from .handler import Access, BlobHandler
from .places import HttpBlobsError, Serving, bracketed
from .served_folder import ServedFolder
from .tls import server_context
from .traffic import BlobTraffic, Served


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

    Attributes:
        traffic: what was served so far.
    """

    def __init__(
        self, folder: ServedFolder, serving: Serving, limits: ServeLimits | None = None
    ) -> None:
        self.traffic = BlobTraffic()
        self._folder = folder
        self._serving = serving
        self._limits = limits or ServeLimits()
        self._server: _Server | None = None

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
            server = _Server(self._folder, serving, self._limits, self.traffic)
        except OSError as error:
            raise HttpBlobsError(
                f"{serving.host}:{serving.port} can't be listened on ({error.strerror}); choose "
                f"another address or port"
            ) from None
        server.context = context
        self._server = server
        server.begin("blob server")

    def close(self) -> None:
        """Stop serving and hang up; again is fine."""
        server, self._server = self._server, None
        if server is not None:
            server.end()


class _Server(BoundedServer):
    request_queue_size = 128

    def __init__(
        self, folder: ServedFolder, serving: Serving, limits: ServeLimits, traffic: BlobTraffic
    ) -> None:
        self.access = Access(folder, serving.token, limits.retry_s)
        self.context: ssl.SSLContext | None = None
        self.traffic = traffic
        self._piece_s = limits.piece_s
        super().__init__(
            serving.host,
            serving.port,
            BlobHandler,
            clients=limits.clients,
            request_s=limits.request_s,
        )

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        connection.settimeout(self._piece_s)
        if self.context is not None:
            # The handshake is the client's thread's: here it would hold up all others.
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def renew(self, request: socket.socket) -> None:
        """Give a client time for another piece."""
        self.more_time(request, self._piece_s)

    def turned_away(self) -> None:
        self.traffic.ended(Served.CROWDED)
