"""A server of threads beside the event loop: few clients at a time, and none for long."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

log = logging.getLogger(__name__)

_LOOK_S = 0.1
_FAREWELL_S = 5.0
_DROP = struct.pack("ii", 1, 0)


class BoundedServer(ThreadingMixIn, TCPServer):
    """Serves from `begin` to `end`. To be named before another server class, if there is one.

    Clients above `clients` at a time are hung up on at once, and so is one that takes more than
    `request_s` without being given more time.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, host: str, port: int, handler: type[Any], *, clients: int, request_s: float
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._clients = clients
        self._request_s = request_s
        self._open = threading.Condition()
        self._due: dict[socket.socket, float] = {}
        self._thread: threading.Thread | None = None
        super().__init__((host, port), handler)

    def begin(self, name: str) -> None:
        """Serve from now on; `name` is the thread's."""
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_LOOK_S,), name=name, daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Stop serving, free the port, hang up, and wait a little for the clients' threads."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        self._hang_up(by_s=float("inf"))
        with self._open:
            self._open.wait_for(lambda: not self._due, _FAREWELL_S)

    def more_time(self, request: socket.socket, seconds: float) -> None:
        """Give a client so long from now."""
        with self._open:
            self._due[request] = time.monotonic() + seconds

    def turned_away(self) -> None:
        """Hear that a client came who was one too many."""

    # --- what the base class calls ----------------------------------------------------

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._open:
            crowd = len(self._due)
            if crowd < self._clients:
                self._due[request] = time.monotonic() + self._request_s
                return True
        log.debug("hung up on %s: %d others are served", client_address[0], crowd)
        self.turned_away()
        return False

    def shutdown_request(self, request: Any) -> None:
        with self._open:
            self._due.pop(request, None)
            self._open.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self._hang_up(by_s=time.monotonic())

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of %s went away", self.server_address, exc_info=True)

    def _hang_up(self, *, by_s: float) -> None:
        """End the connections that are past their time; their threads then end by themselves."""
        with self._open:
            for connection in [each for each, due_s in self._due.items() if due_s <= by_s]:
                try:
                    # What the client has not taken is dropped, or it would hold memory on.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
                    # Under any encryption, which is not ours to touch from here.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError as error:
                    log.debug("a client of %s had gone: %s", self.server_address, error)
