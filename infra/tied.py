"""An actor's process that was started by another one never outlives it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_STDIN = 0


def end_with_parent(last: Callable[[], None]) -> None:
    """Die when the parent does, however that happens; call it in the event loop's thread.

    Standard input is a pipe that only the parent writes to, and its end is the parent's: `last`
    is called then, and the process ends at once. On Linux the kernel kills it besides, which
    reaches also a process that is stopped.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        if not os.read(_STDIN, 1024):
            last()
            os._exit(128 + signal.SIGKILL)

    # Where the parent was gone before the kernel was told, the pipe has ended by now.
    asyncio.get_running_loop().add_reader(_STDIN, watch)
