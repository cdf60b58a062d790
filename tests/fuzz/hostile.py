"""Bytes that claim more than they are, or take long: each with the targets that they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pamqp import commands, frame, header

from infra.rabbitmq.contents import MOST_BYTES
from protocols import codec
from protocols.codec import MAX_MESSAGE_BYTES
from protocols.trust.armour import armoured

from . import channels, trust
from .seeds import CORPUS

_MSGPACK = ("body", "round_config", "tensor", "sealing_key", "publication", "accepted")
_SIGNED = ("signed_roster", "signed_request", "signed_transcript")
_JSON = ("event", "run_record", "run_log", "status", "reproduction")
_TOML = ("job", "settings", "scenario")
_MIB = 2**20


def all_hostile() -> Iterator[tuple[str, str, bytes]]:
    """Yield target, name and bytes."""
    for name, data in _of_msgpack():
        for target in (*_MSGPACK, *_SIGNED):
            yield target, name, data
        yield "message", name, codec._envelope_head(1, "ann", b"", len(data)) + data
        yield "record", name, b"\x05" + data
        yield "frames", name, b"\x3f" + len(data).to_bytes(4, "big") + bytes(8) + data
        for target, kind in zip(
            ("roster", "request", "transcript", "evidence"), trust.KINDS, strict=True
        ):
            yield target, name, armoured(kind, data).encode()
    for target in _JSON:
        yield target, "deep lists", b'{"a":' + b"[" * 200_000
        yield target, "a long number", b'{"number":' + b"9" * 200_000 + b"}"
    for target in _TOML:
        yield target, "deep lists", b"a = " + b"[" * 200_000
        yield target, "a long number", b"a = " + b"9" * 200_000
    yield from _of_frames()
    yield from _of_servers()


def _of_msgpack() -> Iterator[tuple[str, bytes]]:
    yield "4 billion items", b"\xdd\xff\xff\xff\xff" * 3
    yield "4 billion fields", b"\xdf\xff\xff\xff\xff" * 3
    yield "4 GB of bytes", b"\xc6\xff\xff\xff\xff"
    yield "a million items a thousand deep", b"\xdd\x00\x10\x00\x00" * 1000
    yield "a thousand deep", b"\x91" * 1000
    yield "a million deep", b"\x91" * _MIB
    yield "a million empty maps", b"\xdd\x00\x10\x00\x00" + b"\x80" * _MIB
    yield "an extension", b"\xc9\xff\xff\xff\xff\x05"
    yield "too long", bytes(MAX_MESSAGE_BYTES + 1)


def _of_frames() -> Iterator[tuple[str, str, bytes]]:
    yield "frames", "lengths above the bounds", b"\x3f" + b"\xff" * 12
    yield "frames", "a header that never comes", b"\x3f" + b"\x00\x10\x00\x00" + bytes(8)
    yield "contents", "a body that never comes", _announcing(count=1)
    yield "contents", "bodies on every channel that never come", _announcing(count=100)


def _announcing(*, count: int) -> bytes:
    """Return deliveries on so many channels that announce as much as we take, and no body."""
    said: list[tuple[Any, int]] = []
    for channel in range(1, count + 1):
        said.append((commands.Basic.Deliver("c", 7, False, "e", "key"), channel))
        said.append((header.ContentHeader(body_size=MOST_BYTES), channel))
    return b"".join(frame.marshal(value, channel) for value, channel in said)


def _of_servers() -> Iterator[tuple[str, str, bytes]]:
    blanks = b" " * 60_000
    ask = (CORPUS / "served" / "valid-all").read_bytes().removesuffix(b"\r\n")
    yield "served", "many blanks", ask + b"If-None-Match: a" + blanks + b"b\r\n\r\n"
    folded = b"If-None-Match: a" + (blanks + b"\r\n") * 40 + b" b\r\n\r\n"
    yield "served", "many lines of blanks", ask + folded
    yield "served", "a long path", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"
    yield "served", "many headers", ask + b"a: b\r\n" * 50_000 + b"\r\n"
    yield "range", "many digits", b"bytes=" + b"9" * 200_000 + b"-"
    yield "range", "many blanks", b"bytes=" + b" " * 200_000 + b"1-"
    head = b"\x00HTTP/1.1 200 OK\r\n"
    most = channels.LIMIT_BYTES
    yield "pulled", "more than the limit", head + b"\r\n" + bytes(100 * most)
    yield "pulled", "a long promise", head + b"Content-Length: 9999999999999\r\n\r\n"
    yield "pulled", "a huge chunk", head + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\nab"
    yield "pulled", "many headers", head + b"a: b\r\n" * 50_000
    yield "pulled", "a long header", head + b"a: " + b"b" * 200_000
    yield "pulled", "in a circle", b"\x00HTTP/1.1 301 M\r\nLocation: /a\r\n\r\n" * 10
