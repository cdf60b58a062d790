"""Every rule can fail: whole histories of actors with something broken in them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import numpy as np
import pytest
from fakes.simulated_scene import (
    SIZE,
)

from actors.actor import Actor
from actors.letter import Letter
from actors.outbox import Outbox
from actors.ports import WorkFailed
from actors.trainer import Trainer
from infra.simulation import trainer_checks
from infra.simulation.faults import Aim, Fault, Kind, Plan, Point
from infra.simulation.ghost import Rule
from infra.simulation.ports import SimEntropy
from infra.simulation.queues import SimQueue
from infra.simulation.runner import run
from infra.simulation.spool import SimSpool
from infra.simulation.worker import SimWorker
from infra.simulation.world import World
from protocols.effects import Effect
from protocols.messages import Vote
from protocols.round_config import RoundConfig
from protocols.secagg.contributing import Contributing
from protocols.secagg.shamir_suite import ShamirSuite

PLAIN = Plan(size=SIZE, faulty_s=10.0, healed_s=30.0)


def rules_broken(plan: Plan = PLAIN) -> set[Rule]:
    return {violation.rule for violation in run(plan, 1).violations}


def test_the_plain_history_breaks_no_rule() -> None:
    assert rules_broken() == set()


def test_an_actor_that_sends_before_it_commits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Actor._commit

    async def late(self: Actor, effects: list[Effect]) -> None:
        self._begin(f"late {id(effects)}", honest(self, effects))

    monkeypatch.setattr(Actor, "_commit", late)

    assert Rule.DURABLE in rules_broken()


def test_an_actor_that_acknowledges_before_it_commits_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hasty(self: Actor) -> None:
        batch = await self._next_batch()
        for item in batch:
            if item.ack is not None:
                await item.ack()
        effects = [effect for item in batch for effect in item.decide()]
        await self._perform_all(effects + self.advance())

    monkeypatch.setattr(Actor, "_turn", hasty)

    assert Rule.DURABLE in rules_broken()


def test_rounds_that_are_abandoned_after_the_healing_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = SimWorker.compute

    async def lazy(self: SimWorker, state: bytes, number: int) -> np.ndarray:
        now_s = asyncio.get_running_loop().now_s  # type: ignore[attr-defined]
        if PLAIN.faulty_s < now_s < PLAIN.faulty_s + 10.0:
            raise WorkFailed("lazy", "not now")
        return await honest(self, state, number)

    monkeypatch.setattr(SimWorker, "compute", lazy)

    assert rules_broken() == {Rule.ALIVE}


def test_a_holder_that_adds_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ShamirSuite.answer
    monkeypatch.setattr(
        ShamirSuite,
        "answer",
        lambda self, config, total: honest(self, config, total + np.uint64(1)),
    )

    assert rules_broken() >= {Rule.EXACT, Rule.ENDINGS}


def test_shares_that_are_never_erased_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def keep(self: SimSpool, prefix: str) -> None:
        pass

    monkeypatch.setattr(SimSpool, "erase", keep)

    assert rules_broken() == {Rule.GONE, Rule.BOUNDED}


def test_answers_that_a_coordinator_never_erases_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = SimSpool.erase

    async def keep(self: SimSpool, prefix: str) -> None:
        if self._host != "coordinator":
            await honest(self, prefix)

    monkeypatch.setattr(SimSpool, "erase", keep)

    assert rules_broken() == {Rule.GONE}


def test_a_queue_above_its_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimQueue, "has_room", lambda self: True)

    assert rules_broken(replace(PLAIN, size=replace(SIZE, queue_messages=1))) == {Rule.BOUNDED}


def test_a_failure_outside_all_actors_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: World, name: str) -> None:
        raise OSError("a planted failure")

    monkeypatch.setattr(World, "crash_for", fail)
    lie = Fault(kind=Kind.FSYNC_LIES, at_s=1.0, target="h1", amount=1.0)

    assert rules_broken(replace(PLAIN, faults=(lie,))) == {Rule.QUIET}


def test_a_trainer_that_waits_for_ever_for_its_welcome_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The coordinator takes in the greetings and dies before its answers leave.
    crash = Fault(
        kind=Kind.CRASH_AT_SEND,
        at_s=0.0,
        target="coordinator",
        duration_s=0.5,
        aim=Aim(point=Point.BEFORE_SEND, what="Welcome"),
    )
    plan = replace(PLAIN, faults=(crash,))
    assert rules_broken(plan) == set()

    monkeypatch.setattr(Contributing, "_greet", lambda self: [])

    assert rules_broken(plan) == {Rule.ALIVE}


def test_a_control_message_that_is_dropped_on_the_way_out_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = Outbox.post

    def forgetful(self: Outbox, to: str, letter: Letter) -> None:
        if not isinstance(letter.message, Vote):
            honest(self, to, letter)

    monkeypatch.setattr(Outbox, "post", forgetful)

    assert rules_broken() == {Rule.ALIVE}


def test_actors_that_tell_their_log_too_much_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Trainer._vector

    async def talkative(self: Trainer, config: RoundConfig) -> np.ndarray:
        vector = await honest(self, config)
        logging.getLogger("actors.trainer").warning("%s: %s", self.name, list(vector))
        return vector

    monkeypatch.setattr(Trainer, "_vector", talkative)

    assert rules_broken() == {Rule.SECRET}


def test_a_trainer_that_hides_its_vector_by_no_entropy_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = ShamirSuite.protect
    monkeypatch.setattr(
        ShamirSuite,
        "protect",
        lambda self, config, values, seed, chunk: honest(self, config, values, bytes(32), chunk),
    )
    # The checks compute with the honest one.
    looked_at = type("Honest", (ShamirSuite,), {"protect": honest})()
    monkeypatch.setattr(trainer_checks, "SUITES", {"shamir": looked_at})

    assert rules_broken() == {Rule.SECRET}


def test_a_trainer_that_hides_two_contributions_by_one_seed_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = SimEntropy.bytes
    drawn: dict[str, bytes] = {}

    def lazy(self: SimEntropy, count: int) -> bytes:
        seed = drawn.setdefault(self._host, honest(self, 32))
        return seed if count == len(seed) else honest(self, count)

    monkeypatch.setattr(SimEntropy, "bytes", lazy)
    monkeypatch.setattr(trainer_checks, "_LOOKED_AT", 1)

    assert rules_broken() == {Rule.SECRET}
