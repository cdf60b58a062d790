"""How a process that handles chunk after chunk keeps its memory."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

# From malloc.h of the GNU C library; mallopt(3) says what they do.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_MIB = 2**20
_LARGE_BYTES = 8 * _MIB  # above any chunk: given back at once, so that nothing small keeps it
_SPARE_BYTES = 16 * _MIB
_SMALL_BYTES = 128 * 2**10  # below any chunk of the usual size


def settle_heap(*, spare: bool) -> bool:
    """Make this process fit for a long life of large messages; return whether the C library can.

    By default the GNU C library has a heap for each thread, in which memory gets lost between
    what lives long: one is enough under Python's lock. And it changes its mind about what goes
    back to the system, so that a process grows for hours. Here what is larger than any chunk goes
    back at once, and of the rest all that is free above 16 MiB. What is spare so is faster, as
    memory that was given back is faulted in again page by page, which costs as much as copying a
    chunk. Without `spare` chunks go back at once, too: a coordinator needs its memory for sums.
    What is loaded by now is left out of garbage collections. Call it once, when everything is
    imported and before threads are started.
    """
    gc.collect()
    gc.freeze()
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        wanted = {
            _M_ARENA_MAX: 1,
            _M_MMAP_THRESHOLD: _LARGE_BYTES if spare else _SMALL_BYTES,
            # Above it all that is free goes back, and not only what is too much.
            _M_TRIM_THRESHOLD: _SPARE_BYTES if spare else _MIB,
        }
        taken = [mallopt(option, value) for option, value in wanted.items()]
        return all(taken)
    return False


def give_back() -> None:
    """Give all that is free to the system, also what lies between what lives long.

    malloc_trim(3) of the GNU C library; elsewhere nothing is done. Takes milliseconds: not for
    every message.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
