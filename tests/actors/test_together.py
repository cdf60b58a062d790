"""Things at the same time: those that never wait take no task, and the others take their turn."""

from __future__ import annotations

import asyncio

import pytest

from actors.together import together


async def at_once(value: int) -> int:
    return value


async def later(value: int, when: asyncio.Event) -> int:
    await when.wait()
    await asyncio.sleep(0)
    return value


async def failing(text: str, when: asyncio.Event | None = None) -> int:
    if when is not None:
        await when.wait()
    raise ValueError(text)


async def test_what_never_waits_takes_no_task() -> None:
    before = asyncio.all_tasks()
    running: list[int] = []

    async def counted(value: int) -> int:
        running.append(len(asyncio.all_tasks() - before))
        return value

    assert await together(counted(value) for value in range(3)) == [0, 1, 2]
    assert running == [0, 0, 0]


async def test_results_stand_in_the_order_of_the_works() -> None:
    when = asyncio.Event()
    asyncio.get_running_loop().call_soon(when.set)

    assert await together([later(1, when), at_once(2), later(3, when)]) == [1, 2, 3]


async def test_nothing_gives_nothing() -> None:
    assert await together([]) == []


async def test_all_have_begun_before_any_waits() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def meets(own: asyncio.Event, other: asyncio.Event) -> bool:
        own.set()
        await other.wait()
        return True

    assert await together([meets(first, second), meets(second, first)]) == [True, True]


async def test_an_error_surfaces_and_the_others_go_on() -> None:
    when, done = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        await when.wait()
        done.set()
        return 0

    with pytest.raises(ValueError, match="at once"):
        await together([slow(), failing("at once")])
    when.set()
    await done.wait()


async def test_an_error_after_a_wait_surfaces() -> None:
    when = asyncio.Event()
    asyncio.get_running_loop().call_soon(when.set)

    with pytest.raises(ValueError, match="after"):
        await together([at_once(1), failing("after", when)])


async def test_a_work_sees_the_error_of_what_it_waits_for_and_may_go_on() -> None:
    waited: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def recovers() -> int:
        try:
            return await waited
        except ValueError:
            await asyncio.sleep(0)
            return 7

    asyncio.get_running_loop().call_soon(waited.set_exception, ValueError("gone"))

    assert await together([recovers()]) == [7]


async def test_a_cancellation_reaches_what_waits() -> None:
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    task = asyncio.create_task(together([waits(), waits()]))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled", "cancelled"]
