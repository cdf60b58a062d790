"""Control messages on their way out: in order for each, bounded, repeated after a lost link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fakes.ports import FakeClock, yield_turns

from actors.outbox import Outbox
from actors.ports import Lane, LinkLost, PortError


class Link:
    """A transport that records, blocks the recipients it is told to, and breaks on demand."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.tried = 0
        self.broken = False
        self.blocked: dict[str, asyncio.Event] = {}

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        assert lane is Lane.CONTROL
        self.tried += 1
        await asyncio.sleep(0)
        if to in self.blocked:
            await self.blocked[to].wait()
        if self.broken:
            raise LinkLost("the link of a test")
        self.sent.append((to, body))

    def bodies(self, to: str) -> list[bytes]:
        return [body for name, body in self.sent if name == to]


@asynccontextmanager
async def outbox_on(link: Link, clock: FakeClock, *, limit: int = 1000) -> AsyncIterator[Outbox]:
    outbox = Outbox(link, clock, limit=limit)  # type: ignore[arg-type]
    yield outbox
    await outbox.close()


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


async def test_each_recipient_gets_its_messages_in_order() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        for body in numbered(20):
            outbox.post("ann", body)
            outbox.post("bob", body)

        assert await outbox.flush(within_s=5.0)

    assert link.bodies("ann") == link.bodies("bob") == numbered(20)


async def test_a_slow_recipient_holds_up_no_other() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", b"1")
        outbox.post("bob", b"1")
        await yield_turns()

        assert link.sent == [("bob", b"1")]


async def test_beyond_the_bound_the_oldest_are_dropped_and_counted() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock(), limit=3) as outbox:
        for body in numbered(10):
            outbox.post("ann", body)
        link.blocked["ann"].set()
        await outbox.flush(within_s=5.0)

        assert link.bodies("ann") == [b"7", b"8", b"9"]
        assert outbox.dropped == 7


async def test_a_message_dropped_while_it_was_sent_takes_no_other_with_it() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock(), limit=3) as outbox:
        outbox.post("ann", b"first")
        await yield_turns()
        for body in numbered(3):
            outbox.post("ann", body)
        link.blocked["ann"].set()
        await outbox.flush(within_s=5.0)

        assert link.bodies("ann") == [b"first", b"0", b"1", b"2"]


async def test_a_lost_link_is_tried_again_in_the_same_order() -> None:
    link, clock = Link(), FakeClock()
    link.broken = True
    async with outbox_on(link, clock) as outbox:
        for body in numbered(3):
            outbox.post("ann", body)
        await clock.advance(2.0)
        tried = link.tried
        link.broken = False
        await clock.advance(0.5)

        assert 3 <= tried <= 6
        assert link.bodies("ann") == numbered(3)


async def test_flushing_an_empty_outbox_ends_at_once() -> None:
    async with outbox_on(Link(), FakeClock()) as outbox:
        assert await outbox.flush(within_s=0.001)


async def test_flushing_gives_up_when_its_time_is_over() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", b"1")

        assert not await outbox.flush(within_s=0.01)


async def test_messages_after_a_flush_are_sent_too() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", b"1")
        await outbox.flush(within_s=5.0)
        outbox.post("ann", b"2")
        await outbox.flush(within_s=5.0)

    assert link.bodies("ann") == [b"1", b"2"]


async def test_closing_leaves_no_task_behind() -> None:
    link, clock = Link(), FakeClock()
    link.broken = True
    link.blocked["bob"] = asyncio.Event()
    outbox = Outbox(link, clock)  # type: ignore[arg-type]
    outbox.post("ann", b"1")
    outbox.post("bob", b"1")
    await yield_turns()

    await outbox.close()

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_message_that_can_not_be_sent_holds_up_no_later_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Choosy(Link):
        async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
            if body == b"1":
                raise PortError("too large")
            await super().send(to, body, lane=lane)

    link = Choosy()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", b"1")
        outbox.post("ann", b"2")

        assert await outbox.flush(within_s=5.0)
        assert outbox.dropped == 1

    assert link.bodies("ann") == [b"2"]
    assert "can't be sent" in caplog.text
