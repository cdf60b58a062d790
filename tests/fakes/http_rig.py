"""Servers of blobs that misbehave on request, and one line to ask them by."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from infra.http_blobs import BaseUrl, PullBlobs, Pulling, PullPolicy

MIB = 2**20
TIMEOUT_S = 20.0
TOKEN = "0123456789abcdef"  # noqa: S105


def policy(**changed: float | int) -> PullPolicy:
    """Return one that waits little."""
    quick = {"limit_bytes": 64 * MIB, "first_wait_s": 0.01, "longest_wait_s": 0.05}
    return PullPolicy(**{**quick, **changed})  # type: ignore[arg-type]


def pulling(*urls: str, token: str | None = None) -> Pulling:
    return Pulling(urls=tuple(BaseUrl.parse(url) for url in urls), token=token)


def puller(folder: Path, *urls: str, **changed: float | int) -> PullBlobs:
    return PullBlobs("bob", folder, pulling(*urls, token=TOKEN), policy(**changed))


class Odd(BaseHTTPRequestHandler):
    """Answers as its server's `act` says, and notes what was asked."""

    server: OddServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.asked.append((self.path, dict(self.headers)))
        self.server.act(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def reply(
        self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    @property
    def begin(self) -> int:
        """Where the asked range begins."""
        return int(self.headers.get("Range", "bytes=0-")[6:-1])


class OddServer(ThreadingHTTPServer):
    def __init__(self, act: Callable[[Odd], None]) -> None:
        super().__init__(("127.0.0.1", 0), Odd)
        self.act = act
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # the other side hung up, which tests do


@contextmanager
def odd(act: Callable[[Odd], None]) -> Iterator[OddServer]:
    server = OddServer(act)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def gives(blob: bytes, *, at_most: int | None = None) -> Callable[[Odd], None]:
    """Serve a blob with ranges as any web server does; hang up after so many bytes."""

    def act(request: Odd) -> None:
        rest = blob[request.begin :]
        if not rest and blob:
            request.reply(416, Content_Range=f"bytes */{len(blob)}")
            return
        sent = rest[:at_most]
        if "Range" in request.headers:
            place = f"bytes {request.begin}-{len(blob) - 1}/{len(blob)}"
            request.reply(206, sent, length=len(rest), Content_Range=place, ETag='"other"')
        else:
            request.reply(200, sent, length=len(rest))

    return act


def ask(
    url: str, path: str, *, method: str = "GET", token: str | None = TOKEN, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one request."""
    base = BaseUrl.parse(url)
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        shown["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection(base.host, base.port, timeout=TIMEOUT_S)
    connection.request(method, path, headers=shown)
    response = connection.getresponse()
    with response:
        found = response.status, dict(response.headers), response.read()
    connection.close()
    return found


def raw(url: str, request: bytes) -> bytes:
    """Send bytes and return all that comes back until the server hangs up."""
    base = BaseUrl.parse(url)
    with socket.create_connection((base.host, base.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer
