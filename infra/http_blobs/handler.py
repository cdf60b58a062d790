"""One request for a blob: who asks, what for, and the bytes."""

from __future__ import annotations

import hmac
import logging
import os
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Protocol

from .ranges import Part, Unsatisfiable, requested
from .served_folder import ServedFolder
from .traffic import BlobTraffic, Served

log = logging.getLogger(__name__)

PIECE_BYTES = 2**18
_PATH = re.compile(r"/blobs/([0-9a-f]{64})")
# A blob never changes under its name, and nobody may repack it on the way.
_FOR_EVER = "public, max-age=31536000, immutable, no-transform"
_NEVER = "no-store"
_ENDINGS = {HTTPStatus.UNAUTHORIZED: Served.REFUSED, HTTPStatus.NOT_FOUND: Served.ABSENT}


@dataclass(frozen=True, slots=True)
class Access:
    """What is served, the token of those who may have it, and when one who is early comes again."""

    folder: ServedFolder
    token: str | None = field(repr=False)
    retry_s: int

    def admits(self, credentials: Sequence[str]) -> bool:
        """Return whether these `Authorization` headers hold the token."""
        if self.token is None:
            return True
        scheme, _, shown = (credentials[0] if len(credentials) == 1 else "").partition(" ")
        given = shown.strip().encode("latin-1", "replace")
        # Compared whatever the scheme, so that the time tells nothing.
        right = hmac.compare_digest(given, self.token.encode())
        return right and scheme.lower() == "bearer"


class _Serves(Protocol):
    access: Access
    traffic: BlobTraffic

    def renew(self, request: socket.socket) -> None: ...


class BlobHandler(BaseHTTPRequestHandler):
    """Answers `GET` and `HEAD` of `/blobs/<sha256>`; there is nothing else."""

    server: _Serves  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def setup(self) -> None:
        """Greet, in a thread of this client's own."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def version_string(self) -> str:
        """Return what the `Server` header says."""
        return "quorate"

    def log_message(self, format: str, *args: Any) -> None:
        """Note a request for those who look closely."""
        log.debug("%s: " + format, self.client_address[0], *args)

    def do_GET(self) -> None:
        """Send a blob or a part of it."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send what `GET` would send, without the blob."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        self.close_connection = True
        access = self.server.access
        if not access.admits(self.headers.get_all("Authorization", [])):
            self._refuse(HTTPStatus.UNAUTHORIZED, "WWW-Authenticate", "Bearer")
            return
        wanted = _PATH.fullmatch(self.path)
        if wanted is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        file = access.folder.opened(wanted[1])
        if file is None:
            self._refuse(HTTPStatus.NOT_FOUND, "Retry-After", str(access.retry_s))
            return
        with file:
            self._send(file, tag=f'"{wanted[1]}"', with_body=with_body)

    def _send(self, file: BinaryIO, *, tag: str, with_body: bool) -> None:
        size = os.fstat(file.fileno()).st_size
        known = self.headers.get("If-None-Match", "")
        # No pattern: it takes a time that grows with the square of the blanks in a long header.
        if tag in (each.strip() for each in known.split(",")):
            self._begin(HTTPStatus.NOT_MODIFIED, tag)
            self.end_headers()
            self.server.traffic.ended(Served.UNCHANGED)
            return
        asked = self.headers.get("Range")
        if self.headers.get("If-Range", tag) != tag:
            asked = None
        try:
            part = requested(asked, size)
        except Unsatisfiable:
            self._refuse(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "Content-Range", f"bytes */{size}"
            )
            return
        self._begin(HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT, tag)
        if part is not None:
            self.send_header("Content-Range", str(part))
        part = part or Part(0, size, size)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(part.end - part.begin))
        self.end_headers()
        if with_body:
            self._transfer(file, part)

    def _transfer(self, file: BinaryIO, part: Part) -> None:
        """Send a part; it counts as cut off unless all of it went."""
        at, ending = part.begin, Served.CUT_OFF
        try:
            for count in self._sent(file, part):
                at += count
            if at == part.end:
                ending = Served.SENT
        finally:
            self.server.traffic.ended(ending, at - part.begin)

    def _sent(self, file: BinaryIO, part: Part) -> Iterator[int]:
        at = part.begin
        file.seek(at)
        encrypted = isinstance(self.request, ssl.SSLSocket)
        while at < part.end:
            self.server.renew(self.request)
            count = min(PIECE_BYTES, part.end - at)
            if encrypted:
                piece = file.read(count)
                self.request.sendall(piece)
                sent = len(piece)
            else:
                sent = self.request.sendfile(file, at, count)
            if not sent:
                return  # shorter than it was: the client sees that bytes are missing
            at += sent
            yield sent

    def _begin(self, status: HTTPStatus, tag: str) -> None:
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Cache-Control", _FOR_EVER)
        self.send_header("Connection", "close")

    def _refuse(self, status: HTTPStatus, header: str = "", value: str = "") -> None:
        self.server.traffic.ended(_ENDINGS.get(status, Served.WRONG))
        body = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        if header:
            self.send_header(header, value)
        self.send_header("Cache-Control", _NEVER)
        self.send_header("Connection", "close")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
