"""Blobs of several actors on a real broker, with a tap on each link that counts and interferes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fakes.rabbit_rig import TIMEOUT_S, RabbitRig

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.blobs import BlobFlow, RabbitBlobs
from infra.rabbitmq.declare import declare
from infra.rabbitmq.link import Incoming, RabbitLink, Subscription
from infra.rabbitmq.topology import MODEL_STREAM, Sizes, Topology
from protocols.round_config import Roster

SMALL_CHUNKS = BlobFlow(chunk_bytes=1024, window=4, prefetch=4)

Header = str | int | bytes


class Noted:
    """A message that tells its tap when it was acknowledged."""

    def __init__(self, message: Incoming, tap: Tap) -> None:
        self.body = message.body
        self.headers = message.headers
        self._message = message
        self._tap = tap

    async def ack(self) -> None:
        await self._message.ack()
        self._tap.acknowledged(self.headers)


class Tap:
    """A link that notes what passes. `hold_after` keeps back all chunks behind the n-th."""

    def __init__(self, link: RabbitLink) -> None:
        self.seen: dict[str, list[Noted]] = {}
        self.sent: list[tuple[str, Mapping[str, Header]]] = []
        self.asked: list[str] = []
        self.done: list[int] = []  # indices of the chunks that were acknowledged
        self.hold_after: int | None = None
        self.strays: list[dict[str, Header]] = []  # that go out before the next chunk
        self.spoil: Callable[[Mapping[str, Header], bytes], bytes] = lambda _, body: body
        self._held: list[tuple[Callable[[Any], None], Noted]] = []
        self._link = link
        self._news = asyncio.Event()

    async def publish(
        self, key: str, body: bytes, *, lane: Lane, headers: Mapping[str, Header] | None = None
    ) -> None:
        headers = headers or {}
        if "index" in headers:
            while self.strays:
                await self._link.publish(key, b"stray", lane=lane, headers=self.strays.pop())
        self.sent.append((key, headers))
        self._news.set()
        await self._link.publish(key, self.spoil(headers, body), lane=lane, headers=headers)

    def subscribe(
        self,
        queue: str,
        take: Callable[[Any], None],
        *,
        prefetch: int,
        arguments: Callable[[], dict[str, Any]] | None = None,
    ) -> Subscription:
        def noted(incoming: Incoming) -> None:
            message = Noted(incoming, self)
            self.seen.setdefault(queue, []).append(message)
            self._news.set()
            if self.hold_after is None or len(self.chunks()) <= self.hold_after:
                take(message)
            else:
                self._held.append((take, message))

        self.asked.append(queue)
        self._news.set()
        return self._link.subscribe(queue, noted, prefetch=prefetch, arguments=arguments)

    async def unsubscribe(self, subscription: Subscription) -> None:
        await self._link.unsubscribe(subscription)

    def acknowledged(self, headers: Mapping[str, Any]) -> None:
        if "index" in headers:
            self.done.append(headers["index"])
            self._news.set()

    def release(self) -> None:
        """Hand on all that was held back, and hold nothing any more."""
        self.hold_after = None
        for take, message in self._held:
            take(message)
        self._held.clear()

    def chunks(self) -> list[int]:
        """Return the indices of the chunks that came, in their order."""
        return [
            message.headers["index"]
            for message in self.seen.get(MODEL_STREAM, ())
            if "index" in message.headers
        ]

    def chunks_sent(self) -> int:
        return sum("index" in headers for _, headers in self.sent)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until what passed makes something true."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come true; what passed: {self}") from None

    def __str__(self) -> str:
        came = {
            queue: [
                (message.headers.get("x-stream-offset"), message.headers.get("index"))
                for message in messages
            ]
            for queue, messages in self.seen.items()
        }
        return f"{len(self.sent)} sent, subscribed to {self.asked}, came {came}"


class BlobRig:
    """Opens blobs by name: again means the next process of that actor, with the same folder."""

    def __init__(self, rig: RabbitRig, sizes: Sizes | None = None) -> None:
        self.rig = rig
        self.taps: dict[str, Tap] = {}
        self._sizes = sizes or Sizes()
        self._folders = tempfile.TemporaryDirectory()
        self.opened: dict[str, RabbitBlobs] = {}
        self._links: list[RabbitLink] = []
        self._declared = False

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress.parse(self.rig.vhost.url)

    async def declare(self) -> None:
        """Make the streams."""
        roster = Roster(federation="test", coordinator="nobody", holders=(), trainers=())
        await declare(self.address, Topology(roster, self._sizes))
        self._declared = True

    def folder(self, name: str) -> Path:
        return Path(self._folders.name) / name

    async def tap(self, name: str) -> Tap:
        """Return a new open link; its line is `rig.lines[name + " blobs"]`."""
        if not self._declared:
            await self.declare()
        link = await self.rig.link(f"{name} blobs")
        self._links.append(link)
        link.start()
        async with asyncio.timeout(TIMEOUT_S):
            await link.opened()
        self.taps[name] = Tap(link)
        return self.taps[name]

    async def open(self, name: str, *, flow: BlobFlow | None = None) -> RabbitBlobs:
        await self.end(name)
        blobs = RabbitBlobs(name, await self.tap(name), self.folder(name), flow=flow)  # type: ignore[arg-type]
        self.opened[name] = blobs
        return blobs

    async def end(self, name: str) -> None:
        """End a process of that name, if there is one."""
        with suppress(KeyError):
            await self.opened.pop(name).close()

    async def cut(self, name: str) -> None:
        await self.rig.cut(f"{name} blobs")

    async def close(self) -> None:
        for name in tuple(self.opened):
            await self.end(name)
        await asyncio.gather(*(link.close() for link in self._links))
        self._folders.cleanup()
