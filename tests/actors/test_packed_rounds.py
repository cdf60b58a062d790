"""Whole rounds of the suite `packed`: the same sums, from shorter shares, under every check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fakes.actor_rig import Committee, Stage, in_virtual_time
from fakes.lying_holders import WrongInOne
from fakes.lying_trainers import LooseForAll

from actors.shareholder import ShareHolder
from actors.trainer import Trainer
from protocols.learning.state import State
from protocols.messages import ShareChunk
from protocols.reports import JobEnded, PeerFault, RoundComplete, SharesChecked
from protocols.secagg.salts import SALT_BYTES


def stage_of(*, rounds: int = 1, vote: bool = True, trainers: int = 4, **changes: Any) -> Stage:
    usual: dict[str, Any] = {"holders": 7, "threshold": 5, "packing": 3}
    committee = Committee(**(usual | changes))
    return Stage(rounds=rounds, vote=vote, trainers=trainers, committee=committee)


def played(stage: Stage) -> Stage:
    in_virtual_time(stage.run())
    return stage


def totals(stage: Stage) -> list[np.ndarray]:
    states = [State.from_bytes(data) for data in stage.checkpoints.saved.values()]
    return [s.floats("total") for s in states if s.arrays]


def test_rounds_open_the_exact_sums_and_leave_nothing_behind() -> None:
    stage = played(stage_of(rounds=2))

    stage.check(rounds=2)
    assert [e.completed for e in stage.events_of(JobEnded)] == [2]
    assert not stage.events_of(PeerFault)


def test_without_the_vote_one_secret_more_is_fine_where_groups_still_meet() -> None:
    stage = played(stage_of(holders=5, threshold=4, packing=2, vote=False))

    stage.check()


def test_the_job_opens_what_shamirs_suite_opens_and_sends_a_third() -> None:
    packed = played(stage_of(rounds=2))
    plain = played(stage_of(rounds=2, packing=0))

    packed.check(rounds=2)
    assert np.array_equal(totals(packed), totals(plain))
    sent = [
        {m.header.share_bytes for m in stage.messages_of(ShareChunk)} for stage in (packed, plain)
    ]
    # 200 values in rows of 67, and a salt.
    assert sent == [{67 * 8 + SALT_BYTES}, {200 * 8 + SALT_BYTES}]


def test_a_lying_holder_is_named_and_the_sum_is_right() -> None:
    liars: Mapping[str, type[ShareHolder]] = {"holder-2": WrongInOne}
    stage = played(stage_of(holders=7, threshold=4, packing=2, faults=1, liars=liars))

    stage.check()
    complete = stage.events_of(RoundComplete)
    assert [(e.checked, e.liars) for e in complete] == [("corrected", ("holder-2",))]


@pytest.mark.parametrize("faults", [0, 1])
def test_shares_that_lie_on_no_polynomial_are_found_before_the_vote(faults: int) -> None:
    dealers: Mapping[str, type[Trainer]] = {"bob": LooseForAll}
    stage = played(
        stage_of(threshold=4, packing=2, faults=faults, checks=True, dealers=dealers, trainers=5)
    )

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert [e.inconsistent for e in stage.events_of(SharesChecked)] == [("bob",)]


def test_checked_rounds_of_honest_people_lose_nobody() -> None:
    stage = played(stage_of(threshold=4, packing=2, faults=1, checks=True))

    stage.check()
    assert [e.checked for e in stage.events_of(SharesChecked)] == ["verified"]
    assert [e.checked for e in stage.events_of(RoundComplete)] == ["verified"]
