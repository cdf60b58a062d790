"""Transcripts of rounds that ask batches: what of them is believed, and what a trainer is told."""

from __future__ import annotations

import pytest
from fakes.transcribed import (
    COORDINATOR,
    HOLDERS,
    complete,
    config_of,
    contributed,
    signed,
)
from fakes.trusting import AUTHORITY, FEDERATION, VALIDITY, request_of

from protocols.batches import split
from protocols.round_config import RoundConfig
from protocols.trust.auditing import Audit, Audited, Own
from protocols.trust.changes import added, founded
from protocols.trust.errors import Untrusted
from protocols.trust.policy import LEAST, Policy

TRAINERS = tuple(f"site-{place}" for place in range(8))
ROSTER = added(
    founded(FEDERATION, AUTHORITY.public, VALIDITY),
    [
        request_of(COORDINATOR, "coordinator"),
        *(request_of(name, "holder") for name in HOLDERS),
        *(request_of(name) for name in TRAINERS),
    ],
    VALIDITY,
)
LATER, FIRST = (sorted(batch) for batch in split(ROSTER.names(), 2))  # round 1 asks the second


def sampled(**changes: object) -> RoundConfig:
    usual = {"trainers": 8, "batches": 2, "drawn": 1, "roster": ROSTER.names().digest()}
    return config_of(**(usual | changes))


def audited(
    trainers: list[str],
    *,
    config: RoundConfig | None = None,
    policy: Policy = LEAST,
    own: Own | None = None,
) -> Audited:
    transcript = complete(config or sampled(), trainers=trainers)
    return Audit([ROSTER], policy, own).take(signed(transcript))


def test_a_round_over_the_batch_whose_turn_it_is_is_believed() -> None:
    name = FIRST[0]
    own = Own(name=name, sent={sampled().cid(): contributed(sampled(), name).digest})

    assert audited(FIRST, own=own).mine == "in the sum"
    assert audited(FIRST[:3]).mine is None


def test_a_trainer_that_a_round_did_not_ask_misses_nothing() -> None:
    assert audited(FIRST, own=Own(name=LATER[0], sent={})).mine == "not asked"
    with pytest.raises(Untrusted, match="no record of one"):
        audited(FIRST[1:], own=Own(name=FIRST[0], sent={}))


@pytest.mark.parametrize(
    "trainers",
    [LATER, sorted([*FIRST[1:], LATER[0]]), sorted([*FIRST, *LATER])],
    ids=["another batch", "one of another batch", "everybody"],
)
def test_a_sum_out_of_turn_is_refused_whoever_signed_it(trainers: list[str]) -> None:
    with pytest.raises(Untrusted, match="is of no batch that the round asks") as refused:
        audited(trainers)

    assert refused.value.doubt == "set"


@pytest.mark.parametrize(
    ("demanded", "config"),
    [
        ((0, 0), sampled()),
        ((2, 1), sampled(batches=0, drawn=0)),
        ((2, 1), sampled(minimum=3, batches=0, drawn=0, number=2)),
    ],
)
def test_a_reader_that_knows_the_job_demands_its_batches(
    demanded: tuple[int, int], config: RoundConfig
) -> None:
    trainers = FIRST if config.batches else sorted(TRAINERS)
    assert audited(trainers, config=config)

    with pytest.raises(Untrusted, match="sums over other batches") as refused:
        audited(trainers, config=config, policy=Policy(batches=demanded))

    assert refused.value.doubt == "policy"


def test_a_reader_is_content_with_the_batches_of_the_job() -> None:
    assert audited(FIRST, policy=Policy(batches=(2, 1)))
    whole = sampled(batches=0, drawn=0)
    assert audited(sorted(TRAINERS), config=whole, policy=Policy(batches=(0, 0)))
