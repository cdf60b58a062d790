"""What a decoder promises to whoever gives it bytes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Decode = Callable[[bytes], None]
_MEMORY = "/dev/shm"  # noqa: S108  # a folder of its own is made in it


@dataclass(frozen=True)
class Target:
    """A decoder, and the only errors with which it may refuse bytes.

    `decode` also checks what it got: that it is written again as the same bytes, or can be used.
    """

    name: str
    decode: Decode
    refusals: tuple[type[Exception], ...]

    def takes(self, data: bytes) -> bool:
        """Say whether the bytes are taken; whatever is neither that nor a refusal is raised."""
        try:
            self.decode(data)
        except self.refusals:
            return False
        return True


def cut(data: bytes, size: int) -> list[bytes]:
    """Return the bytes in pieces, as a stream may bring them."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def chosen(data: bytes, count: int) -> tuple[int, bytes]:
    """Return which of so many alternatives the first byte means, and the bytes behind it."""
    return (data[0] if data else 0) % count, data[1:]


def in_a_folder(use: Callable[[Path], None]) -> None:
    """Call with a new folder, in memory where the system has that; it goes afterwards."""
    place = _MEMORY if os.path.isdir(_MEMORY) else None
    with tempfile.TemporaryDirectory(prefix="quorate-fuzz-", dir=place) as folder:
        use(Path(folder))
