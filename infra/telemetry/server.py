"""A small HTTP server beside the event loop: `/metrics`, `/healthz`, `/status`."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from infra.bounded_server import BoundedServer

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

    @property
    def url(self) -> str | None:
        """Return where the metrics are, None before the start."""
        if self._server is None:
            return None
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"http://{host}:{self._server.server_address[1]}/metrics"

    def start(self) -> None:
        """Begin to serve. Raises `TelemetryError` when the address can't be had."""
        listen, limits = self._listen, self._limits
        try:
            server = _Server(
                listen.host,
                listen.port,
                _Handler,
                clients=limits.clients,
                request_s=limits.request_s,
            )
        except OSError as error:
            raise TelemetryError(
                f"{listen.host}:{listen.port} can't be listened on "
                f'({error.strerror}); choose another port, 0 for any free one, or "off"'
            ) from None
        server.set_app(_application(self._pages))
        self._server = server
        server.begin("telemetry")

    def close(self) -> None:
        """Stop serving and hang up; again is fine."""
        server, self._server = self._server, None
        if server is not None:
            server.end()


class _Server(BoundedServer, WSGIServer):
    request_queue_size = 16

    def server_bind(self) -> None:
        # The base class asks the name server for this host's name, which may take very long.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "quorate", self.server_address[1]
        self.setup_environ()


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
