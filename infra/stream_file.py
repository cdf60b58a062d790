"""One stream of chunks in one file: appended to in batches, indexed in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress

from actors.ports import StorageFailed

from .block_writer import BlockWriter
from .stream_index import StreamIndex
from .stream_records import Entry, Header, chunk_checksum, is_whole, name_tag, scan

log = logging.getLogger(__name__)


class StreamFile:
    """The index of one stream; its open file is lent for each call.

    Only what is durable is in the index. The place of a replaced chunk is not used again: a
    stream lives as long as its round.
    """

    def __init__(self, stream: str, *, fault: str | None = None) -> None:
        self.stream = stream
        self._index = StreamIndex()
        self._end = 0
        self._fault = fault
        self._batch: tuple[int, dict[int, Entry]] = (0, {})

    @classmethod
    def opened(cls, stream: str, descriptor: int) -> StreamFile:
        """Index a file, cut a torn tail off, and make durable what a killed process left."""
        scanned = scan(descriptor, stream)
        torn = os.fstat(descriptor).st_size - scanned.end
        if scanned.fault is None and torn > 0:
            log.warning("%s: cut off %d bytes of a batch that never was durable", stream, torn)
            os.ftruncate(descriptor, scanned.end)
        os.fsync(descriptor)
        file = cls(stream, fault=scanned.fault)
        file._index.take(scanned.entries)
        file._end = scanned.end
        return file

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was ever durable here."""
        return self._end == 0 and self._fault is None

    def indices(self) -> frozenset[int]:
        """Return which chunks are there."""
        return self._index.indices()

    def entry(self, index: int) -> Entry | None:
        """Return where a chunk is, None without it; raise `StorageFailed` if rot hides that."""
        self._require_sound(index)
        return self._index.get(index)

    def read(self, descriptor: int, index: int, entry: Entry) -> bytes:
        """Return the chunk at its `entry`, checked."""
        chunk = os.pread(descriptor, entry.length, entry.offset)
        if chunk_checksum(self.stream, index, chunk) != entry.checksum:
            raise _damaged(self.stream, index, "has changed since it was put")
        return chunk

    def append(
        self, descriptor: int, chunks: Sequence[tuple[int, bytes]], writer: BlockWriter
    ) -> None:
        """Write a batch and sync it; `settle` puts it into the index, `withdraw` takes it back."""
        self._batch = (self._end, {})
        self._require_sound(chunks[0][0])
        size = os.fstat(descriptor).st_size
        if size < self._end:
            raise _damaged(self.stream, chunks[0][0], f"lost its last {self._end - size} bytes")
        buffers = self._records(descriptor, chunks)
        if not buffers:
            return
        if size > self._end:
            os.ftruncate(descriptor, self._end)  # a batch that could not be withdrawn
        try:
            writer.write(descriptor, buffers, self._end)
            os.fsync(descriptor)
        except OSError:
            self.withdraw(descriptor)
            raise

    def settle(self) -> None:
        """Take the batch into the index: now its file and the file's name are durable."""
        self._end, entries = self._batch
        self._index.take(entries)
        self._batch = self._end, {}

    def withdraw(self, descriptor: int) -> None:
        """Cut the batch off; where that fails too, the next one does it before it writes."""
        with suppress(OSError):
            os.ftruncate(descriptor, self._end)

    def _records(self, descriptor: int, chunks: Sequence[tuple[int, bytes]]) -> list[bytes]:
        end, batch = self._batch
        tag, buffers = name_tag(self.stream), []
        for index, chunk in chunks:
            checksum = chunk_checksum(self.stream, index, chunk)
            if self._has_equal(descriptor, index, checksum, batch):
                continue
            header = Header(index, len(chunk), self._end, tag, checksum).to_bytes()
            batch[index] = Entry(end + len(header), len(chunk), checksum)
            end = batch[index].end
            buffers += [header, chunk, bytes(batch[index].padding)]
        self._batch = (end, batch)
        return buffers

    def _has_equal(
        self, descriptor: int, index: int, checksum: bytes, batch: dict[int, Entry]
    ) -> bool:
        if index in batch:
            return batch[index].checksum == checksum
        entry = self._index.get(index)
        if entry is None or entry.checksum != checksum:
            return False
        # Read, so that putting a rotten chunk again heals it.
        return is_whole(descriptor, self.stream, index, entry)

    def _require_sound(self, index: int) -> None:
        if self._fault is not None:
            raise _damaged(self.stream, index, f"lies in a file that {self._fault}")


def _damaged(stream: str, index: int, what: str) -> StorageFailed:
    return StorageFailed(
        f"chunk {index} of {stream!r} {what}, it is damaged: erase the stream and have it "
        "sent again"
    )
