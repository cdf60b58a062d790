"""The machine's own clock, randomness and threads behind the ports."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import ParamSpec, TypeVar

from actors.ports import PortError

P = ParamSpec("P")
R = TypeVar("R")


class SystemClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Return monotonic seconds since an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SystemEntropy:
    """The operating system's randomness."""

    def bytes(self, count: int) -> bytes:
        """Return `count` unpredictable bytes."""
        return os.urandom(count)


class ThreadOffload:
    """A few threads; at most `workers` calls are with them, the others wait in line.

    A call that has begun can't be stopped: it keeps its thread until it ends.
    """

    def __init__(self, *, workers: int, name: str = "offload") -> None:
        self._workers = workers
        self._name = name
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._free = asyncio.Semaphore(workers)
        self._closing = asyncio.Lock()
        self._closed = False

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)`; a cancelled call returns at once and drops the result.

        No thread has the arguments any more when the result is there: they may be large.
        """
        return await asyncio.shield(await self._begin(partial(work, *args, **kwargs)))

    async def run_to_end(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)`; a cancellation comes through only when the work has ended.

        A call that is cancelled while it still waits for a thread never begins.
        """
        job = await self._begin(partial(work, *args, **kwargs))
        ended = asyncio.Event()
        job.add_done_callback(lambda _: ended.set())
        cancelled = False
        while not job.done():
            try:
                await ended.wait()
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            job.exception()  # looked at, so that asyncio does not complain of a lost one
            raise asyncio.CancelledError
        return job.result()

    async def close(self) -> None:
        """Wait for what runs, then end the threads; again is fine."""
        async with self._closing, AsyncExitStack() as slots:
            for _ in range(self._workers):
                await slots.enter_async_context(self._free)
            self._closed = True
            self._threads.shutdown()

    async def _begin(self, work: Callable[[], R]) -> asyncio.Future[R]:
        await self._free.acquire()
        if self._closed:
            self._free.release()
            raise PortError(f"the threads of {self._name!r} are closed: nothing can run there")
        job = asyncio.get_running_loop().run_in_executor(self._threads, _taken, [work])
        job.add_done_callback(lambda _: self._free.release())
        return job


def _taken(box: list[Callable[[], R]]) -> R:
    # A thread holds on to what it was given until after the result is told, so it gets a box.
    return box.pop()()
