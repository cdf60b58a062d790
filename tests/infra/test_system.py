"""What the machine's clock, randomness and threads do behind the ports."""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator

import numpy as np
import pytest
from fakes.ports import FakeClock, InlineOffload, SeededEntropy, yield_turns

from actors.ports import Offload, PortError
from infra.system import SystemClock, SystemEntropy, ThreadOffload


@pytest.fixture(params=["threads", "inline"])
async def offload(request: pytest.FixtureRequest) -> AsyncIterator[Offload]:
    if request.param == "inline":
        yield InlineOffload()
        return
    threads = ThreadOffload(workers=2)
    yield threads
    await threads.close()


async def test_offload_returns_the_result(offload: Offload) -> None:
    assert await offload.run(pow, 3, 4, mod=5) == 1


async def test_offload_lets_exceptions_through(offload: Offload) -> None:
    with pytest.raises(ZeroDivisionError):
        await offload.run(divmod, 1, 0)


async def test_work_runs_in_at_most_so_many_threads() -> None:
    threads = ThreadOffload(workers=2)
    both, go = threading.Barrier(3), threading.Event()
    running: list[int] = []

    def work(number: int) -> None:
        running.append(number)
        if number < 2:
            both.wait(20)
            go.wait(20)

    works = [asyncio.create_task(threads.run(work, number)) for number in range(4)]
    await yield_turns()
    await asyncio.to_thread(both.wait, 20)
    await yield_turns()
    assert sorted(running) == [0, 1]
    go.set()
    await asyncio.gather(*works)

    assert sorted(running) == [0, 1, 2, 3]
    await threads.close()


async def test_cancelled_run_returns_at_once_and_close_waits_for_its_thread() -> None:
    threads = ThreadOffload(workers=1)
    go = threading.Event()
    run = asyncio.create_task(threads.run(go.wait, 20))
    await yield_turns()

    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    closing = asyncio.create_task(threads.close())
    await yield_turns()

    assert run.cancelled()
    assert not closing.done()
    go.set()
    await closing


async def test_closed_threads_refuse_work_and_may_be_closed_again() -> None:
    threads = ThreadOffload(workers=2)
    await asyncio.gather(threads.close(), threads.close())

    with pytest.raises(PortError, match="closed"):
        await threads.run(int)


async def test_system_clock_goes_forward() -> None:
    clock = SystemClock()
    before_s = clock.now_s()

    await clock.sleep(0)

    assert clock.now_s() >= before_s


def test_entropy_has_the_length_asked_for() -> None:
    assert [len(SystemEntropy().bytes(count)) for count in (0, 1, 32)] == [0, 1, 32]
    assert SystemEntropy().bytes(32) != SystemEntropy().bytes(32)
    assert SeededEntropy(1).bytes(32) == SeededEntropy(1).bytes(32) != SeededEntropy(2).bytes(32)


async def test_fake_clock_wakes_sleepers_in_the_order_of_their_times() -> None:
    clock, woken = FakeClock(), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.now_s()))
        await clock.sleep(1)
        woken.append((seconds + 1, clock.now_s()))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1.5, 9)]
    await clock.advance(5)

    assert woken == [(1.5, 1.5), (2.5, 2.5), (3, 3), (4, 4)]
    assert clock.now_s() == 5
    tasks[2].cancel()


async def test_no_thread_holds_on_to_large_arguments_once_their_result_is_there() -> None:
    offload = ThreadOffload(workers=2)
    held = 0
    for _ in range(500):
        argument = np.zeros(1)
        alive = weakref.ref(argument)
        await offload.run(np.sum, argument)
        del argument
        held += alive() is not None
    await offload.close()

    assert held == 0
