"""Bytes that lie in several places: written, hashed and sent without a copy of them all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Bytes that are shared with whoever made them, who must not write to them any more.

    `spans` are contiguous memory of single bytes, one after the other.
    """

    spans: tuple[memoryview, ...] = field(repr=False)

    @staticmethod
    def of(*parts: bytes | bytearray | memoryview) -> Pieces:
        """Return bytes that are already there, one after the other, none copied."""
        return Pieces(tuple(memoryview(part) for part in parts))

    def __len__(self) -> int:
        return sum(len(span) for span in self.spans)

    def __bytes__(self) -> bytes:
        return b"".join(self.spans)

    def sha256(self) -> bytes:
        """Return the SHA-256 of all bytes."""
        digest = hashlib.sha256()
        for span in self.spans:
            digest.update(span)
        return digest.digest()

    def between(self, start: int, stop: int) -> bytes:
        """Return a copy of the bytes from `start` to before `stop`; cut at the end."""
        found, first = list[memoryview](), 0
        for span in self.spans:
            found.append(span[max(start - first, 0) : max(stop - first, 0)])
            first += len(span)
        return b"".join(found)
