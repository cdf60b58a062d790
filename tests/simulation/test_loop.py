"""The event loop in virtual time: order, jumps, lives that crash, pause and drift, and the end."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Coroutine
from contextvars import copy_context
from types import FunctionType
from typing import Any

import pytest

from infra.simulation import loop as loop_module
from infra.simulation.hosts import LIFE, HostClock, Life
from infra.simulation.loop import SimLoop, Standstill
from infra.simulation.traps import Escaped, trapped


def life_on(loop: SimLoop, name: str = "host", rate: float = 1.0) -> Life:
    life = Life(name, 1, HostClock(100.0, rate))
    loop.adopt(life)
    return life


def begin(loop: SimLoop, life: Life, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    context = copy_context()
    context.run(LIFE.set, life)
    return loop.create_task(work, context=context)


def passes(loop: SimLoop, seconds: float) -> None:
    loop.run_until(lambda: False, limit_s=loop.now_s + seconds)


def test_time_jumps_to_the_next_timer_and_equal_ones_keep_their_order() -> None:
    loop, seen = SimLoop(), []

    for place, when_s in enumerate([3600.0, 1.0, 1.0, 0.5]):
        loop.at(when_s, lambda place=place: seen.append((place, loop.now_s)))
    passes(loop, 10_000.0)

    assert seen == [(3, 0.5), (1, 1.0), (2, 1.0), (0, 3600.0)]
    assert loop.now_s == 10_000.0


def test_tasks_sleep_in_virtual_time_and_a_timeout_ends_a_wait() -> None:
    loop, seen = SimLoop(), []

    async def work() -> None:
        began_s = loop.time()
        await asyncio.sleep(86_400)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await loop.create_future()
        seen.append(loop.time() - began_s)

    began_s = time.monotonic()
    begin(loop, life_on(loop), work())
    passes(loop, 100_000.0)

    assert seen == [pytest.approx(86_405.0, abs=1e-3)]
    assert time.monotonic() - began_s < 5.0


def test_a_crash_ends_all_at_once_and_no_finally_ever_runs_before_the_burial() -> None:
    loop, seen = SimLoop(), []
    life = life_on(loop)

    async def work() -> None:
        try:
            while True:
                await asyncio.sleep(1.0)
                seen.append("step")
        finally:
            seen.append("finally")

    begin(loop, life, work())
    loop.at(2.5, life.crash)
    passes(loop, 10.0)
    gc.collect()

    assert seen == ["step", "step"]
    loop.bury()
    assert seen[2:] == ["finally"]


def test_what_falls_due_in_a_pause_waits_for_its_end() -> None:
    loop, seen = SimLoop(), []
    life = life_on(loop)

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(1.0)
            seen.append(round(loop.now_s, 3))

    begin(loop, life, work())
    loop.at(1.5, life.pause)
    loop.at(9.0, loop.resume, life)
    passes(loop, 20.0)

    assert seen == [1.0, 9.0, 10.0]
    loop.bury()


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_a_drifting_host_waits_by_its_own_clock(rate: float) -> None:
    loop, seen = SimLoop(), []

    async def work() -> None:
        until_s = loop.time() + 10.0
        await asyncio.sleep(10.0)
        seen.append(loop.time() >= until_s)
        seen.append(loop.now_s)

    begin(loop, life_on(loop, rate=rate), work())
    passes(loop, 100.0)

    assert seen == [True, pytest.approx(10.0 / rate, abs=1e-3)]


def test_a_clock_that_jumps_goes_on_from_there() -> None:
    clock = HostClock(100.0)

    clock.change(5.0, rate=2.0, ahead_s=60.0)

    assert clock.read(5.0) == 165.0
    assert clock.read(6.0) == 167.0
    assert clock.world_s(167.0) == pytest.approx(6.0, abs=1e-5)


def test_an_error_that_nobody_caught_is_collected() -> None:
    loop = SimLoop()

    loop.at(1.0, lambda: 1 // 0)
    passes(loop, 2.0)

    assert loop.failures == ["a call failed: ZeroDivisionError: integer division or modulo by zero"]


def test_going_on_without_time_passing_is_told_as_a_standstill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_module, "_STANDSTILL", 1000)
    loop = SimLoop()

    async def spin() -> None:
        for _ in range(10_000):
            await asyncio.sleep(0)

    begin(loop, life_on(loop), spin())

    with pytest.raises(Standstill, match=r"1001 steps at 0\.0"):
        passes(loop, 1.0)
    loop.bury()


def test_what_would_leave_the_simulation_raises() -> None:
    loop, seen = SimLoop(), []

    async def work() -> None:
        for leave in (
            lambda: loop.run_in_executor(None, print),
            lambda: loop.getaddrinfo("localhost", 80),
            lambda: loop.add_signal_handler(1, print),
        ):
            try:
                await leave()
            except NotImplementedError:
                seen.append("kept in")

    begin(loop, life_on(loop), work())
    passes(loop, 1.0)

    assert seen == ["kept in"] * 3


ESCAPES: dict[str, tuple[Any, str, tuple[Any, ...]]] = {
    "wall clock": (time, "time", ()),
    "monotonic clock": (time, "monotonic", ()),
    "counter": (time, "perf_counter", ()),
    "sleep": (time, "sleep", (0,)),
    "entropy": (os, "urandom", (1,)),
    "shared generator": (random, "random", ()),
    "uuid": (uuid, "uuid4", ()),
    "socket": (socket, "socket", ()),
    "thread": (threading.Thread(target=print), "start", ()),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_traps_catch_what_reaches_for_the_real_world(name: str) -> None:
    place, what, arguments = ESCAPES[name]

    with pytest.raises(Escaped, match="take time, entropy and work from the ports"), trapped():
        getattr(place, what)(*arguments)

    assert time.time() > 0
    assert 0 <= random.random() < 1


@pytest.mark.parametrize(("module", "caught"), [("numba.core.caching", False), ("numbas", True)])
def test_who_compiles_a_kernel_may_have_a_name_for_its_file(module: str, *, caught: bool) -> None:
    def name_of_a_file() -> str:
        return uuid.uuid4().hex

    called_there = FunctionType(name_of_a_file.__code__, {"__name__": module, "uuid": uuid})

    with trapped():
        if not caught:
            assert len(called_there()) == 32
            return
        with pytest.raises(Escaped, match="uuid4"):
            called_there()


def test_seeded_generators_are_no_escape() -> None:
    with trapped():
        assert random.Random(7).random() == random.Random(7).random()


def test_no_simulation_runs_inside_another_loop() -> None:
    async def nested() -> None:
        SimLoop().run_until(lambda: True, limit_s=1.0)

    with pytest.raises(RuntimeError, match="inside another event loop"):
        asyncio.run(nested())
