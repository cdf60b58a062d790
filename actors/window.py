"""A few things under way at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


async def in_window(
    items: Sequence[Item], width: int, work: Callable[[Item], Awaitable[None]]
) -> None:
    """Do the work for all items, begun in their order, `width` of them (1 or more) at a time.

    Returns once all is done. The first error surfaces, as does a cancellation, and by then
    nothing is under way any more.
    """
    if len(items) == 1:
        await work(items[0])
        return
    todo = iter(items)

    async def lane() -> None:
        for item in todo:  # shared: each item goes to the lane that is free first
            await work(item)

    tasks = [asyncio.create_task(lane()) for _ in range(min(width, len(items)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
