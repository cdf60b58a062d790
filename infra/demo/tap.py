"""A look at the messages of one sort as they pass a broker: for the demonstration only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractIncomingMessage

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import connected, declare_exchanges
from infra.rabbitmq.topology import EXCHANGE

_KEPT = 1000  # messages of which nobody has taken note yet


@asynccontextmanager
async def tapped(
    address: BrokerAddress, keys: str, seen: Callable[[], None]
) -> AsyncIterator[None]:
    """Call `seen` at each message whose routing key matches, from before the block to its end.

    The account must be allowed to configure. Raises `DeclareError`.
    """
    watching = asyncio.Event()
    tasks = {
        watch := asyncio.create_task(_watch(address, keys, seen, watching), name="tap"),
        asyncio.create_task(watching.wait(), name="tap watches"),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(
    address: BrokerAddress, keys: str, seen: Callable[[], None], watching: asyncio.Event
) -> None:
    async def take(_: AbstractIncomingMessage) -> None:
        seen()

    async with connected(address) as connection:
        channel = await connection.channel()
        await declare_exchanges(channel)
        queue = await channel.declare_queue(exclusive=True, arguments={"x-max-length": _KEPT})
        await queue.bind(EXCHANGE, keys)
        await queue.consume(take, no_ack=True)
        watching.set()
        await connection.closed()
