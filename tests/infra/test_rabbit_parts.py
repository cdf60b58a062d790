"""The parts of a link that need no broker: window, backoff, and the watch for blocked notices."""

import asyncio
import sys
from random import Random

import pytest
from aiormq.exceptions import ChannelClosed
from fakes.ports import yield_turns

from actors.ports import Lane, LinkLost
from infra.rabbitmq.backoff import Backoff
from infra.rabbitmq.consuming import Incoming, Intake, Subscription
from infra.rabbitmq.errors import guarded
from infra.rabbitmq.policy import LinkPolicy
from infra.rabbitmq.pulse import Pulse
from infra.rabbitmq.transport import RabbitDelivery
from infra.rabbitmq.window import Window, WindowSize


def entering(window: Window, size_bytes: int, leave: asyncio.Event) -> asyncio.Task[None]:
    async def stay() -> None:
        async with window.room(size_bytes):
            await leave.wait()

    return asyncio.create_task(stay())


async def test_window_holds_back_what_exceeds_its_messages_or_its_bytes() -> None:
    window, leave = Window(WindowSize(messages=3, size_bytes=100)), asyncio.Event()

    tasks = [entering(window, size, leave) for size in (50, 50, 1)]
    await yield_turns()
    assert (window.messages, window.size_bytes) == (2, 100)

    leave.set()
    await asyncio.gather(*tasks)
    leave.clear()
    tasks = [entering(window, 1, leave) for _ in range(5)]
    await yield_turns()
    assert (window.messages, window.size_bytes) == (3, 3)
    leave.set()
    await asyncio.gather(*tasks)
    assert (window.messages, window.size_bytes) == (0, 0)


async def test_message_larger_than_the_window_passes_alone() -> None:
    window, leave = Window(WindowSize(messages=3, size_bytes=100)), asyncio.Event()

    tasks = [entering(window, size, leave) for size in (500, 1)]
    await yield_turns()

    assert (window.messages, window.size_bytes) == (1, 500)
    leave.set()
    await asyncio.gather(*tasks)


async def test_small_message_does_not_overtake_a_large_one_that_waits() -> None:
    window = Window(WindowSize(messages=9, size_bytes=100))
    doors = [asyncio.Event() for _ in range(3)]
    tasks = [entering(window, size, door) for size, door in zip((60, 60, 10), doors, strict=True)]
    await yield_turns()
    assert window.size_bytes == 60

    doors[0].set()
    await yield_turns()

    assert window.size_bytes == 70
    for door in doors:
        door.set()
    await asyncio.gather(*tasks)


async def test_cancelled_message_gives_up_its_room_or_its_place() -> None:
    window, leave = Window(WindowSize(messages=9, size_bytes=100)), asyncio.Event()
    tasks = [entering(window, size, leave) for size in (60, 60, 10)]
    await yield_turns()

    tasks[1].cancel()
    await yield_turns()
    assert window.size_bytes == 70

    tasks[0].cancel()
    await yield_turns()
    assert window.size_bytes == 10
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (window.messages, window.size_bytes) == (0, 0)


async def test_message_cancelled_just_as_its_turn_comes_leaves_no_room_taken() -> None:
    window = Window(WindowSize(messages=1, size_bytes=100))
    async with window.room(1):
        second = entering(window, 1, asyncio.Event())
        await yield_turns()
    # Its turn has come, and it has not run since.
    assert window.messages == 1

    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    assert (window.messages, window.size_bytes) == (0, 0)


def test_backoff_doubles_up_to_its_limit_with_full_jitter() -> None:
    waits = [[b.next_s() for _ in range(40)] for seed in range(200) if (b := of(seed))]

    for step, limit_s in enumerate((0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)):
        of_step = [row[step] for row in waits]
        assert max(of_step) <= limit_s
        assert min(of_step) < 0.1 * limit_s
        assert max(of_step) > 0.9 * limit_s


def of(seed: int) -> Backoff:
    return Backoff(0.2, 5.0, random=Random(seed))


def test_backoff_begins_anew_after_a_reset_and_has_a_floor() -> None:
    backoff = Backoff(0.2, 5.0, floor=0.5, random=Random(1))
    waits = [backoff.next_s() for _ in range(10)]
    assert all(wait >= 2.5 for wait in waits[5:])

    backoff.reset()

    assert 0.1 <= backoff.next_s() <= 0.2


async def test_bare_cancellation_by_the_library_is_a_lost_link() -> None:
    waiting = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(guarded(waiting))
    await yield_turns()

    waiting.cancel()

    with pytest.raises(LinkLost):
        await task


async def test_our_own_cancellation_stays_one() -> None:
    task = asyncio.create_task(guarded(asyncio.get_running_loop().create_future()))
    await yield_turns()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def swallowing(error: Exception | None) -> str:
    """Stand for a call of the library that takes our cancellation for one of its own."""
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        if error is not None:
            raise error from None
    return "done"


SWALLOWED = [None, ChannelClosed(None, None), Exception()]


@pytest.mark.parametrize("error", SWALLOWED)
async def test_our_own_cancellation_comes_through_where_the_library_swallows_it(
    error: Exception | None,
) -> None:
    task = asyncio.create_task(guarded(swallowing(error)))
    await yield_turns()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("error", SWALLOWED)
async def test_timeout_that_the_library_swallows_stays_a_timeout(error: Exception | None) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await guarded(swallowing(error))


async def test_what_a_cancelled_task_does_at_its_end_is_guarded_as_before() -> None:
    answer, ended = asyncio.get_running_loop().create_future(), []

    async def tidy_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(await guarded(answer))

    task = asyncio.create_task(tidy_up())
    await yield_turns()
    task.cancel()
    await yield_turns()

    answer.set_result("closed")

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["closed"]


async def test_timeout_around_a_guarded_wait_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await guarded(asyncio.get_running_loop().create_future())


class SlowLine:
    """Stands for a connection and its channel: bytes leave for a while, and no answer comes."""

    def __init__(self, unsent: list[int]) -> None:
        self.looks = unsent

    def unsent(self) -> tuple[int, int]:
        return 0, self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    async def basic_qos(self, **_: int) -> None:
        await asyncio.get_running_loop().create_future()


async def test_pulse_waits_for_an_answer_as_long_as_bytes_leave_and_no_longer() -> None:
    line = SlowLine([9, 8, 8, 7, 7, 5, 5, 5])
    policy = LinkPolicy(pulse_s=0.001, pulse_limit_s=0.001)
    lost: list[str] = []

    await Pulse(line, line, policy, lambda: False).watch(lost.append)

    assert lost == ["the broker keeps the connection open and does nothing on it"]
    assert line.looks == [5]


def test_what_acknowledges_a_message_does_not_hold_its_body() -> None:
    intake = Intake(Subscription("q", lambda _: None, 1), lambda _: None)
    body = bytes(range(256))
    before = sys.getrefcount(body)

    incoming = Incoming(
        body=body, key="ann.holder-1.bulk", headers={}, redelivered=False, tag=1, intake=intake
    )
    delivery = RabbitDelivery(incoming, Lane.BULK)
    assert delivery.body is body
    kept = delivery.ack
    del incoming, delivery

    assert sys.getrefcount(body) == before
    assert kept is not None
