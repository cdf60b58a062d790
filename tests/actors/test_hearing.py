"""A coordinator that was stopped, or whose transport stood still, blames nobody for it."""

from __future__ import annotations

import pytest
from fakes.actor_rig import Stage, in_virtual_time
from fakes.ports import FakeClock, ports_of, yield_turns
from fakes.round_parts import said_open

from actors.coordinator import Coordinator, CoordinatorPorts
from actors.hearing import Hearing
from actors.ports import Blobs, Transport
from protocols.effects import Effect, Report
from protocols.messages import Announce
from protocols.pieces import Pieces
from protocols.reports import Progress, RoundAbandoned, Step


def test_a_little_late_is_not_deaf() -> None:
    hearing = Hearing()

    assert hearing.overslept_s(11.0, 10.0) == 0.0
    assert hearing.overslept_s(40.0, 10.0) == 30.0
    assert hearing.overslept_s(40.0, None) == 0.0
    assert hearing.overslept_s(5.0, 10.0) == 0.0


def test_while_the_transport_stands_still_it_is_asked_again_each_second() -> None:
    hearing = Hearing()
    wakes = [hearing.wake_s(10.0)]

    assert hearing.is_deaf(20.0, stalled_s=3.0)
    wakes += [hearing.wake_s(10.0), hearing.wake_s(30.0), hearing.wake_s(None)]
    assert not hearing.is_deaf(21.0, stalled_s=0.5)
    wakes.append(hearing.wake_s(10.0))

    assert wakes == [10.0, 21.0, 30.0, None, 10.0]


class Stalling:
    """A transport that stands still for as long as a test says."""

    def __init__(self, inner: Transport) -> None:
        self.stalls_s = 0.0
        self.send, self.deliveries, self.close = inner.send, inner.deliveries, inner.close

    def stalled_s(self) -> float:
        return self.stalls_s


class Noting:
    """Blobs that note what is published."""

    def __init__(self, inner: Blobs) -> None:
        self.published: list[bytes] = []
        self._inner = inner
        self.fetch, self.retain = inner.fetch, inner.retain

    async def publish(self, data: Pieces) -> bytes:
        self.published.append(bytes(data))
        return await self._inner.publish(data)


class Head:
    """A coordinator whose clock and transport a test holds in its hands."""

    def __init__(self) -> None:
        self.stage = Stage()
        for name in self.stage.names:
            self.stage.bus.declare(name)
        name = self.stage.roster.coordinator
        self.transport = Stalling(self.stage.bus.connect(name))
        self.blobs = Noting(self.stage.bus.blobs(name))
        self.clock = FakeClock()
        ports = ports_of(self.transport, clock=self.clock, monitor=self.stage)
        self.actor = Coordinator(
            self.stage.roster,
            ports,
            self.stage.assignment,
            CoordinatorPorts(self.blobs, self.stage.checkpoints),
        )

    async def begin(self) -> None:
        await self.actor.restore({})

    def opened(self, *holders: str) -> list[Effect]:
        gathering = self.actor._machine._round
        assert gathering is not None
        opened = [(name, said_open(gathering.config, name)) for name in holders]
        return [e for holder, message in opened for e in self.actor.decide(holder, message, b"")]

    def step(self) -> Step:
        gathering = self.actor._machine._round
        assert gathering is not None
        return gathering.step

    def wake_s(self) -> float:
        wake_s = self.actor.next_wake_s()
        assert wake_s is not None
        return wake_s


def abandoned(effects: list[Effect]) -> bool:
    return any(isinstance(e, Report) and isinstance(e.event, RoundAbandoned) for e in effects)


async def test_a_coordinator_that_was_stopped_reads_before_it_gives_up() -> None:
    head = Head()
    await head.begin()
    await head.clock.advance(40.0)

    woken = head.actor.advance()
    head.opened(*head.stage.roster.holders)

    assert not abandoned(woken)
    assert head.step() is Step.COLLECTING


async def test_what_is_read_first_after_a_stop_ends_no_grace() -> None:
    head = Head()
    await head.begin()
    first, second, third, fourth, fifth = head.stage.roster.holders
    head.opened(first, second, third)
    await head.clock.advance(40.0)

    effects = head.opened(fourth)
    before = head.step()
    head.opened(fifth)

    reports = [e.event for e in effects if isinstance(e, Report)]
    assert Progress in {type(event) for event in reports}
    assert before is Step.OPENING
    assert head.step() is Step.COLLECTING


async def test_while_the_transport_stands_still_nobody_is_given_up() -> None:
    head = Head()
    await head.begin()
    head.transport.stalls_s = 2.0
    effects: list[Effect] = []
    while head.clock.now_s() < 250.0:
        await head.clock.advance(head.wake_s() - head.clock.now_s())
        effects += head.actor.advance()
    assert effects == []
    assert head.wake_s() == head.clock.now_s() + 1.0, "it looks again, but not all the time"

    head.transport.stalls_s = 0.0
    await head.clock.advance(1.0)
    mended = head.actor.advance()
    head.opened(*head.stage.roster.holders)

    assert not abandoned(mended)
    assert head.step() is Step.COLLECTING


async def test_once_it_can_hear_silence_is_counted_again() -> None:
    head = Head()
    await head.begin()
    await head.clock.advance(40.0)
    head.actor.advance()
    effects: list[Effect] = []
    while head.clock.now_s() < 70.0:
        await head.clock.advance(head.wake_s() - head.clock.now_s())
        effects += head.actor.advance()

    assert abandoned(effects)
    assert head.clock.now_s() == pytest.approx(70.0)


async def test_a_broker_that_stood_still_may_have_lost_the_state_which_is_published_again() -> None:
    head = Head()
    await head.begin()
    head.transport.stalls_s = 2.0
    await head.clock.advance(5.0)
    head.actor.advance()
    head.transport.stalls_s = 0.0
    await head.clock.advance(40.0)
    before = list(head.blobs.published)

    head.actor.advance()
    await yield_turns()

    assert before == [head.actor.state.to_bytes()]
    assert head.blobs.published == before * 2


def test_a_stop_in_the_middle_of_a_round_ends_with_the_sum() -> None:
    stage = Stage()
    jumps = Jumping(stage)
    stage.clock = jumps  # type: ignore[assignment]  # it has the same two methods

    in_virtual_time(stage.run())

    assert jumps.jumped
    assert not stage.events_of(RoundAbandoned)
    stage.check()


class Jumping:
    """A clock that runs ahead of everybody once trainers were announced to, as after a stop."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._inner = stage, stage.clock
        self.jumped = False
        self._ahead_s = 0.0

    def now_s(self) -> float:
        if not self.jumped and self._stage.messages_of(Announce):
            self.jumped, self._ahead_s = True, 100.0
        return self._inner.now_s() + self._ahead_s

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
