"""A look at the messages of one sort as they pass a broker: for the demonstration only."""

from __future__ import annotations

from collections.abc import Callable

from aio_pika.abc import AbstractIncomingMessage

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import connected
from infra.rabbitmq.topology import EXCHANGE

_KEPT = 1000  # messages of which nobody has taken note yet


async def tap(address: BrokerAddress, keys: str, seen: Callable[[], None]) -> None:
    """Call `seen` at each message whose routing key matches, until cancelled.

    The account must be allowed to make a queue. Raises `DeclareError`.
    """

    async def take(_: AbstractIncomingMessage) -> None:
        seen()

    async with connected(address) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, arguments={"x-max-length": _KEPT})
        await queue.bind(EXCHANGE, keys)
        await queue.consume(take, no_ack=True)
        await connection.closed()
