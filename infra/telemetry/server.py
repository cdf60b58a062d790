"""A small HTTP server beside the event loop: `/metrics`, `/healthz`, `/status`."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from .subject import Listen, TelemetryError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pages:
    """What the server shows. All are called in its threads.

    `ailments` names what a probe should complain of, nothing when all is well; `status` is
    JSON without anything private.
    """

    registry: CollectorRegistry
    ailments: Callable[[], tuple[str, ...]]
    status: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What a client may take: requests at a time, and seconds for one of them."""

    clients: int = 8
    request_s: float = 10.0


class TelemetryServer:
    """Serves from threads of its own, from `start` to `close`.

    More clients than allowed at a time are hung up on; so is one that takes too long.
    """

    def __init__(self, pages: Pages, listen: Listen, limits: ServerLimits | None = None) -> None:
        self._pages = pages
        self._listen = listen
        self._limits = limits or ServerLimits()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str | None:
        """Return where the metrics are, None before the start."""
        if self._server is None:
            return None
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"http://{host}:{self._server.server_address[1]}/metrics"

    def start(self) -> None:
        """Begin to serve. Raises `TelemetryError` when the address can't be had."""
        listen = self._listen
        try:
            self._server = _Server(listen, self._limits)
        except OSError as error:
            raise TelemetryError(
                f"{listen.host}:{listen.port} can't be listened on "
                f'({error.strerror}); choose another port, 0 for any free one, or "off"'
            ) from None
        self._server.set_app(_application(self._pages))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="telemetry", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving and hang up; again is fine."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up(older_than_s=0.0)
        self._server.server_close()
        self._server = None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, listen: Listen, limits: ServerLimits) -> None:
        self.address_family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        self._limits = limits
        self._guard = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        super().__init__((listen.host, listen.port), _Handler)

    def server_bind(self) -> None:
        # The base class asks the name server for this host's name, which may take very long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "quorate", self.server_address[1]
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._guard:
            if len(self._open) >= self._limits.clients:
                return False
            self._open[request] = time.monotonic()
        return True

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.hang_up(older_than_s=self._limits.request_s)

    def hang_up(self, *, older_than_s: float) -> None:
        """End the connections that have taken so long; their threads then end by themselves."""
        now_s = time.monotonic()
        with self._guard:
            slow = [c for c, began_s in self._open.items() if now_s - began_s >= older_than_s]
            for connection in slow:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    log.debug("a client of the telemetry server had gone: %s", error)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of the telemetry server went away", exc_info=True)


class _Handler(WSGIRequestHandler):
    server_version = "quorate"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def _application(pages: Pages) -> Callable[..., Iterable[bytes]]:
    metrics = make_wsgi_app(pages.registry)

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "GET":
            return _answer(start, "405 Method Not Allowed", b'{"error": "only GET"}')
        match environ["PATH_INFO"]:
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start)
                return found
            case "/healthz":
                reasons = pages.ailments()
                body = json.dumps({"healthy": not reasons, "reasons": reasons}).encode()
                return _answer(start, "503 Service Unavailable" if reasons else "200 OK", body)
            case "/status":
                return _answer(start, "200 OK", pages.status())
        places = b'{"error": "look at /metrics, /healthz or /status"}'
        return _answer(start, "404 Not Found", places)

    return application


def _answer(start: StartResponse, status: str, body: bytes) -> list[bytes]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start(status, headers)
    return [body]
