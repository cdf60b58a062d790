"""Long work is progress: slow actors say that they are at it, dead ones can't."""

from __future__ import annotations

from collections.abc import Callable

from fakes.round_parts import opened, said_open
from fakes.round_rig import TIMING, Rig, Shape
from fakes.signatures import ANYBODY

from protocols.effects import Send
from protocols.messages import Accepted, Announce, Welcome, Working
from protocols.reports import Step
from protocols.round_config import RoundConfig
from protocols.secagg.contributing import Contributing
from protocols.secagg.gathering import Gathering


def collecting() -> tuple[Rig, Gathering]:
    rig = Rig(Shape(trainers=3))
    rig.start()
    gathering = rig.coordinator._round
    assert gathering is not None
    for holder in rig.roster.holders:
        gathering.receive(0.0, holder, said_open(gathering.config, holder))
    for trainer in rig.roster.trainers:
        gathering.receive(0.0, trainer, Accepted(cid=gathering.cid))
    assert gathering.step is Step.COLLECTING
    return rig, gathering


def test_a_trainer_that_says_it_is_at_work_is_waited_for_beyond_the_patience() -> None:
    rig, gathering = collecting()

    for second in range(10, 250, 10):
        gathering.receive(float(second), rig.roster.trainers[0], Working(cid=gathering.cid))
        gathering.advance(float(second))

    assert gathering.step is Step.COLLECTING
    assert gathering.abandoned is None


def test_a_silent_trainer_is_not_waited_for_beyond_the_patience() -> None:
    _, gathering = collecting()

    gathering.advance(TIMING.patience_s)

    assert gathering.abandoned == "0 survivors are below the minimum of 3"


def test_even_a_trainer_at_work_is_not_waited_for_beyond_the_round_limit() -> None:
    rig, gathering = collecting()

    for second in range(10, 400, 10):
        gathering.receive(float(second), rig.roster.trainers[0], Working(cid=gathering.cid))
        gathering.advance(float(second))

    assert gathering.abandoned is not None


def test_a_trainer_beats_while_it_computes_and_stops_when_it_declined(
    round_of: Callable[..., RoundConfig],
) -> None:
    rig = Rig(Shape())
    config = round_of(roster=rig.roster.digest(), trainers=5, beat_ms=2000)
    trainer = Contributing("trainer-01", rig.roster, ANYBODY)
    trainer.receive("coordinator", Welcome(job=config.job, number=1))
    holders = opened(*rig.roster.holders, config=config)
    trainer.receive("coordinator", Announce(config=config, opened=holders))

    first_s = trainer.next_wake_s()
    beat = trainer.advance(50.0)
    second_s = trainer.next_wake_s()
    trainer.failed(config.cid(), "code failed")

    assert first_s is not None
    assert first_s <= 50.0
    assert beat == [Send("coordinator", Working(cid=config.cid()))]
    assert second_s == 52.0
    assert trainer.next_wake_s() is None
