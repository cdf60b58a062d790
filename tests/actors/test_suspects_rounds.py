"""Whole federations in which one trainer's mask never belongs to its secret."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import actor_rig
from fakes.actor_rig import MASKED_DIMENSION, Committee, Stage, in_virtual_time
from numpy.typing import NDArray

from actors.trainer import Trainer
from protocols.messages import Announce
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
def _several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_rig, "DIMENSION", MASKED_DIMENSION)


def stage_of(name: str = "bob", rounds: int = 4) -> Stage:
    committee = Committee(masked=True, dealers={name: OtherSecret})
    return Stage(rounds=rounds, trainers=len(EVERYBODY), committee=committee)


def check_sums(stage: Stage, rounds: int) -> None:
    """Every sum is that of its survivors."""
    stage.check_messages()
    complete = stage.events_of(RoundComplete)
    places = {name: place for place, name in enumerate(stage.roster.trainers)}
    expected = {
        sum(4.0 ** places[name] for name in event.survivors): event.number for event in complete
    }
    assert len(complete) == rounds
    assert {total[0] for total in stage.totals()} == set(expected)
    for total in stage.totals():
        names = [n for n in EVERYBODY if int(total[0]) >> 2 * places[n] & 1]
        number = next(e.number for e in complete if e.survivors == tuple(names))
        vectors = [actor_rig.vector_of(places[n], number) for n in names]
        if sum(e.survivors == tuple(names) for e in complete) == 1:
            assert np.array_equal(total, sum(vectors))


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_trainer_that_garbles_every_sum_is_left_out_and_the_job_goes_on(name: str) -> None:
    stage = stage_of(name)

    in_virtual_time(stage.run())

    check_sums(stage, rounds=4)
    (ended,) = stage.events_of(JobEnded)
    assert ended.outcome == "max rounds"
    assert name in ended.suspects
    assert len(ended.suspects) in (3, 4)
    complete = stage.events_of(RoundComplete)
    assert all(name not in event.survivors for event in complete)
    assert set(complete[-1].survivors) == set(EVERYBODY) - set(ended.suspects)
    assert 1 <= len(stage.events_of(RoundAbandoned)) <= 3
    assert not stage.events_of(ActorRestarted)


def test_the_search_goes_on_at_once_and_is_told() -> None:
    stage = stage_of()

    in_virtual_time(stage.run())

    first, *_, last = stage.events_of(TrainersSuspected)
    assert first.groups == (EVERYBODY,)
    assert first.left_out == ()
    assert "bob" in last.left_out
    assert last.asked_at >= 8
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
def test_a_coordinator_that_crashes_at_any_commit_goes_on_with_the_search(*, written: bool) -> None:
    commits = 0
    number = 0
    while number <= commits:
        stage = stage_of(rounds=2)
        journal = stage.homes["coordinator"].journal
        journal.fail_at, journal.writes_before_failing = number, written
        in_virtual_time(stage.run())

        check_sums(stage, rounds=2)
        assert len(stage.events_of(RoundAbandoned)) <= 3, number
        (ended,) = stage.events_of(JobEnded)
        assert ended.outcome == "max rounds", number
        assert "bob" in ended.suspects, number
        commits = max(commits, 40)
        number += 1


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
