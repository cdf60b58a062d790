"""A message every moment by an actor's own kind of link: how long is a cluster deaf?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import aio_pika

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.link import LinkChange, LinkState, RabbitLink
from infra.rabbitmq.topology import EXCHANGE, routing_key

QUEUE = "drill.beat"
_NAME = "beat"
_EVERY_S = 0.05
_KEPT = 100


class Beat:
    """Publishes to a replicated queue of its own, through a node that can be chosen."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._confirmed: list[tuple[float, float]] = []  # sent and confirmed, by the loop's clock
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def through(self, port: int) -> AsyncIterator[None]:
        """Beat while inside, at first through the node with this port and then wherever it can."""
        await self._declare()
        link = await self._linked_to(port)
        beating = asyncio.create_task(self._beat(link), name="beat")
        try:
            await self._heard(after_s=_now_s())
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await link.close()

    async def longest(self, *, since_s: float, within_s: float) -> float | None:
        """Return how long a message waited at most since then, None if none gets through now."""
        try:
            async with asyncio.timeout(within_s):
                await self._heard(after_s=_now_s())
        except TimeoutError:
            return None
        return max(
            confirmed_s - max(sent_s, since_s)
            for sent_s, confirmed_s in self._confirmed
            if confirmed_s >= since_s
        )

    async def _heard(self, *, after_s: float) -> None:
        while not any(sent_s >= after_s for sent_s, _ in self._confirmed[-1:]):
            self._news.clear()
            await self._news.wait()

    async def _beat(self, link: RabbitLink) -> None:
        while True:
            sent_s = _now_s()
            await link.publish(routing_key(_NAME, _NAME, Lane.CONTROL), b"", lane=Lane.CONTROL)
            self._confirmed.append((sent_s, _now_s()))
            self._news.set()
            await asyncio.sleep(_EVERY_S)

    async def _linked_to(self, port: int) -> RabbitLink:
        """Return a link to all nodes that stands on this one: where it begins is chance."""
        while True:
            place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

            def notice(change: LinkChange, place: asyncio.Future[bool] = place) -> None:
                if change.state is LinkState.OPEN and not place.done():
                    place.set_result(change.reason.endswith(f":{port}"))

            link = RabbitLink(_NAME, self._address, notice=notice)
            link.start()
            if await place:
                return link
            await link.close()

    async def _declare(self) -> None:
        (host, port), *_ = self._address.hosts
        address = replace(self._address, hosts=((host, port),))
        async with await aio_pika.connect(
            host=host, port=port, login=address.user, password=address.password
        ) as connection:
            channel = await connection.channel()
            arguments: dict[str, aio_pika.abc.FieldValue] = {
                "x-queue-type": "quorum",
                "x-max-length": _KEPT,
                "x-overflow": "drop-head",
                "x-queue-leader-locator": "balanced",
            }
            queue = await channel.declare_queue(QUEUE, durable=True, arguments=arguments)
            await queue.bind(EXCHANGE, routing_key("*", _NAME, Lane.CONTROL))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
