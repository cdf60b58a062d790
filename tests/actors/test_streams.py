"""Sending a spooled stream: a window of chunks on their way, each until the link takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fakes.ports import FakeClock, FakeSpool, ports_of, yield_turns
from fakes.round_parts import ROSTER, config_of

from actors.actor import Actor
from actors.ports import Delivery, Lane, LinkLost, PortError, StorageFailed
from protocols.effects import Effect
from protocols.messages import Welcome, Wire, read
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import chunk_count

LONG = config_of(dimension=128 * 20)  # 20 chunks of 1024 bytes
MIB = 2**20


class Sender(Actor):
    """An actor that only sends streams."""

    async def restore(self, _records: dict[str, bytes]) -> list[Effect]:
        return []

    def decide(self, _sender: str, _message: Wire, _signature: bytes) -> list[Effect]:
        return []

    def perform(self, _effect: Effect) -> None:
        raise AssertionError


class SlowLink:
    """A transport whose sends wait for permission, and fail where a test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.doors: dict[int, asyncio.Event] = {}  # of chunks with one of their own
        self.began: list[int] = []
        self.arrived: list[int] = []
        self.under_way = 0
        self.most = 0
        self.errors: dict[int, list[Exception]] = {}

    async def send(self, _to: str, body: bytes, *, lane: Lane) -> None:
        message = read(body)[1]
        assert isinstance(message, Welcome)
        assert lane is Lane.BULK
        self.began.append(message.number)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.doors.get(message.number, self.open).wait()
            if self.errors.get(message.number):
                raise self.errors[message.number].pop()
            self.arrived.append(message.number)
        finally:
            self.under_way -= 1

    def deliveries(self) -> AsyncIterator[Delivery]:
        raise AssertionError

    async def close(self) -> None:
        return None


class Scene:
    def __init__(self, config: RoundConfig = LONG) -> None:
        self.config = config
        self.link, self.clock, self.spool = SlowLink(), FakeClock(), FakeSpool()
        self.spool.chunks["s"] = dict.fromkeys(range(chunk_count(config)), b"x")
        ports = ports_of(self.link, clock=self.clock, spool=self.spool, monitor=self)
        self.sender = Sender("ann", ROSTER, ports)

    def emit(self, event: Any) -> None:
        raise AssertionError

    def sending(self, indices: Sequence[int] | None = None) -> asyncio.Task[None]:
        async def wrap(index: int, _payload: bytes) -> Welcome:
            return Welcome(job="sum", number=index)

        work = self.sender.send_stream(self.config, "s", "holder-1", wrap, indices)
        return asyncio.create_task(work)


async def test_eight_chunks_are_on_their_way_and_all_arrive_once() -> None:
    scene = Scene()

    sending = scene.sending()
    await yield_turns(60)
    during = list(scene.link.began)
    scene.link.open.set()
    await sending

    assert during == list(range(8))
    assert scene.link.most == 8
    assert sorted(scene.link.arrived) == list(range(20))


@pytest.mark.parametrize(("chunk_bytes", "window"), [(MIB, 8), (2 * MIB, 4), (4 * MIB, 2)])
async def test_no_more_than_eight_mebibytes_are_on_their_way(chunk_bytes: int, window: int) -> None:
    scene = Scene(config_of(chunk_bytes=chunk_bytes, dimension=chunk_bytes // 8 * 9))

    sending = scene.sending()
    await yield_turns(60)
    scene.link.open.set()
    await sending

    assert scene.link.most == window
    assert sorted(scene.link.arrived) == list(range(9))


async def test_only_the_chunks_asked_for_are_sent() -> None:
    scene = Scene()
    scene.link.open.set()

    await scene.sending((3, 1, 19))

    assert sorted(scene.link.arrived) == [1, 3, 19]


async def test_a_chunk_that_a_lost_link_did_not_take_is_sent_again_and_holds_up_no_other() -> None:
    scene = Scene()
    scene.link.errors = {2: [LinkLost("1"), LinkLost("2")], 5: [LinkLost("1")]}
    scene.link.open.set()

    sending = scene.sending()
    await yield_turns(60)
    early = list(scene.link.arrived)
    await scene.clock.advance(2.0)
    await sending

    assert sorted(early) == [i for i in range(20) if i not in (2, 5)]
    assert sorted(scene.link.arrived) == list(range(20))
    assert scene.link.began.count(2) == 3


@pytest.mark.parametrize("error", [PortError("unknown recipient"), StorageFailed("disk")])
async def test_another_error_surfaces_and_gives_up_what_is_on_its_way(error: Exception) -> None:
    scene = Scene()
    door = scene.link.doors[3] = asyncio.Event()
    scene.link.errors = {3: [error]}
    sending = scene.sending()
    await yield_turns(60)

    door.set()
    with pytest.raises(type(error), match=str(error)):
        await sending

    assert scene.link.most == 8
    assert scene.link.under_way == 0
    assert scene.link.arrived == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_missing_chunk_surfaces() -> None:
    scene = Scene()
    scene.link.open.set()

    with pytest.raises(StorageFailed):
        await scene.sending((20,))


async def test_cancelling_ends_every_chunk_that_is_on_its_way() -> None:
    scene = Scene()
    sending = scene.sending()
    await yield_turns(60)

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    assert scene.link.under_way == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
