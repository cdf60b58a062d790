"""What brokers, servers, clients and child processes say."""

from __future__ import annotations

import asyncio
import atexit
import http.client
import io
import socket
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pamqp.decode

from actors.ports import StorageFailed
from infra.doctor.greeting import NoBroker, _start
from infra.event_lines import read_event, read_line
from infra.http_blobs import ranges
from infra.http_blobs.attempt import Attempt, PullFailed, Terms
from infra.http_blobs.handler import Access, BlobHandler
from infra.http_blobs.places import BaseUrl
from infra.http_blobs.served_folder import ServedFolder
from infra.http_blobs.traffic import BlobTraffic
from infra.rabbitmq.address import Tls
from infra.rabbitmq.contents import MOST_BYTES, Contents, FrameError
from infra.rabbitmq.dead_letters import _death
from infra.rabbitmq.publication import ChunkHead, Malformed, Publication
from infra.worker_frames import FrameReader, Parcel, Reply, Request
from protocols.codec import Undecodable, canonical, parse
from protocols.pieces import Pieces

from .target import Target, chosen, cut, in_a_folder

BLOB = b"a model state" * 100
TOKEN = "0123456789abcdef"  # noqa: S105 - of the tests
DIGEST = sha256(BLOB).hexdigest()
LIMIT_BYTES = 10_000


def _frames(data: bytes) -> None:
    reader = FrameReader()
    size, rest = chosen(data, 64)
    for piece in cut(rest, size + 1):
        reader.feed(piece)
        while frame := reader.next():
            _frame(*frame)


def _frame(head: bytes, bulk: memoryview) -> None:
    message = _either(head)
    again = FrameReader()
    for piece in Parcel(message, bulk):
        again.feed(bytes(piece))
    frame = again.next()
    assert frame is not None
    assert frame == (canonical(message), bulk)


def _either(head: bytes) -> Request | Reply:
    try:
        return parse(head, Request)
    except Undecodable:
        return parse(head, Reply)


def _contents(data: bytes) -> None:
    """A stream of frames means the same, however it is cut."""
    whole, pieces = _through(data, 2**20), _through(data, 7)
    assert whole == pieces


def _through(data: bytes, size: int) -> tuple[bytes, list[bool], int, str]:
    seen, told, fault = bytearray(), list[bool](), ""
    contents = Contents(seen.extend, told.append, most_held_bytes=MOST_BYTES)
    try:
        for piece in cut(data, size):
            contents.feed(memoryview(piece))
    except FrameError as error:
        fault = str(error)
    assert contents.kept <= min(len(data), MOST_BYTES)
    return bytes(seen), told, contents.kept, fault


def _publication(data: bytes) -> None:
    found = Publication.from_bytes(data)
    assert Publication.from_bytes(found.to_bytes()) == found
    assert found.count * found.chunk_bytes >= found.size


def _table(data: bytes) -> dict[str, Any]:
    """Return what the client library makes of a table of AMQP; what it refuses is not for us."""
    try:
        return dict(pamqp.decode.field_table(data)[1])
    except Exception as error:  # noqa: BLE001  # the library's own affair
        raise Malformed(type(error).__name__) from None


def _chunk_head(data: bytes) -> None:
    headers = _table(data)
    _death(headers).get("time")
    head = ChunkHead.from_headers(headers)
    assert ChunkHead.from_headers(head.to_headers()) == head


def _greeting(data: bytes) -> None:
    loop = asyncio.new_event_loop()
    try:
        reader = asyncio.StreamReader(loop=loop)
        reader.feed_data(data)
        reader.feed_eof()
        start = loop.run_until_complete(_start(reader))
    finally:
        loop.close()
    assert start.name == "Connection.Start"


def _event(data: bytes) -> None:
    line = read_line(data)
    if line is None:
        raise ValueError("no event")
    read_event(line)


def _range(data: bytes) -> None:
    text, size = data.decode("latin-1"), 1000
    part = ranges.answered(text)
    if part is not None:
        assert ranges.answered(str(part)) == part
        assert part.begin < part.end <= part.size
    asked = ranges.requested(text, size)
    if asked is not None:
        assert 0 <= asked.begin < asked.end <= size
        assert ranges.answered(str(asked)) == asked


class _Told(Attempt):
    """An attempt whose server says what we want."""

    answer = b""

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", 1)
        connection.sock = _Line(self.answer)  # type: ignore[assignment]  # all that is used of one
        self.answer = b""
        return connection


class _Line:
    """The socket of somebody who has said everything; what is sent to it is kept."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.heard = bytearray()

    def makefile(self, mode: str, *_: Any, **__: Any) -> io.IOBase:
        return io.BufferedReader(io.BytesIO(self._said)) if "r" in mode else io.BytesIO()  # type: ignore[arg-type]

    def sendall(self, data: bytes) -> None:
        self.heard += data

    def sendfile(self, file: Any, at: int, count: int) -> int:
        file.seek(at)
        piece = file.read(count)
        self.heard += piece
        return len(piece)

    def close(self) -> None:
        """Nothing is behind it."""

    def settimeout(self, _: float) -> None:
        """It never waits."""


def _pulled(data: bytes) -> None:
    terms = Terms(limit_bytes=LIMIT_BYTES, token=TOKEN, tls=Tls(), connect_s=1.0, piece_s=1000.0)
    have, answer = chosen(data, 4)
    base = BaseUrl("http", "127.0.0.1", 1)

    def use(folder: Path) -> None:
        part = folder / "part"
        part.write_bytes(BLOB[:have])
        attempt = _Told(base, sha256(BLOB).digest(), part, terms)
        attempt.answer = answer
        try:
            attempt.run()
        finally:
            assert have <= part.stat().st_size <= LIMIT_BYTES

    in_a_folder(use)


class _Serving:
    def __init__(self, folder: ServedFolder) -> None:
        self.access = Access(folder, TOKEN, 1)
        self.traffic = BlobTraffic()

    def renew(self, request: socket.socket) -> None:
        """Nobody is in a hurry."""


@cache
def _blobs() -> ServedFolder:
    """Return a folder with one blob, which is there as long as this process."""
    folder = tempfile.TemporaryDirectory(prefix="quorate-fuzz-")
    atexit.register(folder.cleanup)
    served = ServedFolder(Path(folder.name) / "blobs")
    served.keep(Pieces.of(BLOB))
    return served


def _served(data: bytes) -> None:
    line = _Line(data)
    BlobHandler(line, ("127.0.0.1", 1), _Serving(_blobs()))  # type: ignore[arg-type]
    if BLOB[:20] in line.heard:
        assert TOKEN.encode() in data


TARGETS = (
    Target("frames", _frames, (Undecodable,)),
    Target("contents", _contents, ()),
    Target("publication", _publication, (Malformed,)),
    Target("chunk_head", _chunk_head, (Malformed,)),
    Target("greeting", _greeting, (NoBroker,)),
    Target("event", _event, (ValueError,)),
    Target("range", _range, (ranges.Unsatisfiable,)),
    Target("pulled", _pulled, (PullFailed, StorageFailed)),
    Target("served", _served, ()),
)
