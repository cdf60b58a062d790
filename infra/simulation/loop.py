"""An event loop in virtual time: when nobody can go on, the clock jumps to the next timer.

What is not implemented raises `NotImplementedError`, so whatever would leave the simulation
(threads, sockets, child processes, signals) fails loudly.
"""

from __future__ import annotations

import asyncio
import asyncio.events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from typing import Any

import msgspec

from .hosts import LIFE, Life

_STANDSTILL = 200_000  # steps without time passing that can only be a livelock
_GRAVE_STEPS = 1_000_000
_SLACK = 512  # cancelled timers that may lie in the heap beside as many living ones


class Standstill(Exception):
    """Something goes on and on while no time passes."""


class SimHandle(msgspec.Struct, gc=False, eq=False):
    """A call that is due now or later; `context` is None for calls of the world itself.

    Made for every step of every task, which is why it is made by a library.
    """

    callback: Callable[..., object] | None
    args: tuple[Any, ...]
    context: Context | None
    life: Life | None
    when_s: float = 0.0

    def cancel(self) -> None:
        """Never call."""
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        """Return whether it was cancelled."""
        return self.callback is None

    def when(self) -> float:
        """Return when it is due, on the clock it was asked for."""
        return self.when_s


class SimLoop(asyncio.AbstractEventLoop):
    """Runs one simulation: first come, first served; timers by time, then in their order.

    A handle belongs to the life in whose context it was made. Handles of a paused life wait,
    those of a dead one are never called until `bury`.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.steps = 0
        self.failures: list[str] = []
        self._ready: deque[SimHandle] = deque()
        self._timers: list[tuple[float, int, SimHandle]] = []
        self._sequence = 0
        self._tasks = 0
        self._compact_at = _SLACK
        self._running = False
        self._closed = False
        self._lives: list[Life] = []
        self._outside: list[asyncio.Task[Any]] = []

    # --- what asyncio asks for --------------------------------------------------------

    def time(self) -> float:
        """Return the seconds on the clock of the host whose code runs, else of the world."""
        life = LIFE.get()
        if life is None:
            return self.now_s
        clock = life.clock
        # As `HostClock.read`, which takes as long as all of this.
        return clock.offset_s + (self.now_s - clock.since_s) * clock.rate

    def call_soon(  # type: ignore[override]  # a slimmer handle, with all that is used of one
        self,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> SimHandle:
        """Call after what is ready already."""
        if context is None:
            context = copy_context()
        handle = SimHandle(callback, args, context, context.get(LIFE))
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> SimHandle:
        """Call after so many seconds on the clock of the caller's host."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> SimHandle:
        """Call at a time on the clock of the caller's host."""
        if context is None:
            context = copy_context()
        life = context.get(LIFE)
        handle = SimHandle(callback, args, context, life, when)
        self._push(when if life is None else life.clock.world_s(when), handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # as every loop since Python 3.11
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        """Run a coroutine; the task is kept as long as the life it belongs to."""
        self._tasks += 1
        task: asyncio.Task[Any] = asyncio.Task(
            coro, loop=self, name=name or f"task {self._tasks}", context=context
        )
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is None:
            self._outside.append(task)
        else:
            life.keep(task)
        return task

    def get_debug(self) -> bool:
        """Return False: debugging reads the real clock."""
        return False

    def is_running(self) -> bool:
        """Return whether a call of this loop is on the stack."""
        return self._running

    def is_closed(self) -> bool:
        """Return whether it has been buried."""
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take note of what nobody else caught: the run has failed."""
        error = context.get("exception")
        text = str(context.get("message", ""))
        self.failures.append(text if error is None else f"{text}: {type(error).__name__}: {error}")

    # --- what the world asks for ------------------------------------------------------

    def at(self, when_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Call at a time of the world, outside all hosts."""
        now_s, handle = self.now_s, SimHandle(callback, args, None, None)
        # No look at how many there are: of these none is ever cancelled.
        self._sequence += 1
        heappush(self._timers, (when_s if when_s > now_s else now_s, self._sequence, handle))

    def after(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Call after so many seconds of the world, outside all hosts."""
        self.at(self.now_s + delay_s, callback, *args)

    def adopt(self, life: Life) -> None:
        """Take a new life in."""
        self._lives.append(life)

    def resume(self, life: Life) -> None:
        """Let a paused life go on with what has fallen due."""
        self._ready.extend(life.resume())

    def run_until(self, over: Callable[[], bool], *, limit_s: float) -> bool:
        """Run until `over`, asked whenever time is about to pass, or until that time.

        Returns whether it is over. Raises `Standstill`.
        """
        with _Running(self):
            while True:
                self._run_ready()
                if over():
                    return True
                timers = self._timers
                if not timers or timers[0][0] > limit_s:
                    self.now_s = max(self.now_s, limit_s)
                    return False
                self._pass_time()

    def _run_ready(self) -> None:
        ready, steps = self._ready, 0
        while ready:
            handle = ready.popleft()
            life = handle.life
            if life is not None and life.held is not None:
                life.held.append(handle)
                continue
            callback = handle.callback
            if callback is None:
                continue
            steps += 1
            if steps > _STANDSTILL:
                raise Standstill(f"{steps} steps at {self.now_s:.6f} s, the last: {callback}")
            context = handle.context
            try:
                if context is None:
                    callback(*handle.args)
                else:
                    context.run(callback, *handle.args)
            except Exception as error:  # noqa: BLE001 - whatever it was, the run has failed
                self.call_exception_handler({"message": "a call failed", "exception": error})
        self.steps += steps

    def _pass_time(self) -> None:
        timers, ready = self._timers, self._ready
        when_s, _, handle = heappop(timers)
        now_s = self.now_s
        if when_s > now_s:
            self.now_s = now_s = when_s
        ready.append(handle)
        while timers and timers[0][0] <= now_s:
            ready.append(heappop(timers)[2])

    def _push(self, when_s: float, handle: SimHandle) -> None:
        self._sequence += 1
        heappush(self._timers, (when_s, self._sequence, handle))
        if len(self._timers) > self._compact_at:
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapify(self._timers)
            self._compact_at = 2 * len(self._timers) + _SLACK

    # --- the end ----------------------------------------------------------------------

    def bury(self) -> None:
        """Cancel whatever is left, of the dead too, and let it end; then nothing runs any more.

        Without this the garbage collector would end it, at a time of its own choice.
        """
        tasks = list(self._outside)
        for life in self._lives:
            self._ready.extend(life.bury())
            tasks += life.tasks
        self._timers.clear()
        with _Running(self):
            for task in tasks:
                task.cancel()
            for _ in range(_GRAVE_STEPS):
                if not self._ready and not self._timers:
                    break
                if not self._ready:
                    self._pass_time()
                handle = self._ready.popleft()
                if handle.callback is not None:
                    (handle.context or copy_context()).run(handle.callback, *handle.args)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen: what a dead life died of has been told before
        self._lives.clear()
        self._outside.clear()
        self._closed = True


class _Running:
    """Makes a loop the running one of this thread."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        if asyncio.events._get_running_loop() is not None:
            raise RuntimeError("a simulation can't run inside another event loop")
        asyncio.events._set_running_loop(self._loop)
        self._loop._running = True

    def __exit__(self, *_: object) -> None:
        asyncio.events._set_running_loop(None)
        self._loop._running = False
