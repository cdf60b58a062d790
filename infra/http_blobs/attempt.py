"""One attempt to pull a blob, or the rest of one, from one address."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from actors.ports import StorageFailed
from infra.rabbitmq.address import Tls

from .places import DEFAULT_PORTS, BaseUrl, HttpBlobsError, bracketed
from .ranges import answered
from .tls import client_context

_READ_BYTES = 2**16
_PIECE_BYTES = 2**18
_REDIRECTS = 3
_MOVED = (301, 302, 303, 307, 308)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class PullFailed(Exception):
    """An address did not give the blob. `absent`: it has not got it yet, which is no fault.

    `retry_s` is what the address asked us to wait, 0 where it said nothing.
    """

    def __init__(self, reason: str, *, absent: bool = False, retry_s: float = 0.0) -> None:
        super().__init__(reason)
        self.absent = absent
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every attempt: who we are, and what an address may take.

    `connect_s` for connection and greeting; `piece_s` without a byte, or for 256 KiB.
    """

    limit_bytes: int
    token: str | None = field(repr=False)
    tls: Tls
    connect_s: float
    piece_s: float


class Attempt:
    """`run` is for a thread; `cancel` may come from any other, and returns at once.

    Nothing is written behind a cancellation, however long the thread still lives.

    Attributes:
        received: how many bytes were added to the part.
    """

    def __init__(self, base: BaseUrl, digest: bytes, part: Path, terms: Terms) -> None:
        self.received = 0
        self._base = base
        self._path = base.path(digest)
        self._part = part
        self._terms = terms
        self._guard = threading.Lock()
        self._socket: socket.socket | None = None
        self._cancelled = False

    def run(self) -> None:
        """Return when the part may be all of the blob.

        Raises `PullFailed`, and `StorageFailed` where the disk does.
        """
        try:
            with self._opened() as file, self._response(file.tell()) as response:
                self._take(response, file)
        except (OSError, http.client.HTTPException, HttpBlobsError) as error:
            raise PullFailed(_reason(error)) from error

    def cancel(self) -> None:
        """Hang up and write no more; again is fine."""
        with self._guard:
            self._cancelled = True
            if self._socket is not None:
                _hang_up(self._socket)

    # --- asking -----------------------------------------------------------------------

    @contextmanager
    def _response(self, have: int) -> Iterator[http.client.HTTPResponse]:
        """Give the answer with a blob, or its rest behind the bytes that we have."""
        path = self._path
        for _ in range(1 + _REDIRECTS):
            with closing(self._connection()) as connection:
                connection.request("GET", path, headers=self._headers(have))
                with connection.getresponse() as response:
                    if response.status not in _MOVED:
                        yield response
                        return
                    path = self._elsewhere(path, response.getheader("Location", ""))
        raise PullFailed("it sends us from one place to the next")

    def _headers(self, have: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "quorate"}
        if self._terms.token is not None:
            headers["Authorization"] = f"Bearer {self._terms.token}"
        if have:
            # Without If-Range: caches and stores have ETags of their own, and the digest in the
            # address already says that this blob never changes.
            headers["Range"] = f"bytes={have}-"
        return headers

    def _connection(self) -> http.client.HTTPConnection:
        """Return an open connection that a cancellation ends, past any proxy."""
        base, seconds = self._base, self._terms.connect_s
        plain = socket.create_connection((base.host, base.port), timeout=seconds)
        try:
            if base.scheme == "http":
                self._adopt(plain)
                connection = http.client.HTTPConnection(base.host, base.port)
                connection.sock = plain
            else:
                context = client_context(self._terms.tls)
                plain = context.wrap_socket(
                    plain, server_hostname=base.host, do_handshake_on_connect=False
                )
                self._adopt(plain)
                plain.do_handshake()
                connection = http.client.HTTPSConnection(base.host, base.port, context=context)
                connection.sock = plain
            plain.settimeout(self._terms.piece_s)
        except BaseException:
            plain.close()
            raise
        return connection

    def _adopt(self, connected: socket.socket) -> None:
        with self._guard:
            self._socket = connected
            if self._cancelled:
                raise PullFailed("not wanted any more")

    def _elsewhere(self, path: str, location: str) -> str:
        base = self._base
        here = f"{base.scheme}://{bracketed(base.host)}:{base.port}{path}"
        try:
            moved = urlsplit(urljoin(here, location))
            port = moved.port or DEFAULT_PORTS.get(moved.scheme)
        except ValueError:
            raise PullFailed("it sends us to a place that is no address") from None
        if (moved.scheme, moved.hostname, port) != (base.scheme, base.host, base.port):
            raise PullFailed("it sends us to another host, where our token has no business")
        return moved.path + (f"?{moved.query}" if moved.query else "")

    # --- taking -----------------------------------------------------------------------

    def _take(self, response: http.client.HTTPResponse, file: BinaryIO) -> None:
        have = file.tell()
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing lies behind what we have
        skip, total = self._announced(response, have)
        if max(total or 0, have) > self._terms.limit_bytes:
            raise PullFailed(f"{max(total or 0, have)} bytes are above the limit, {self._limit()}")
        for data in self._pieces(response):
            fresh = data[skip:]
            skip = max(0, skip - len(data))
            if have + len(fresh) > self._terms.limit_bytes:
                raise PullFailed(f"more bytes came than the limit, {self._limit()}")
            if fresh:
                self._write(file, fresh)
                have += len(fresh)
        if total is not None and have < total:
            raise PullFailed(f"cut off after {have} of {total} bytes")

    def _announced(self, response: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
        """Return how many of the coming bytes we have, and the size of the blob if it is told."""
        match response.status:
            case HTTPStatus.OK:
                # An address that knows no ranges sends all of it again.
                return have, response.length
            case HTTPStatus.PARTIAL_CONTENT:
                part = answered(response.getheader("Content-Range"))
                if part is None or part.begin != have:
                    raise PullFailed("another part came than was asked for")
                return 0, part.size
            case status if status in _GONE:
                raise PullFailed("not there yet", absent=True, retry_s=_retry_s(response))
            case status if status in _REFUSED:
                raise PullFailed(
                    f"refused ({status}): compare token_file with the server's; a cache may ask "
                    f"for more"
                )
            case status:
                raise PullFailed(f"answered {status}", retry_s=_retry_s(response))

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """Give the body as it comes; one that hardly comes is given up."""
        count, since_s = 0, time.monotonic()
        while data := response.read1(_READ_BYTES):
            yield data
            count += len(data)
            now_s = time.monotonic()
            if count >= _PIECE_BYTES:
                count, since_s = 0, now_s
            elif now_s - since_s > self._terms.piece_s:
                raise PullFailed("too slow")

    def _limit(self) -> str:
        return f"{self._terms.limit_bytes} (limits.model_mb of the job)"

    # --- the disk ---------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            file = self._part.open("ab", buffering=0)
        except OSError as error:
            raise self._spoiled(error) from error
        with file:
            if file.tell() > self._terms.limit_bytes:  # the limit was higher then
                file.truncate(0)
                file.seek(0)
            yield file

    def _write(self, file: BinaryIO, data: bytes) -> None:
        with self._guard:
            if self._cancelled:
                raise PullFailed("not wanted any more")
            try:
                written = file.write(data)
            except OSError as error:
                raise self._spoiled(error) from error
        self.received += written
        if written < len(data):
            self._write(file, data[written:])

    def _spoiled(self, error: OSError) -> StorageFailed:
        return StorageFailed(
            f"keeping a model state in {self._part.parent} failed ({error.strerror or error}): "
            "check the disk's space, health and permissions"
        )


def _retry_s(response: http.client.HTTPResponse) -> float:
    said = response.getheader("Retry-After", "").strip()
    return float(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 0.0


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _hang_up(connection: socket.socket) -> None:
    try:
        # Under any encryption, which the thread is in the middle of.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:  # it had gone by itself
        return
