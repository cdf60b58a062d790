"""Watches every message of a federation pass its broker, as nobody but an operator can."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.topology import EXCHANGE
from protocols.codec import Undecodable
from protocols.messages import read

from .sightings import Sighting

log = logging.getLogger(__name__)

_RETRY_S = 0.1  # less than an actor waits: what it says when it is back must be seen


class Spy:
    """Tells every message that passes; what passes while the broker is away is not seen.

    It begins at the first host of the address and goes on to the next when it loses one.

    Binds an exclusive queue of its own to everything, so its account must be allowed to.
    """

    def __init__(self, address: BrokerAddress, tell: Callable[[Sighting], None]) -> None:
        self._address = address
        self._places = itertools.cycle(address.hosts)
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self.watching = asyncio.Event()

    async def __aenter__(self) -> Spy:
        self._task = asyncio.create_task(self._watch_for_ever(), name="spy")
        await self.watching.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch_for_ever(self) -> None:
        while True:
            try:
                await self._watch()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            except Exception as error:  # noqa: BLE001 - the broker is what we hurt
                log.info("the spy lost the broker: %s", type(error).__name__)
            self.watching.clear()
            await asyncio.sleep(_RETRY_S)

    async def _watch(self) -> None:
        address = self._address
        host, port = next(self._places)
        connection = await aio_pika.connect(
            host=host,
            port=port,
            login=address.user,
            password=address.password,
            virtualhost=address.vhost,
            ssl=address.tls is not None,
            ssl_context=address.ssl_context(),
            timeout=5,
        )
        gone = asyncio.Event()
        connection.close_callbacks.add(lambda *_: gone.set())
        try:
            channel = await connection.channel()
            channel.close_callbacks.add(lambda *_: gone.set())
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(EXCHANGE, "#")
            await queue.consume(self._see, no_ack=True)
            self.watching.set()
            await gone.wait()
        finally:
            with suppress(Exception):
                await asyncio.wait_for(connection.close(), 3)

    async def _see(self, incoming: AbstractIncomingMessage) -> None:
        sender, _, rest = (incoming.routing_key or "").partition(".")
        recipient, _, lane = rest.rpartition(".")
        if lane not in ("control", "bulk") or sender == recipient:
            return  # no message of one actor to another: a drill's own beat, for one
        try:
            _, message = read(incoming.body)
        except Undecodable:
            log.warning("a message of %s to %s can't be read", sender, recipient)
            return
        self._tell(Sighting(sender, recipient, message))
