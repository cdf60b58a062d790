"""The records of a stream's file, and what a crash or a rotten disk left of them.

A record is a header of 60 bytes, the chunk, and zeros up to a multiple of 4096 bytes, so that it
can be written without a copy in the system's cache. The header, numbers big-endian: `QSR3`,
index (4), length (4), settled (8), tag of the stream's name (8), checksum of name, index and
chunk (16), checksum of the header so far (16). Headers are sealed with BLAKE2b; a chunk's own
checksum is XXH3-128, which costs a hundredth: it tells rot, and what was announced is checked by
its SHA-256.

`settled` is how long the file was, and durable, when the batch began to which the record belongs:
its presence proves that everything before that offset once was whole. This tells rot from a torn
tail. What is bad before the last proof has rotted; from there on it may be the remains of a batch
that was never announced, and is cut off from its first bad byte. So rot in the last batch of a
stream, when it is opened, looks like chunks that never came.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct

import xxhash

from .block_writer import UNIT_BYTES

MAGIC = b"QSR3"
CHECKSUM_BYTES = 16
TAG_BYTES = 8
_HEADER = Struct(f">{len(MAGIC)}sIIQ{TAG_BYTES}s{CHECKSUM_BYTES}s")
HEADER_BYTES = _HEADER.size + CHECKSUM_BYTES
_ENTRY = Struct(f">QI{CHECKSUM_BYTES}s")
ENTRY_BYTES = _ENTRY.size
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What precedes a chunk."""

    index: int
    length: int
    settled: int
    tag: bytes
    checksum: bytes

    def to_bytes(self) -> bytes:
        """Return the header as it is in the file."""
        packed = _HEADER.pack(MAGIC, self.index, self.length, self.settled, self.tag, self.checksum)
        return packed + blake2b(packed, digest_size=CHECKSUM_BYTES).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Header | None:
        """Return the header, None if it is cut short or any bit of it is wrong."""
        packed, checksum = data[: _HEADER.size], data[_HEADER.size :]
        if not data.startswith(MAGIC) or len(data) != HEADER_BYTES:
            return None
        if blake2b(packed, digest_size=CHECKSUM_BYTES).digest() != checksum:
            return None
        return cls(*_HEADER.unpack(packed)[1:])


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a chunk's bytes are in its file, and their checksum."""

    offset: int
    length: int
    checksum: bytes

    @classmethod
    def unpacked(cls, packed: bytes | bytearray) -> Entry:
        """Return what was `packed`."""
        return cls(*_ENTRY.unpack(packed))

    def packed(self) -> bytes:
        """Return it in `ENTRY_BYTES` bytes."""
        return _ENTRY.pack(self.offset, self.length, self.checksum)

    @property
    def end(self) -> int:
        """Return the offset behind the record, a multiple of 4096."""
        return self.offset + self.length + self.padding

    @property
    def padding(self) -> int:
        """Return how many zeros follow the chunk."""
        return -(self.offset + self.length) % UNIT_BYTES


@dataclass(slots=True)
class Scanned:
    """What a file holds: the newest entry of each index, up to `end`; `fault` is rot."""

    entries: dict[int, Entry] = field(default_factory=dict)
    end: int = 0
    fault: str | None = None


def name_tag(stream: str) -> bytes:
    """Return what tells one stream's records from another's."""
    return blake2b(stream.encode(), digest_size=TAG_BYTES).digest()


def chunk_checksum(stream: str, index: int, chunk: bytes) -> bytes:
    """Return the checksum of a chunk in its place: a record that was moved or swapped is damage."""
    name = f"{stream}/{index}".encode()
    digest = xxhash.xxh3_128(len(name).to_bytes(8, "big") + name)
    digest.update(chunk)
    return digest.digest()


def is_whole(descriptor: int, stream: str, index: int, entry: Entry) -> bool:
    """Return whether the chunk in the file is the one that was put."""
    chunk = os.pread(descriptor, entry.length, entry.offset)
    return chunk_checksum(stream, index, chunk) == entry.checksum


def scan(descriptor: int, stream: str) -> Scanned:
    """Read a stream's file: all headers, and the chunks of the last batch."""
    size = os.fstat(descriptor).st_size
    tag, found, settled = name_tag(stream), Scanned(), 0
    chunks: list[tuple[int, Entry]] = []
    for header, entry in _chain(descriptor):
        if header.tag != tag:
            found.fault = "is another stream's"
            break
        # Also that of a record cut short: those before its batch once were whole.
        settled = max(settled, header.settled)
        if entry.end > size:
            break
        chunks.append((header.index, entry))
        found.end = entry.end
    if found.fault is None and found.end < size and _is_vouched_for(descriptor, found.end):
        found.fault = f"has a damaged header at byte {found.end}"
    if found.fault is None:
        found.end = _whole_until(descriptor, stream, settled, chunks)
    found.entries = {index: entry for index, entry in chunks if entry.end <= found.end}
    return found


def _whole_until(
    descriptor: int, stream: str, settled: int, chunks: Sequence[tuple[int, Entry]]
) -> int:
    """Return where the last batch ends or is torn."""
    end = settled
    for index, entry in chunks:
        if entry.end <= settled:
            continue
        if not is_whole(descriptor, stream, index, entry):
            break
        end = entry.end
    return end


def _chain(descriptor: int) -> Iterator[tuple[Header, Entry]]:
    offset = 0
    while header := Header.from_bytes(os.pread(descriptor, HEADER_BYTES, offset)):
        entry = Entry(offset + HEADER_BYTES, header.length, header.checksum)
        yield header, entry
        offset = entry.end


def _is_vouched_for(descriptor: int, offset: int) -> bool:
    """Return whether a record further on proves that one was durable here.

    It may be a forgery inside a chunk, so it is believed in nothing else: the length of the
    record at `offset` is unknown, and with it where the next ones begin.
    """
    start = offset + 1
    while block := os.pread(descriptor, _BLOCK_BYTES + HEADER_BYTES, start):
        place = block.find(MAGIC)
        while 0 <= place < _BLOCK_BYTES:
            header = Header.from_bytes(block[place : place + HEADER_BYTES])
            if header is not None and offset < header.settled <= start + place:
                return True
            place = block.find(MAGIC, place + 1)
        start += _BLOCK_BYTES
    return False
