"""How a process that handles chunk after chunk keeps its memory."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

# From malloc.h of the GNU C library; mallopt(3) says what they do.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_MIB = 2**20
_LARGE_BYTES = 128 * 2**10  # given back at once: a chunk of the usual size is, too
_CHUNK_BYTES = 8 * _MIB
_KEPT_BYTES = 32 * _MIB


def settle_heap(*, keep: bool) -> bool:
    """Make this process fit for a long life of large messages; return whether the C library can.

    By default the GNU C library has a heap for each thread, in which memory gets lost between
    what lives long: one is enough under Python's lock. And it changes its mind about what goes
    back to the system, so that a process grows for hours. Here either all that is large goes
    back at once; or, with `keep`, 32 MiB are taken now and stay. That is faster, as memory that
    was given back is faulted in again page by page, which costs as much as copying a chunk.
    What is loaded by now is left out of garbage collections. Call it once, when everything is
    imported and before threads are started.
    """
    gc.collect()
    gc.freeze()
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        wanted = {
            _M_ARENA_MAX: 1,
            _M_MMAP_THRESHOLD: _CHUNK_BYTES if keep else _LARGE_BYTES,
            # Above it all that is free goes back, and not only what is too much.
            _M_TRIM_THRESHOLD: 2 * _KEPT_BYTES if keep else _MIB,
        }
        taken = [mallopt(option, value) for option, value in wanted.items()]
        if keep:
            _touch(_KEPT_BYTES)
        return all(taken)
    return False


def _touch(size: int) -> None:
    """Have so many bytes in the heap, and free again."""
    blocks = [bytes(bytearray(_MIB)) for _ in range(size // _MIB)]
    del blocks
