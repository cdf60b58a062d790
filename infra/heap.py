"""How a process that handles chunk after chunk keeps its memory."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

# From malloc.h of the GNU C library; mallopt(3) says what they do.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

CHUNK_BYTES = 8 * 2**20
KEPT_BYTES = 32 * 2**20


def settle_heap(*, keep: bool) -> bool:
    """Make this process fit for a long life of large messages; return whether the C library can.

    By default the GNU C library has a heap for each thread, in which memory gets lost between
    what lives long: one is enough under Python's lock. And it gives the memory of every freed
    chunk back to the system and faults it in again for the next one, page by page, which costs
    as much as copying it: with `keep` up to 32 MiB stay with the process. What is loaded by now
    is left out of garbage collections. Call it once, when everything is imported and before
    threads are started.
    """
    gc.collect()
    gc.freeze()
    wanted = {_M_ARENA_MAX: 1}
    if keep:
        wanted |= {_M_MMAP_THRESHOLD: CHUNK_BYTES, _M_TRIM_THRESHOLD: KEPT_BYTES}
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        taken = [mallopt(option, value) for option, value in wanted.items()]
        return all(taken)
    return False
