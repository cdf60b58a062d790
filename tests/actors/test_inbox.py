"""The inbox: all that is there in its order, or a look at the time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from actors.inbox import Inbox
from infra.simulation.loop import SimLoop

Taken = list[tuple[float, list[int]]]


def played(
    scene: Callable[[Inbox[int], SimLoop, Taken], Coroutine[Any, Any, None]], **puts: float
) -> Taken:
    """Return when a scene took what; `puts` says at how many seconds `item_N` comes in."""
    loop, inbox, taken = SimLoop(), Inbox[int](), Taken()  # type: ignore[abstract]
    for name, at_s in puts.items():
        loop.at(at_s, inbox.put, int(name.removeprefix("item_")))
    task = loop.create_task(scene(inbox, loop, taken))
    assert loop.run_until(task.done, limit_s=1000.0)
    task.result()
    assert not loop.failures
    inbox.close()
    loop.bury()
    return taken


async def taking(inbox: Inbox[int], loop: SimLoop, taken: Taken) -> None:
    """Take until three items are here, with an eye on the time each ten seconds."""
    while sum(len(items) for _, items in taken) < 3:
        items = await inbox.take(2, within_s=10.0)
        taken.append((loop.now_s, items))


def test_what_is_there_is_taken_at_once_in_its_order_and_no_more_than_asked_for() -> None:
    taken = played(taking, item_1=1.0, item_2=1.0, item_3=1.0)

    assert taken == [(1.0, [1, 2]), (1.0, [3])]


def test_an_item_wakes_the_one_who_waits() -> None:
    taken = played(taking, item_1=1.0, item_2=2.5, item_3=2.5)

    assert taken == [(1.0, [1]), (2.5, [2, 3])]


def test_without_an_item_the_wait_ends_in_time() -> None:
    taken = played(taking, item_1=12.0, item_2=13.0, item_3=30.0)

    assert taken[0] == (10.0, [])
    assert [items for _, items in taken if items] == [[1], [2], [3]]


def test_no_wait_is_longer_than_asked_for_whatever_alarm_is_set() -> None:
    async def scene(inbox: Inbox[int], loop: SimLoop, taken: Taken) -> None:
        for within_s in (100.0, 20.0, 200.0, 1.0):
            began_s = loop.now_s
            items = await inbox.take(1, within_s=within_s)
            assert loop.now_s - began_s <= within_s
            taken.append((loop.now_s, items))

    assert played(scene, item_1=5.0)[0] == (5.0, [1])


def test_without_a_limit_the_wait_goes_on_until_an_item_comes() -> None:
    async def scene(inbox: Inbox[int], loop: SimLoop, taken: Taken) -> None:
        items = await inbox.take(1, within_s=None)
        taken.append((loop.now_s, items))

    assert played(scene, item_1=500.0) == [(500.0, [1])]
