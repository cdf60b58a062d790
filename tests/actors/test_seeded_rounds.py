"""Whole rounds in which some shares travel as seeds: the same sums, and the same checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes.actor_rig import Committee, Stage, in_virtual_time
from fakes.long_vectors import FalseBit
from fakes.lying_holders import WrongInOne
from fakes.lying_trainers import LooseForAll

from protocols.learning.state import State
from protocols.reports import ActorRestarted, PeerFault, RoundComplete, SharesChecked

SHAPES: dict[str, dict[str, Any]] = {
    "shamir": {"holders": 7, "threshold": 4},
    "packed": {"holders": 7, "threshold": 4, "packing": 2},
}
each_suite = pytest.mark.parametrize("suite", SHAPES)


def stage_of(
    suite: str, *, seeds: bool = True, rounds: int = 1, trainers: int = 4, **changes: Any
) -> Stage:
    committee = Committee(**{"seeds": seeds, **SHAPES[suite], **changes})
    return Stage(rounds=rounds, trainers=trainers, committee=committee)


def played(stage: Stage) -> Stage:
    in_virtual_time(stage.run())
    return stage


def totals(stage: Stage) -> list[np.ndarray]:
    states = [State.from_bytes(data) for data in stage.checkpoints.saved.values()]
    return [s.floats("total") for s in states if s.arrays]


def upload_bytes(stage: Stage) -> int:
    """Return the bytes of all pieces of shares, as they are before they go into boxes."""
    spools = [stage.homes[name].spool for name in stage.roster.trainers]
    return sum(len(piece) for spool in spools for _, _, piece in spool.ever)


@each_suite
def test_the_sums_are_those_of_rounds_without_seeds_and_less_is_sent(suite: str) -> None:
    short, long = played(stage_of(suite, rounds=2)), played(stage_of(suite, rounds=2, seeds=False))

    short.check(rounds=2)
    long.check(rounds=2)
    assert np.array_equal(totals(short), totals(long))
    assert not short.events_of(PeerFault)
    words = upload_bytes(long) * (7 - {"shamir": 3, "packed": 2}[suite]) // 7
    assert words < upload_bytes(short) < 1.1 * words


@each_suite
def test_checked_rounds_find_no_fault_with_seeds(suite: str) -> None:
    stage = played(stage_of(suite, faults=1, checks=True))

    stage.check()
    assert [e.checked for e in stage.events_of(SharesChecked)] == ["verified"]


@each_suite
def test_who_deals_no_polynomial_or_lies_about_a_sum_is_named_as_ever(suite: str) -> None:
    stage = played(
        stage_of(
            suite,
            faults=1,
            checks=True,
            trainers=5,
            dealers={"bob": LooseForAll},
            liars={"holder-2": WrongInOne},
        )
    )

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert [e.liars for e in stage.events_of(RoundComplete)] == [("holder-2",)]


@each_suite
@pytest.mark.parametrize("commit", [1, 3, 5])
def test_a_holder_that_crashes_among_seeds_goes_on_with_them(suite: str, commit: int) -> None:
    stage = stage_of(suite)
    stage.homes["holder-1"].journal.fail_at = commit

    played(stage)

    stage.check()
    assert stage.events_of(ActorRestarted)


def test_lengths_are_checked_in_shares_that_travelled_as_seeds() -> None:
    bound: dict[str, Any] = {"threshold": 3, "faults": 1, "checks": True, "norm_bound": 2**33}

    honest = played(stage_of("shamir", trainers=5, **bound))
    lied = played(stage_of("shamir", trainers=5, dealers={"bob": FalseBit}, **bound))

    honest.check()
    assert [e.checked for e in honest.events_of(SharesChecked)] == ["verified"]
    lied.check(survivors=("ann", "cat", "dan", "eve"))
    assert [e.too_long for e in lied.events_of(SharesChecked)] == [("bob",)]
