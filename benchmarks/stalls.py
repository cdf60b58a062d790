"""How long an event loop of this process was busy with something else.

Two figures, as a neighbour on a busy machine looks like a stall. `gap_ms` is the largest time
beyond a millisecond that a task waited which wakes every millisecond; the same of an idle process
in the same run says what of it is the machine's. `step_ms` is the most processor time that the
loop's thread spent in one step (one callback, or one piece of a task up to its next wait): what
nobody else's load can lengthen. What a step waited for the interpreter's lock is in the gap only.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

WAKE_S = 0.001
LONG_S = 0.020  # what a step may take at most
_LOOK_S = 0.004
_FRAMES = 4


@dataclass
class Stalls:
    """What was seen of one loop. `own_s` is the processor time of the watching itself."""

    gap_ms: float = 0.0
    step_ms: float = 0.0
    step_of: str = ""
    long_steps: int = 0
    steps: int = 0
    own_s: float = 0.0
    stacks: Counter[str] = field(default_factory=Counter)
    slept_s: float = field(default_factory=time.perf_counter)

    async def watch(self) -> None:
        """Wake every millisecond until cancelled."""
        while True:
            self.slept_s = time.perf_counter()
            await asyncio.sleep(WAKE_S)
            self.wake()

    def wake(self) -> None:
        """Take note of the gap that is open now."""
        gap_ms = (time.perf_counter() - self.slept_s - WAKE_S) * 1e3
        self.gap_ms = max(self.gap_ms, gap_ms)

    def take(self, handle: Any, seconds: float) -> None:
        """Take note of one step."""
        self.steps += 1
        name = _name_of(handle)
        if name == _WATCH:
            self.own_s += seconds
            return
        self.long_steps += seconds > LONG_S
        if seconds * 1e3 > self.step_ms:
            self.step_ms, self.step_of = seconds * 1e3, name


_WATCH = "stall watch"


@contextmanager
def stalls(*, blame: bool = False) -> Iterator[Stalls]:
    """Watch the running loop; with `blame` say also which code long steps were seen in."""
    found = Stalls()
    step = asyncio.events.Handle._run
    current: list[float] = [0.0]

    def timed(handle: Any) -> None:
        begun_s = time.thread_time()
        current[0] = time.perf_counter()
        step(handle)
        current[0] = 0.0
        found.take(handle, time.thread_time() - begun_s)

    ended = threading.Event()
    looker = threading.Thread(target=_look, args=(found, current, ended), daemon=True)
    if blame:
        looker.start()
    task = asyncio.create_task(found.watch(), name=_WATCH)
    try:
        with patch.object(asyncio.events.Handle, "_run", timed):
            yield found
    finally:
        found.wake()  # a gap that lasts until the watch ends is one, too
        task.cancel()
        ended.set()


def _look(found: Stalls, current: list[float], ended: threading.Event) -> None:
    """Say where the main thread is whenever one of its steps is long."""
    main = threading.main_thread().ident
    while not ended.wait(_LOOK_S):
        begun_s = current[0]
        if not begun_s or time.perf_counter() - begun_s < LONG_S / 2:
            continue
        frame = sys._current_frames().get(main or 0)
        if frame is not None and "selectors" not in frame.f_code.co_filename:
            lines = traceback.extract_stack(frame)[-_FRAMES:]
            where = (f"{one.filename.split('/')[-1]}:{one.lineno} {one.name}" for one in lines)
            found.stacks[" > ".join(where)] += 1


def _name_of(handle: Any) -> str:
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return task.get_name()
    return str(getattr(callback, "__qualname__", callback))
