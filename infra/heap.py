"""How a process that handles chunk after chunk keeps its memory."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

# From malloc.h of the GNU C library; mallopt(3) says what they do.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

CHUNK_BYTES = 8 * 2**20
KEPT_BYTES = 64 * 2**20


def settle_heap() -> bool:
    """Make this process fit for a long life of large messages; return whether the C library can.

    By default the GNU C library gives the memory of every freed chunk back to the system and
    faults it in again for the next one, page by page, which costs as much as copying it. From
    here on up to 64 MiB stay with the process. What is loaded by now is left out of garbage
    collections. Call it once, when everything is imported.
    """
    gc.collect()
    gc.freeze()
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mmapped: int = mallopt(_M_MMAP_THRESHOLD, CHUNK_BYTES)
        trimmed: int = mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        return bool(mmapped and trimmed)
    return False
