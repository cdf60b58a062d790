"""Whole rounds that are checked: who deals shares of no vector is named and left out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from fakes.actor_rig import Committee, Stage, in_virtual_time
from fakes.lying_holders import WrongInOne
from fakes.lying_trainers import (
    LooseForAll,
    LooseForTheFirst,
    LyingOfAll,
    LyingOfAnn,
    OtherVector,
    Unreadable,
    silent_from,
)

from actors.shareholder import ShareHolder
from actors.trainer import Trainer
from protocols.codec import canonical
from protocols.messages import (
    Ask,
    CheckValues,
    Freeze,
    Have,
    Message,
    OpenRound,
    Propose,
    Reveal,
    Toss,
)
from protocols.records import TrainerSets
from protocols.reports import (
    JobEnded,
    RoundAbandoned,
    RoundComplete,
    SharesChecked,
    TrainerLeft,
)
from protocols.secagg.differencing import bitmap

NOBODY: Mapping[str, type[ShareHolder]] = {}
DISPUTE = "its shares do not fit those of holder-1, or these lie"


def stage_of(
    dealers: Mapping[str, type[Trainer]],
    liars: Mapping[str, type[ShareHolder]] = NOBODY,
    *,
    rounds: int = 1,
    trainers: int = 5,
    faults: int = 1,
) -> Stage:
    committee = Committee(
        holders=7, threshold=3, faults=faults, liars=liars, dealers=dealers, checks=True
    )
    return Stage(rounds=rounds, trainers=trainers, committee=committee)


def checked(stage: Stage) -> list[tuple[str, tuple[str, ...], tuple[tuple[str, object], ...]]]:
    return [(e.checked, e.inconsistent, e.disputed) for e in stage.events_of(SharesChecked)]


def liars_of(stage: Stage) -> list[tuple[str, ...]]:
    return [event.liars for event in stage.events_of(RoundComplete)]


def test_a_trainer_with_shares_of_no_vector_is_named_and_left_out_before_the_vote() -> None:
    stage = stage_of({"bob": LooseForAll})

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert checked(stage) == [("detected", ("bob",), ())]
    left = [(e.trainer, e.reason) for e in stage.events_of(TrainerLeft)]
    assert left == [("bob", "its shares belong to no vector")]
    assert liars_of(stage) == [()]
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [("bob",)]


def test_it_is_checked_again_in_every_round_and_named_once_at_the_end() -> None:
    stage = stage_of({"eve": LooseForAll}, rounds=2)

    in_virtual_time(stage.run())

    stage.check(rounds=2, survivors=("ann", "bob", "cat", "dan"))
    assert checked(stage) == [("detected", ("eve",), ())] * 2
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [("eve",)]


def test_several_are_found_each_by_halving() -> None:
    stage = stage_of({"ann": LooseForAll, "eve": LooseForAll})

    in_virtual_time(stage.run())

    stage.check(survivors=("bob", "cat", "dan"))
    assert checked(stage) == [("detected", ("ann", "eve"), ())]


@pytest.mark.parametrize("faults", [0, 1])
def test_without_liars_all_are_in_the_sum_and_there_is_one_question(faults: int) -> None:
    stage = stage_of({}, rounds=2, faults=faults)

    in_virtual_time(stage.run())

    stage.check(rounds=2)
    assert checked(stage) == [("verified", (), ())] * 2
    assert {m.about for m in stage.messages_of(Ask)} == {((0, 5),)}


def test_what_is_a_vector_for_all_holders_is_nobodys_business() -> None:
    stage = stage_of({"bob": OtherVector})

    in_virtual_time(stage.run())

    stage.check_messages()
    assert checked(stage) == [("verified", (), ())]
    assert [e.survivors for e in stage.events_of(RoundComplete)] == [stage.roster.trainers]


def test_a_share_that_fits_at_all_holders_but_one_leaves_the_trainer_out_and_accuses_nobody() -> (
    None
):
    stage = stage_of({"cat": LooseForTheFirst})

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "bob", "dan", "eve"))
    assert checked(stage) == [("corrected", (), (("cat", ("holder-1",)),))]
    assert [(e.trainer, e.reason) for e in stage.events_of(TrainerLeft)] == [("cat", DISPUTE)]
    assert liars_of(stage) == [()]
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [()]


def test_a_holder_that_lies_of_one_trainer_costs_that_one_the_round_and_no_name() -> None:
    stage = stage_of({}, {"holder-1": LyingOfAnn})

    in_virtual_time(stage.run())

    stage.check(survivors=("bob", "cat", "dan", "eve"))
    assert checked(stage) == [("corrected", (), (("ann", ("holder-1",)),))]
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [()]


def test_a_lying_trainer_is_found_beside_a_lying_holder() -> None:
    stage = stage_of({"bob": LooseForAll}, {"holder-3": WrongInOne, "holder-7": ShareHolder})

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert checked(stage) == [("detected", ("bob",), ())]
    assert liars_of(stage) == [("holder-3",)]


def test_a_holder_that_lies_of_everybody_ends_the_round_and_nobody_is_called_inconsistent() -> None:
    stage = stage_of({}, {"holder-2": LyingOfAll})

    in_virtual_time(stage.run())

    assert not stage.events_of(RoundComplete)
    reasons = {event.reason for event in stage.events_of(RoundAbandoned)}
    assert reasons == {
        "0 contributions are below the minimum without ann, bob, cat, dan, eve, "
        "whose shares do not fit"
    }
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [()]


def test_more_liars_than_trainers_may_be_missing_end_the_round_with_their_names() -> None:
    stage = stage_of({"ann": LooseForAll, "cat": LooseForAll}, trainers=4)

    in_virtual_time(stage.run())

    reasons = {event.reason for event in stage.events_of(RoundAbandoned)}
    assert reasons == {
        "2 contributions are below the minimum without ann, cat, whose shares do not fit"
    }
    assert [e.inconsistent for e in stage.events_of(JobEnded)] == [("ann", "cat")]


def test_a_holder_that_can_read_nothing_is_left_out_of_the_check() -> None:
    stage = stage_of({"bob": LooseForAll}, {"holder-4": Unreadable})

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert checked(stage) == [("detected", ("bob",), ())]


@pytest.mark.parametrize("kind", [Freeze, Reveal, Toss, Ask], ids=lambda kind: kind.__name__)
def test_a_holder_that_says_nothing_more_from_any_step_on_is_gone_without(
    kind: type[Message],
) -> None:
    stage = stage_of({"bob": LooseForAll}, {"holder-5": silent_from(kind)})

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert checked(stage) == [("detected", ("bob",), ())]


def commits_of(name: str) -> int:
    stage = stage_of({"bob": LooseForAll})
    in_virtual_time(stage.run())
    return len(stage.homes[name].journal.commits)


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
@pytest.mark.parametrize("name", ["coordinator", "holder-2", "bob"])
def test_a_crash_at_any_commit_leads_to_the_same_outcome(name: str, *, written: bool) -> None:
    for number in range(commits_of(name)):
        stage = stage_of({"bob": LooseForAll})
        journal = stage.homes[name].journal
        journal.fail_at, journal.writes_before_failing = number, written

        in_virtual_time(stage.run())

        stage.check(survivors=("ann", "cat", "dan", "eve"))
        assert [e.inconsistent for e in stage.events_of(JobEnded)] == [("bob",)]
        assert not any(liars_of(stage)), "an honest holder was called a liar"


def test_every_message_may_come_twice() -> None:
    stage = Stage(
        trainers=5,
        committee=Committee(
            holders=7, threshold=3, faults=1, dealers={"bob": LooseForAll}, checks=True
        ),
        duplicate=lambda sent: len(sent.body) % 2 == 0,
    )

    in_virtual_time(stage.run())

    stage.check(survivors=("ann", "cat", "dan", "eve"))
    assert checked(stage) == [("detected", ("bob",), ())]


def test_masks_are_shared_and_stored_and_never_in_the_sum() -> None:
    stage = stage_of({})

    in_virtual_time(stage.run())

    stage.check()
    assert stage.messages_of(Have)
    assert all(len(m.values[0]) == 2 for m in stage.messages_of(CheckValues))


async def test_who_is_left_when_a_liar_is_gone_is_held_against_earlier_sums_again() -> None:
    stage = stage_of({"eve": LooseForAll})
    await remember(stage, ("ann", "bob", "cat"))

    await asyncio.to_thread(in_virtual_time, stage.run())

    assert {m.chosen[-1].trainer for m in stage.messages_of(Freeze)} == {"eve"}
    assert not stage.messages_of(Propose), "two of three differ from the earlier sum by two"
    reasons = [event.reason for event in stage.events_of(RoundAbandoned)]
    assert reasons
    assert all(r.startswith("without eve, whose shares do not fit: ") for r in reasons)
    assert all("differ by fewer than 3 trainers" in r for r in reasons)


async def remember(stage: Stage, names: tuple[str, ...]) -> None:
    """Let every holder have gone along with a sum of these over the first state."""
    before = stage_of({})
    await asyncio.to_thread(in_virtual_time, before.run())
    config = before.messages_of(OpenRound)[0].config
    sets = (bitmap(names, stage.roster.trainers),)
    record = TrainerSets(roster=stage.roster.digest(), apart=config.minimum, sets=sets)
    key = f"pledged/{config.job}/{config.state.hex()}"
    for holder in stage.roster.holders:
        await stage.homes[holder].journal.commit([(key, canonical(record))])
