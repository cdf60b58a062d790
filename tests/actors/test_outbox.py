"""Control messages on their way out: in order for each, bounded, repeated after a lost link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fakes.ports import FakeClock, yield_turns

from actors.letter import Letter
from actors.outbox import Outbox
from actors.ports import Lane, LinkLost, PortError
from protocols.errors import Misuse
from protocols.messages import Contribution, Goodbye, Have, Message
from protocols.secagg.bundling import MOST


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
    failures: list[BaseException] = []
    outbox = Outbox(link, clock, limit=limit, failed=failures.append)  # type: ignore[arg-type]
    yield outbox
    await outbox.close()
    assert not failures


def letter(body: bytes) -> Letter:
    return Letter(Goodbye(), lambda _message, _version: body)


def receipt(*trainers: str, cid: bytes = bytes(32)) -> Letter:
    """Travels as the names of its trainers."""
    told = tuple(Contribution(trainer=name, digest=bytes(32)) for name in trainers)

    def seal(message: Message, _version: int) -> bytes:
        assert isinstance(message, Have)
        return " ".join(one.trainer for one in message.contributions).encode()

    return Letter(Have(cid=cid, contributions=told), seal)


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


async def test_each_recipient_gets_its_messages_in_order() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        for body in numbered(20):
            outbox.post("ann", letter(body))
            outbox.post("bob", letter(body))

        assert await outbox.flush(within_s=5.0)

    assert link.bodies("ann") == link.bodies("bob") == numbered(20)


async def test_a_slow_recipient_holds_up_no_other() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", letter(b"1"))
        outbox.post("bob", letter(b"1"))
        await yield_turns()

        assert link.sent == [("bob", b"1")]


async def test_beyond_the_bound_the_oldest_are_dropped_and_counted() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock(), limit=3) as outbox:
        for body in numbered(10):
            outbox.post("ann", letter(body))
        link.blocked["ann"].set()
        await outbox.flush(within_s=5.0)

        assert link.bodies("ann") == [b"7", b"8", b"9"]
        assert outbox.dropped == 7


async def test_a_message_dropped_while_it_was_sent_takes_no_other_with_it() -> None:
    link = Link()
    link.blocked["ann"] = asyncio.Event()
    async with outbox_on(link, FakeClock(), limit=3) as outbox:
        outbox.post("ann", letter(b"first"))
        await yield_turns()
        for body in numbered(3):
            outbox.post("ann", letter(body))
        link.blocked["ann"].set()
        await outbox.flush(within_s=5.0)

        assert link.bodies("ann") == [b"first", b"0", b"1", b"2"]


async def test_a_lost_link_is_tried_again_in_the_same_order() -> None:
    link, clock = Link(), FakeClock()
    link.broken = True
    async with outbox_on(link, clock) as outbox:
        for body in numbered(3):
            outbox.post("ann", letter(body))
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
        outbox.post("ann", letter(b"1"))

        assert not await outbox.flush(within_s=0.01)


async def test_messages_after_a_flush_are_sent_too() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("ann", letter(b"1"))
        await outbox.flush(within_s=5.0)
        outbox.post("ann", letter(b"2"))
        await outbox.flush(within_s=5.0)

    assert link.bodies("ann") == [b"1", b"2"]


async def test_closing_leaves_no_task_behind() -> None:
    link, clock = Link(), FakeClock()
    link.broken = True
    link.blocked["bob"] = asyncio.Event()
    outbox = Outbox(link, clock, failed=pytest.fail)  # type: ignore[arg-type]
    outbox.post("ann", letter(b"1"))
    outbox.post("bob", letter(b"1"))
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
        outbox.post("ann", letter(b"1"))
        outbox.post("ann", letter(b"2"))

        assert await outbox.flush(within_s=5.0)
        assert outbox.dropped == 1

    assert link.bodies("ann") == [b"2"]
    assert "can't be sent" in caplog.text


async def test_receipts_that_wait_for_their_turn_go_out_together() -> None:
    link = Link()
    link.blocked["hub"] = asyncio.Event()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("hub", receipt("ann"))
        await yield_turns()
        for name in ("bob", "cat", "dan"):
            outbox.post("hub", receipt(name))
        link.blocked["hub"].set()

        assert await outbox.flush(within_s=5.0)

    assert link.bodies("hub") == [b"ann", b"bob cat dan"]


async def test_receipts_of_one_turn_go_out_together_and_at_once() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("hub", receipt("ann"))
        outbox.post("hub", receipt("bob"))
        await yield_turns()

        assert link.bodies("hub") == [b"ann bob"]


async def test_a_receipt_on_its_way_takes_in_no_other_though_its_link_is_lost() -> None:
    link, clock = Link(), FakeClock()
    link.broken = True
    async with outbox_on(link, clock) as outbox:
        outbox.post("hub", receipt("ann"))
        await yield_turns()
        outbox.post("hub", receipt("bob"))
        link.broken = False
        await clock.advance(2.0)

        assert link.bodies("hub") == [b"ann", b"bob"]


async def test_receipts_pass_no_other_message() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        outbox.post("hub", receipt("ann"))
        outbox.post("hub", letter(b"out: ann"))
        outbox.post("hub", receipt("bob"))

        assert await outbox.flush(within_s=5.0)

    assert link.bodies("hub") == [b"ann", b"out: ann", b"bob"]


async def test_receipts_beyond_the_bound_of_a_message_go_out_in_the_next() -> None:
    link = Link()
    async with outbox_on(link, FakeClock()) as outbox:
        for number in range(MOST + 2):
            outbox.post("hub", receipt(f"t{number}"))

        assert await outbox.flush(within_s=5.0)

    assert [len(body.split()) for body in link.bodies("hub")] == [MOST, 2]


async def test_one_letter_to_many_is_sealed_once() -> None:
    sealed: list[Message] = []

    def seal(message: Message, _version: int) -> bytes:
        sealed.append(message)
        return b"1"

    link, one = Link(), Letter(Goodbye(), seal)
    async with outbox_on(link, FakeClock()) as outbox:
        for name in ("ann", "bob", "cat"):
            outbox.post(name, one)
        assert await outbox.flush(within_s=5.0)

    assert len(sealed) == 1
    assert sorted(name for name, _ in link.sent) == ["ann", "bob", "cat"]


async def test_what_can_not_be_sealed_is_told_as_our_own_fault() -> None:
    def seal(_message: Message, _version: int) -> bytes:
        raise Misuse("a message that nobody can seal")

    failures: list[BaseException] = []
    outbox = Outbox(Link(), FakeClock(), failed=failures.append)  # type: ignore[arg-type]
    outbox.post("ann", Letter(Goodbye(), seal))
    await yield_turns()
    await outbox.close()

    assert [str(error) for error in failures] == ["a message that nobody can seal"]
