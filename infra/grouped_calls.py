"""One thread that carries out calls in their order, and neighbours of the same kind together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Generic, TypeVar

from actors.ports import StorageFailed

T = TypeVar("T")
R = TypeVar("R")

MAX_TOGETHER = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[T]):
    """Either an item that is done with its neighbours, or work of its own."""

    item: T | None
    work: Callable[[], Any] | None
    begun: asyncio.Future[None] = field(default_factory=asyncio.Future)
    done: asyncio.Future[Any] = field(default_factory=asyncio.Future)


class GroupedCalls(Generic[T]):
    """Calls that wait at the same time share one hop to the thread, at most 64 of them.

    What a hop carries out is answered when all of it has ended. A call that is cancelled while
    it waits never begins; a cancellation after that comes through when the call has ended.
    """

    def __init__(
        self, together: Callable[[Sequence[T]], Sequence[Exception | None]], *, name: str
    ) -> None:
        """`together` does items that were neighbours, and says for each why it failed."""
        self._together = together
        self._name = name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[_Call[T]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def join(self, item: T) -> None:
        """Return once `item` is done, together with those that wait beside it."""
        await self._outcome(_Call(item, None))

    async def run(self, work: Callable[[], R]) -> R:
        """Return `work()`, done after all that was called before."""
        result: R = await self._outcome(_Call(None, work))
        return result

    async def close(self) -> None:
        """Carry out what waits, then end the thread; again is fine."""
        self._closed = True
        await self._idle.wait()
        self._thread.shutdown()

    async def _outcome(self, call: _Call[T]) -> Any:
        if self._closed:
            raise StorageFailed(f"the {self._name} is closed: open it again")
        self._waiting.append(call)
        if self._idle.is_set():
            self._idle.clear()
            # A turn later: whoever is about to call in this turn of the loop comes along.
            asyncio.get_running_loop().call_soon(self._hop)
        cancelled = False
        try:
            await call.begun
        except asyncio.CancelledError:
            if call.begun.cancelled():
                raise
            cancelled = True
        while not call.done.done():
            try:
                await asyncio.wait([call.done])
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            call.done.exception()  # looked at, so that asyncio does not complain of a lost one
            raise asyncio.CancelledError
        return call.done.result()

    def _hop(self) -> None:
        group: list[_Call[T]] = []
        while self._waiting and len(group) < MAX_TOGETHER:
            call = self._waiting.popleft()
            if not call.begun.cancelled():
                call.begun.set_result(None)
                group.append(call)
        if not group:
            self._idle.set()
            return
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._thread, lambda: list(self._carry_out(group)))
        job.add_done_callback(lambda ended: self._landed(group, ended))

    def _landed(self, group: list[_Call[T]], job: asyncio.Future[list[Any]]) -> None:
        error = job.exception()
        outcomes = job.result() if error is None else [error] * len(group)
        for call, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                call.done.set_exception(outcome)
            else:
                call.done.set_result(outcome)
        self._hop()

    def _carry_out(self, group: list[_Call[T]]) -> Iterator[Any]:
        for _, run in groupby(group, key=lambda call: call.work is None):
            calls = list(run)
            if items := [call.item for call in calls if call.item is not None]:
                yield from self._together(items)
                continue
            for call in calls:
                yield _result(call.work)


def _result(work: Callable[[], Any] | None) -> Any:
    try:
        return None if work is None else work()
    except Exception as error:  # noqa: BLE001 - handed on to the caller
        return error
