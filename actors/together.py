"""A few things at the same time, with a task for those only that have to wait."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator, Iterable
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")


async def together(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return the results of all of these, in their order, as `asyncio.gather` does.

    Each begins at once, up to its first wait, before the next one: it must not use the task that
    it runs in, as a timeout does. What never waits, such as the write of a chunk to memory, takes
    no task, which would cost more than all of it. The first error is raised when it comes, and
    what waits then goes on.
    """
    results: dict[int, Result] = {}
    later: dict[int, asyncio.Future[Result]] = {}
    for place, work in enumerate(works):
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            results[place] = done.value
        except Exception as error:  # noqa: BLE001 - raised below, when the others have begun
            later[place] = asyncio.get_running_loop().create_future()
            later[place].set_exception(error)
        else:
            task = later[place] = asyncio.create_task(_go_on(work, waits_for))
            task.add_done_callback(partial(_end, work))
    if later:
        found = await asyncio.gather(*later.values())
        results |= zip(later, found, strict=True)
    return [results[place] for place in range(len(results))]


def _end(work: Coroutine[Any, Any, Any], _task: asyncio.Task[Any]) -> None:
    """Close what has begun, as a task that is cancelled before its first step leaves it."""
    work.close()


async def _go_on(work: Coroutine[Any, Any, Result], waits_for: object) -> Result:
    return await _rest(work, waits_for)


@types.coroutine
def _rest(work: Coroutine[Any, Any, Result], waits_for: object) -> Generator[object, Any, Result]:
    """Take a coroutine on from its first wait, in a task now."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - it belongs to the work
                waits_for = work.throw(error)
            else:
                waits_for = work.send(sent)
    except StopIteration as done:
        result: Result = done.value
        return result
