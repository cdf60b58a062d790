"""Keeping an actor alive: built anew after a crash, not for ever, and not while stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fakes.ports import FakeClock, yield_turns

from actors.ports import LinkLost
from actors.supervision import GaveUp, RestartPolicy, Supervisor
from protocols.reports import ActorRestarted

POLICY = RestartPolicy(first_s=1.0, longest_s=4.0, calm_s=60.0, most=5)


class Troupe:
    """Builds actors that end as a test says, and sees whether their ports are closed."""

    def __init__(self, policy: RestartPolicy = POLICY) -> None:
        self.clock = FakeClock()
        self.events: list[Any] = []
        self.crash_after_s: list[float | None] = []
        self.built: list[float] = []
        self.open = 0
        self.supervisor = Supervisor(
            "ann", self.build, clock=self.clock, monitor=self, policy=policy
        )

    def emit(self, event: Any) -> None:
        self.events.append(event)

    @asynccontextmanager
    async def build(self) -> AsyncIterator[Any]:
        self.built.append(self.clock.now_s())
        self.open += 1
        crash_after_s = self.crash_after_s.pop(0) if self.crash_after_s else None
        try:
            yield Player(self.clock, crash_after_s)
        finally:
            self.open -= 1


class Player:
    def __init__(self, clock: FakeClock, crash_after_s: float | None) -> None:
        self._clock = clock
        self._crash_after_s = crash_after_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        if self._crash_after_s is None:
            await self._stopped.wait()
            return
        await self._clock.sleep(self._crash_after_s)
        raise LinkLost("the link of a test")


async def ended(troupe: Troupe, task: asyncio.Task[None]) -> None:
    troupe.supervisor.stop()
    await yield_turns()
    await task


async def test_an_actor_that_ends_by_itself_is_not_built_again() -> None:
    troupe = Troupe()
    task = asyncio.create_task(troupe.supervisor.run())
    await yield_turns()

    await ended(troupe, task)

    assert troupe.built == [0.0]
    assert troupe.open == 0
    assert troupe.events == []


async def test_a_crashed_actor_is_built_again_after_waits_that_double_up_to_a_limit() -> None:
    troupe = Troupe()
    troupe.crash_after_s = [0.0] * 4
    task = asyncio.create_task(troupe.supervisor.run())

    await troupe.clock.advance(100.0)
    await ended(troupe, task)

    assert troupe.built == [0.0, 1.0, 3.0, 7.0, 11.0]
    assert troupe.events == [ActorRestarted(actor="ann", reason="LinkLost: the link of a test")] * 4
    assert troupe.open == 0


async def test_too_many_crashes_in_a_row_are_given_up_on() -> None:
    troupe = Troupe()
    troupe.crash_after_s = [0.0] * 9
    task = asyncio.create_task(troupe.supervisor.run())

    await troupe.clock.advance(100.0)

    assert task.done()
    with pytest.raises(GaveUp, match="ann crashed 5 times in a row") as caught:
        await task
    assert isinstance(caught.value.__cause__, LinkLost)
    assert len(troupe.built) == 5
    assert troupe.open == 0


async def test_a_calm_run_ends_the_row() -> None:
    troupe = Troupe()
    troupe.crash_after_s = [0.0, 0.0, 0.0, 60.0, 0.0, 0.0, 0.0]
    task = asyncio.create_task(troupe.supervisor.run())

    await troupe.clock.advance(200.0)
    await ended(troupe, task)

    assert len(troupe.built) == 8
    assert troupe.built[4] - troupe.built[3] == 61.0


async def test_a_stop_during_the_wait_builds_nothing_more() -> None:
    troupe = Troupe()
    troupe.crash_after_s = [0.0]
    task = asyncio.create_task(troupe.supervisor.run())
    await yield_turns()

    troupe.supervisor.stop()
    await troupe.clock.advance(2.0)

    assert task.done()
    await task
    assert len(troupe.built) == 1


async def test_a_stop_before_the_start_builds_nothing() -> None:
    troupe = Troupe()
    troupe.supervisor.stop()

    await troupe.supervisor.run()

    assert troupe.built == []


async def test_cancelling_ends_the_actor_at_once_and_closes_its_ports() -> None:
    troupe = Troupe()
    task = asyncio.create_task(troupe.supervisor.run())
    await yield_turns()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert troupe.open == 0
    assert len(troupe.built) == 1


async def test_ports_that_cannot_be_opened_count_as_a_crash() -> None:
    clock = FakeClock()
    events: list[Any] = []

    @asynccontextmanager
    async def build() -> AsyncIterator[Any]:
        raise LinkLost("no broker")
        yield

    class Monitor:
        def emit(self, event: Any) -> None:
            events.append(event)

    supervisor = Supervisor("ann", build, clock=clock, monitor=Monitor(), policy=POLICY)
    task = asyncio.create_task(supervisor.run())
    await clock.advance(100.0)

    assert task.done()
    with pytest.raises(GaveUp, match="no broker"):
        await task
    assert len(events) == 4


@pytest.mark.parametrize("crashes", [1, 8, 33, 1000])
def test_the_wait_never_exceeds_its_limit(crashes: int) -> None:
    assert 1.0 <= POLICY.wait_s(crashes) <= 4.0
