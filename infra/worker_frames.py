"""What a worker and its child process say to each other.

A frame is a small msgpack header and raw bytes: a model state or a vector has no business in
msgpack, nor has pickle on this channel.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal

import msgspec

from protocols.codec import Undecodable, canonical

MAX_HEADER_BYTES = 2**20
MAX_BULK_BYTES = 2**31
MAX_TEXT = 1000

_LENGTHS = struct.Struct(">IQ")

Option = bool | int | float | str | list[bool | int | float | str]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class WorkSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an owner's child process has to know.

    Attributes:
        options: those of the algorithm in job.toml.
        task: path of the owner's Python file (fedavg).
        data: path of the owner's table (logistic), or whatever `data(owner)` makes of it.
        memory_mb: limit of the whole child process; Linux only.
        compute_s: limit of one computation; `start_s` of starting the child.
        close_s: how long the child may take to end by itself.
        threads: of the child's arithmetic.
    """

    kind: Literal["fedavg", "logistic", "probe"]
    options: dict[str, Option]
    owner: str
    task: str = ""
    data: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**62)] = 0
    memory_mb: Annotated[int, msgspec.Meta(ge=256)] = 8192
    compute_s: Annotated[float, msgspec.Meta(gt=0)] = 600.0
    start_s: Annotated[float, msgspec.Meta(gt=0)] = 120.0
    close_s: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the child shall do; the bulk is a state, where one belongs."""

    op: Literal["start", "describe", "initial", "compute", "evaluate", "fit"]
    number: int = 0
    spec: WorkSpec | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of it; a `kind` means that it failed. The bulk is a vector or a state."""

    kind: Annotated[str, msgspec.Meta(max_length=64)] = ""
    text: Text = ""
    metrics: dict[str, float] = {}
    warnings: tuple[Text, ...] = ()


def pack(header: msgspec.Struct, bulk: bytes | memoryview = b"") -> list[bytes | memoryview]:
    """Return the pieces of a frame, in order; no copy of `bulk`."""
    head = canonical(header)
    return [_LENGTHS.pack(len(head), len(bulk)) + head, bulk]


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what came in."""
        self._buffer += data

    def next(self) -> tuple[bytes, bytearray] | None:
        """Return the next header and bulk, or None while they are not complete.

        Raises:
            Undecodable: a length is above its bound.
        """
        if len(self._buffer) < _LENGTHS.size:
            return None
        head, bulk = _LENGTHS.unpack_from(self._buffer)
        if head > MAX_HEADER_BYTES or bulk > MAX_BULK_BYTES:
            raise Undecodable("a frame above the bound")
        start, stop = _LENGTHS.size + head, _LENGTHS.size + head + bulk
        if len(self._buffer) < stop:
            return None
        frame = bytes(self._buffer[_LENGTHS.size : start]), self._buffer[start:stop]
        del self._buffer[:stop]
        return frame
