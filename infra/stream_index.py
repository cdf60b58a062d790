"""Where the chunks of one stream are in its file, in as little memory as that takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from .stream_records import ENTRY_BYTES, Entry

_KEY_BYTES = 4
_ROW_BYTES = _KEY_BYTES + ENTRY_BYTES


class StreamIndex:
    """Entries by the number of their chunk: 32 bytes for each, in order.

    A coordinator has one for each of thousands of streams, whose entries as objects would take
    six times that.
    """

    def __init__(self) -> None:
        self._rows = bytearray()

    def get(self, index: int) -> Entry | None:
        """Return where a chunk is, None if it is not there. Time O(log of how many)."""
        start, found = self._place(index)
        if not found:
            return None
        return Entry.unpacked(self._rows[start + _KEY_BYTES : start + _ROW_BYTES])

    def take(self, entries: Mapping[int, Entry]) -> None:
        """Put entries in, in the place of those of the same chunks."""
        for index, entry in entries.items():
            start, found = self._place(index)
            row = index.to_bytes(_KEY_BYTES, "big") + entry.packed()
            self._rows[start : start + _ROW_BYTES if found else start] = row

    def indices(self) -> frozenset[int]:
        """Return which chunks are there."""
        return frozenset(map(self._key, range(len(self._rows) // _ROW_BYTES)))

    def _place(self, index: int) -> tuple[int, bool]:
        # Where its row begins, or would; and whether it is there.
        count = len(self._rows) // _ROW_BYTES
        row = bisect_left(range(count), index, key=self._key)
        return row * _ROW_BYTES, row < count and self._key(row) == index

    def _key(self, row: int) -> int:
        start = row * _ROW_BYTES
        return int.from_bytes(self._rows[start : start + _KEY_BYTES], "big")
