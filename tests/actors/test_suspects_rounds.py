"""Whole federations in which one trainer's mask never belongs to its secret."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import actor_rig
from fakes.actor_rig import Committee, Stage, in_virtual_time
from numpy.typing import NDArray

from actors.trainer import Trainer
from protocols.codec import parse
from protocols.learning.state import State
from protocols.messages import Announce, CloseRound
from protocols.records import RunRecord
from protocols.reports import (
    ActorRestarted,
    JobEnded,
    RoundAbandoned,
    RoundComplete,
    RoundPutOff,
    TrainerLeft,
    TrainersSuspected,
)
from protocols.round_config import RoundConfig

EVERYBODY = ("ann", "bob", "cat", "dan", "eve", "fay", "gus")


class OtherSecret(Trainer):
    """Masks its vector under a secret that the holders have no shares of."""

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], _seed: bytes
    ) -> bytes | None:
        return await super()._bulk(config, vector, bytes(32))


@pytest.fixture(autouse=True)
def _one_short_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_rig, "DIMENSION", 300)


def stage_of(name: str = "bob", rounds: int = 4) -> Stage:
    committee = Committee(masked=True, dealers={name: OtherSecret})
    return Stage(rounds=rounds, trainers=len(EVERYBODY), committee=committee)


def check_sums(stage: Stage, rounds: int) -> list[set[str]]:
    """See that every sum is that of the trainers it says; return who they are."""
    stage.check_messages()
    states = [State.from_bytes(data) for data in stage.checkpoints.saved.values()]
    totals = {s.count("completed"): s.floats("total") for s in states if s.arrays}
    assert sorted(totals) == list(range(1, rounds + 1))
    summed = []
    for completed, total in sorted(totals.items()):
        (config,) = stage._round_numbers(completed)
        places = [place for place in range(len(EVERYBODY)) if int(total[0]) >> 2 * place & 1]
        vectors = [actor_rig.vector_of(place, config.number) for place in places]
        assert np.array_equal(total, sum(vectors))
        summed.append({EVERYBODY[place] for place in places})
    return summed


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_trainer_that_garbles_every_sum_is_left_out_and_the_job_goes_on(name: str) -> None:
    stage = stage_of(name)

    in_virtual_time(stage.run())

    summed = check_sums(stage, rounds=4)
    (ended,) = stage.events_of(JobEnded)
    assert ended.outcome == "max rounds"
    assert name in ended.suspects
    assert len(ended.suspects) in (3, 4)
    assert all(name not in names for names in summed)
    assert summed[-1] == set(EVERYBODY) - set(ended.suspects)
    assert 1 <= len(stage.events_of(RoundAbandoned)) <= 3
    assert not stage.events_of(ActorRestarted)


def test_the_search_goes_on_at_once_and_is_told_and_uses_up_no_abandoned_rounds() -> None:
    stage = stage_of()
    plan = replace(stage.assignment.plan, abandoned_rounds=1)
    stage.assignment = replace(stage.assignment, plan=plan)

    in_virtual_time(stage.run())

    first, *_, last = stage.events_of(TrainersSuspected)
    assert first.groups == (EVERYBODY,)
    assert first.left_out == ()
    assert "bob" in last.left_out
    assert last.asked_at >= 8
    assert stage.events_of(JobEnded)[0].outcome == "max rounds"
    assert not stage.events_of(RoundPutOff)
    assert not stage.events_of(TrainerLeft)
    reason = stage.events_of(RoundAbandoned)[0].reason
    assert "opens to noise that 7 trainers do not have" in reason
    assert reason.endswith("the next round is over 3 of 7 trainers, to find out whose")


def test_who_is_not_asked_is_told_nothing_of_a_round() -> None:
    stage = stage_of()

    in_virtual_time(stage.run())

    last = stage.events_of(RoundComplete)[-1]
    asked = {
        sent.recipient
        for sent, message in stage.messages
        if isinstance(message, Announce) and message.config.number == last.number
    }
    assert asked == set(last.survivors)


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
def test_a_coordinator_that_crashes_where_rounds_begin_and_end_goes_on_with_the_search(
    *, written: bool
) -> None:
    whole = stage_of(rounds=1)
    in_virtual_time(whole.run())
    commits = whole.homes["coordinator"].journal.commits
    places = [n for n, writes in enumerate(commits) if {"run", "round"} & {k for k, _ in writes}]

    for number in places:
        stage = stage_of(rounds=1)
        journal = stage.homes["coordinator"].journal
        journal.fail_at, journal.writes_before_failing = number, written
        in_virtual_time(stage.run())

        assert check_sums(stage, rounds=1) == [{"cat", "eve", "gus"}], number
        told = {(m.number, m.complete) for m in stage.messages_of(CloseRound)}
        assert told == {(1, False), (2, True)}, number
        # The coordinator's own records say how often it was garbled; an event may be lost.
        assert journal_run(stage).number == 3, number
        assert len(stage.events_of(ActorRestarted)) == 1, number


def journal_run(stage: Stage) -> RunRecord:
    return parse(stage.homes["coordinator"].journal.ever("run")[-1], RunRecord)


def test_too_few_to_be_split_end_as_before_and_it_is_said() -> None:
    committee = Committee(masked=True, dealers={"bob": OtherSecret})
    stage = Stage(rounds=1, trainers=5, committee=committee)

    in_virtual_time(stage.run())

    assert not stage.events_of(RoundComplete)
    reasons = [event.reason for event in stage.events_of(RoundAbandoned)]
    assert len(reasons) == 2
    assert all(r.endswith("5 trainers are too few for two sums of 3") for r in reasons)
    assert stage.events_of(JobEnded)[0].suspects == ()
    assert not stage.events_of(TrainersSuspected)
