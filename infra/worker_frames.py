"""What a worker and its child process say to each other.

A frame is a small msgpack header and raw bytes: a model state or a vector has no business in
msgpack, nor has pickle on this channel.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable, canonical
from protocols.learning.disclosure import NO_RULES, Rules

from .tables import Agreement

MAX_HEADER_BYTES = 2**20
MAX_BULK_BYTES = 2**31
MAX_TEXT = 1000

_LENGTHS = struct.Struct(">IQ")

Option = bool | int | float | str | list[bool | int | float | str | list[float]]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class WorkSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an owner's child process has to know.

    Attributes:
        options: those of the algorithm in job.toml.
        task: path of the owner's Python file (fedavg).
        start: path of the model to begin with; empty for that of the task.
        data: path of the owner's table, or whatever `data(owner)` makes of it.
        home: folder for what the owner keeps from round to round; empty for none.
        agreement: what all owners agreed on about their tables; `rules` are this owner's own.
        refused: why this owner takes no part in the job at all; empty where it does.
        memory_mb: limit of the whole child process; Linux only.
        compute_s: limit of one computation; `start_s` of starting the child.
        close_s: how long the child may take to end by itself.
        threads: of the child's arithmetic.
    """

    kind: str
    options: dict[str, Option]
    owner: str
    task: str = ""
    start: str = ""
    data: str = ""
    home: str = ""
    agreement: Agreement = Agreement()
    rules: Rules = NO_RULES
    refused: Text = ""
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


class Parcel:
    """A frame on its way out: no copy of the bulk, of which nothing is held once it was sent."""

    def __init__(self, header: msgspec.Struct, bulk: bytes | memoryview = b"") -> None:
        head = canonical(header)
        lengths = _LENGTHS.pack(len(head), len(bulk))
        self._left = deque([memoryview(lengths + head), memoryview(bulk)])

    def __iter__(self) -> Iterator[memoryview]:
        """Hand out the pieces in order, each once."""
        while self._left:
            yield self._left.popleft()


class FrameReader:
    """Cuts a stream of bytes into frames; a frame's bulk is in memory once."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._wanted = _LENGTHS.size  # of the head
        self._bulk: NDArray[np.uint8] | None = None
        self._filled = 0
        self._whole: deque[tuple[bytes, memoryview]] = deque()

    def feed(self, data: bytes) -> None:
        """Take what came in.

        Raises:
            Undecodable: a length is above its bound.
        """
        rest = memoryview(data)
        while rest:
            taken = self._take_head(rest) if self._bulk is None else self._take_bulk(rest)
            rest = rest[taken:]

    def next(self) -> tuple[bytes, memoryview] | None:
        """Return the next header and bulk, or None while they are not complete."""
        return self._whole.popleft() if self._whole else None

    def _take_head(self, data: memoryview) -> int:
        taken = min(len(data), self._wanted - len(self._head))
        self._head += data[:taken]
        if len(self._head) < self._wanted:
            return taken
        head, bulk = _LENGTHS.unpack_from(self._head)
        if head > MAX_HEADER_BYTES or bulk > MAX_BULK_BYTES:
            raise Undecodable("a frame above the bound")
        self._wanted = _LENGTHS.size + head
        if len(self._head) == self._wanted:
            # Not filled in, so a lie about the length takes no memory.
            self._bulk = np.empty(bulk, dtype=np.uint8)
            self._close_if_whole(self._bulk)
        return taken

    def _take_bulk(self, data: memoryview) -> int:
        bulk = self._bulk
        if bulk is None:
            return 0
        taken = min(len(data), bulk.size - self._filled)
        bulk[self._filled : self._filled + taken] = np.frombuffer(data[:taken], dtype=np.uint8)
        self._filled += taken
        self._close_if_whole(bulk)
        return taken

    def _close_if_whole(self, bulk: NDArray[np.uint8]) -> None:
        if self._filled == bulk.size:
            self._whole.append((bytes(self._head[_LENGTHS.size :]), bulk.data))
            self._head.clear()
            self._wanted, self._bulk, self._filled = _LENGTHS.size, None, 0
