"""Writing to a file past the system's cache, where the file system can."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Sequence
from mmap import mmap

UNIT_BYTES = 4096  # of memory, of a file's offset and of a length, wherever there is O_DIRECT
_BLOCK_BYTES = 1 << 22
# macOS has no such flag; a file system without it says one of the errors.
_DIRECT = getattr(os, "O_DIRECT", 0)
_UNABLE = (errno.EINVAL, errno.EOPNOTSUPP)


class BlockWriter:
    """One block of memory, 4 MiB, through which all goes that is written.

    The cache would have to find fresh memory for every byte, which costs more than the write
    where a machine's memory is virtual. Not durable before an fsync. For one thread.
    """

    def __init__(self) -> None:
        # Of the system itself, as it is aligned; it takes no memory before it is written to.
        self._block = mmap(-1, _BLOCK_BYTES)

    def write(self, descriptor: int, pieces: Sequence[bytes], offset: int) -> None:
        """Write all pieces one behind the other. Raises `OSError`.

        The offset and the length of all pieces together must be multiples of `UNIT_BYTES`.
        """
        try:
            direct = _set_direct(descriptor, on=True)
            for part in self._blocks(pieces):
                direct = _write(descriptor, part, offset, direct=direct)
                offset += len(part)
        finally:
            _set_direct(descriptor, on=False)

    def _blocks(self, pieces: Iterable[bytes]) -> Iterable[memoryview]:
        """Copy the pieces into the block; give it out whenever it is full, and at the end."""
        block, filled = memoryview(self._block), 0
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                taken = min(len(rest), len(block) - filled)
                block[filled : filled + taken] = rest[:taken]
                rest, filled = rest[taken:], filled + taken
                if filled == len(block):
                    yield block
                    filled = 0
        if filled:
            yield block[:filled]


def _write(descriptor: int, part: memoryview, offset: int, *, direct: bool) -> bool:
    """Write all of a part; return whether the file is still written past the cache."""
    while part:
        try:
            written = os.pwritev(descriptor, [part], offset)
        except OSError as error:
            # Also where a limit cuts a write at no multiple.
            if not direct or error.errno not in _UNABLE:
                raise
            direct = _set_direct(descriptor, on=False)
            continue
        part, offset = part[written:], offset + written
    return direct


def _set_direct(descriptor: int, *, on: bool) -> bool:
    """Let a file be written past the cache, or not; return whether it is."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _DIRECT if on else flags & ~_DIRECT)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        return False
    return on and bool(_DIRECT)
