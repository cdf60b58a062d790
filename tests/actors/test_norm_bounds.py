"""Whole rounds in which norms are bound: whose vector is too long is named and left out."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from fakes.actor_rig import DIMENSION, Committee, Stage, in_virtual_time, vector_of
from fakes.long_vectors import (
    WHOLE,
    BestBits,
    ClippedBits,
    FalseBit,
    LooseBits,
    LooseBitsForTheFirst,
    LyingOfLengths,
    MaskForTheFirst,
    MaskThatIsNoZero,
    NormInABit,
    OtherSalt,
    WavesThrough,
)
from fakes.lying_holders import WrongInOne
from fakes.lying_trainers import LooseForAll, LyingOfAll, silent_from
from numpy.typing import NDArray

from actors.shareholder import ShareHolder
from actors.trainer import Trainer
from protocols.codec import canonical, parse
from protocols.messages import Ask, CheckValues, Declined, OpenRound, ShareChunk
from protocols.records import RunRecord
from protocols.reports import (
    JobEnded,
    OwnerTrouble,
    RoundAbandoned,
    RoundComplete,
    SharesChecked,
    TrainerLeft,
)

NOBODY: Mapping[str, type[ShareHolder]] = {}
BETA = 2**33
LONG = "its vector is longer than the bound, or what it dealt to show its length is false"


def stage_of(
    dealers: Mapping[str, type[Trainer]],
    liars: Mapping[str, type[ShareHolder]] = NOBODY,
    *,
    rounds: int = 1,
    faults: int = 1,
    bound: int = BETA,
) -> Stage:
    committee = Committee(
        holders=7,
        threshold=3,
        faults=faults,
        liars=liars,
        dealers=dealers,
        checks=True,
        norm_bound=bound,
    )
    stage = Stage(rounds=rounds, trainers=5, committee=committee)
    for name, dealer in dealers.items():
        if issubclass(dealer, ClippedBits | BestBits):
            stage.workers[name].result = vector_with(math.isqrt(BETA) + 1)
    return stage


def vector_with(first: int) -> NDArray[np.float64]:
    vector = np.zeros(DIMENSION)
    vector[0] = first / 256
    return vector


def checked(stage: Stage) -> list[tuple[str, tuple[str, ...], tuple[str, ...], object]]:
    events = stage.events_of(SharesChecked)
    return [(e.checked, e.inconsistent, e.too_long, e.disputed) for e in events]


def without_bob(stage: Stage, *, rounds: int = 1) -> None:
    stage.check(rounds=rounds, survivors=("ann", "cat", "dan", "eve"))


def test_vectors_up_to_the_bound_are_summed_exactly_and_one_question_is_asked() -> None:
    stage = stage_of({}, rounds=2)

    in_virtual_time(stage.run())

    stage.check(rounds=2)
    assert checked(stage) == [("verified", (), (), ())] * 2
    assert {m.about for m in stage.messages_of(Ask)} == {((0, 5),)}
    assert all(len(m.values[0]) == 4 for m in stage.messages_of(CheckValues))


def test_a_vector_as_long_as_the_bound_is_summed_and_one_a_unit_longer_is_not_sent() -> None:
    largest = max(
        int(sum(int(value * 256) ** 2 for value in vector_of(place, 1))) for place in range(5)
    )
    exact, tight = stage_of({}, bound=largest), stage_of({}, bound=largest - 1)

    in_virtual_time(exact.run())
    in_virtual_time(tight.run())

    exact.check()
    tight.check(survivors=("ann", "bob", "cat", "dan"))
    assert {m.kind for m in tight.messages_of(Declined)} == {"longer than the bound"}
    assert not [m for m in tight.messages_of(ShareChunk) if m.header.trainer == "eve"]
    left = [(e.trainer, e.reason) for e in tight.events_of(TrainerLeft)]
    assert left == [("eve", "longer than the bound")]
    (text,) = {e.text for e in tight.events_of(OwnerTrouble)}
    assert "clip the norm" in text


@pytest.mark.parametrize("seed", range(3))
def test_random_vectors_within_the_bound_are_summed_exactly(seed: int) -> None:
    draw, stage = np.random.default_rng(seed), stage_of({})
    total = np.zeros(DIMENSION)
    for worker in stage.workers.values():
        integers = draw.integers(-6000, 6001, size=DIMENSION)
        assert sum(int(value) ** 2 for value in integers) <= BETA
        worker.result = integers / 256
        total += worker.result

    in_virtual_time(stage.run())

    assert [e.survivors for e in stage.events_of(RoundComplete)] == [stage.roster.trainers]
    (opened,) = stage.totals()
    assert np.array_equal(opened, total)


@pytest.mark.attack
@pytest.mark.parametrize("liar", [ClippedBits, BestBits, NormInABit, FalseBit, MaskThatIsNoZero])
def test_who_lies_about_its_length_is_named_and_left_out_before_the_vote(
    liar: type[Trainer],
) -> None:
    stage = stage_of({"bob": liar}, rounds=2)

    in_virtual_time(stage.run())

    without_bob(stage, rounds=2)
    assert checked(stage) == [("detected", (), ("bob",), ())] * 2
    assert next((e.trainer, e.reason) for e in stage.events_of(TrainerLeft)) == ("bob", LONG)
    assert [(e.inconsistent, e.too_long) for e in stage.events_of(JobEnded)] == [((), ("bob",))]
    runs = stage.homes["coordinator"].journal.ever("run")
    assert parse(runs[-1], RunRecord).too_long == ("bob",)


@pytest.mark.attack
def test_who_was_too_long_in_one_round_is_named_at_the_end_and_summed_in_the_next() -> None:
    stage = stage_of({"bob": BestBits}, rounds=2)

    async def then_short() -> None:
        await stage.completed(1)
        stage.workers["bob"].result = None

    in_virtual_time(stage.run(during=then_short))

    survivors = [event.survivors for event in stage.events_of(RoundComplete)]
    assert survivors == [("ann", "cat", "dan", "eve"), stage.roster.trainers]
    assert [e.too_long for e in stage.events_of(SharesChecked)] == [("bob",), ()]
    assert [e.too_long for e in stage.events_of(JobEnded)] == [("bob",)]


@pytest.mark.attack
def test_a_vector_whose_squares_wrap_around_is_named() -> None:
    stage = stage_of({"bob": BestBits})
    stage.workers["bob"].result = vector_with(WHOLE)  # its square is two modulo p

    in_virtual_time(stage.run())

    without_bob(stage)
    assert checked(stage) == [("detected", (), ("bob",), ())]


@pytest.mark.attack
@pytest.mark.parametrize(
    ("dealer", "status", "inconsistent", "disputed"),
    [
        (LooseBits, "detected", ("bob",), ()),
        (LooseBitsForTheFirst, "corrected", (), (("bob", ("holder-1",)),)),
        (MaskForTheFirst, "corrected", (), (("bob", ("holder-1",)),)),
    ],
)
def test_bits_and_masks_that_belong_to_no_polynomial_are_no_matter_of_length(
    dealer: type[Trainer], status: str, inconsistent: tuple[str, ...], disputed: object
) -> None:
    stage = stage_of({"bob": dealer})

    in_virtual_time(stage.run())

    without_bob(stage)
    assert checked(stage) == [(status, inconsistent, (), disputed)]


@pytest.mark.attack
def test_what_does_not_have_its_digests_never_counts_as_received() -> None:
    stage = stage_of({"bob": OtherSalt})

    in_virtual_time(stage.run())

    without_bob(stage)
    assert checked(stage) == [("verified", (), (), ())]


@pytest.mark.attack
def test_lengths_are_judged_of_those_whose_shares_are_true_on_both_sides_of_the_others() -> None:
    stage = stage_of({"ann": ClippedBits, "cat": LooseForAll}, rounds=1)

    in_virtual_time(stage.run())

    stage.check(survivors=("bob", "dan", "eve"))
    assert checked(stage) == [("detected", ("cat",), ("ann",), ())]
    assert ((0, 2), (3, 2)) in {m.about for m in stage.messages_of(Ask)}


@pytest.mark.attack
@pytest.mark.parametrize("liar", [WrongInOne, WavesThrough, LyingOfAll])
def test_no_lying_holder_waves_a_long_vector_through(liar: type[ShareHolder]) -> None:
    stage = stage_of({"bob": ClippedBits}, {"holder-3": liar})

    in_virtual_time(stage.run())

    stage.check_messages()
    assert all("bob" not in e.survivors for e in stage.events_of(RoundComplete))
    assert checked(stage)
    assert all("bob" in e.too_long for e in stage.events_of(SharesChecked) if not e.disputed)
    if liar is not LyingOfAll:
        without_bob(stage)


@pytest.mark.attack
def test_a_holder_that_lies_of_a_length_costs_the_trainer_the_round_and_no_name() -> None:
    stage = stage_of({}, {"holder-1": LyingOfLengths})

    in_virtual_time(stage.run())

    stage.check(survivors=("bob", "cat", "dan", "eve"))
    assert checked(stage) == [("corrected", (), (), (("ann", ("holder-1",)),))]
    assert [(e.inconsistent, e.too_long) for e in stage.events_of(JobEnded)] == [((), ())]


@pytest.mark.attack
def test_with_too_few_holders_to_tell_of_whom_the_round_ends_without_a_name() -> None:
    stage = stage_of({"bob": ClippedBits}, {"holder-5": silent_from(Ask)})

    in_virtual_time(stage.run())

    assert not stage.events_of(RoundComplete)
    reasons = {event.reason for event in stage.events_of(RoundAbandoned)}
    assert reasons == {
        "the vector of some trainer is longer than the bound, and 6 holders can't tell of whom"
    }


@pytest.mark.parametrize(("silent", "complete"), [(1, True), (2, False)])
def test_honest_rounds_need_no_more_holders_than_show_a_false_square(
    silent: int, *, complete: bool
) -> None:
    names = ("holder-5", "holder-6")[:silent]
    stage = stage_of({}, dict.fromkeys(names, silent_from(Ask)))

    in_virtual_time(stage.run())

    assert bool(stage.events_of(RoundComplete)) is complete
    if not complete:
        reasons = {event.reason for event in stage.events_of(RoundAbandoned)}
        assert reasons == {"5 of 6 holders took part in the check (ask)"}


def commits_of(name: str) -> int:
    stage = stage_of({"bob": ClippedBits})
    in_virtual_time(stage.run())
    return len(stage.homes[name].journal.commits)


@pytest.mark.attack
@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
@pytest.mark.parametrize("name", ["coordinator", "holder-2", "bob"])
def test_a_crash_at_any_commit_leads_to_the_same_outcome(name: str, *, written: bool) -> None:
    for number in range(commits_of(name)):
        stage = stage_of({"bob": ClippedBits})
        journal = stage.homes[name].journal
        journal.fail_at, journal.writes_before_failing = number, written

        in_virtual_time(stage.run())

        without_bob(stage)
        assert [e.too_long for e in stage.events_of(JobEnded)] == [("bob",)]


@pytest.mark.attack
def test_every_message_may_come_twice() -> None:
    committee = stage_of({"bob": ClippedBits}).committee
    stage = Stage(trainers=5, committee=committee, duplicate=lambda sent: len(sent.body) % 2 == 0)
    stage.workers["bob"].result = vector_with(math.isqrt(BETA) + 1)

    in_virtual_time(stage.run())

    without_bob(stage)
    assert checked(stage) == [("detected", (), ("bob",), ())]


def test_a_round_without_a_bound_has_the_id_that_it_had() -> None:
    with_bound, without = stage_of({}), stage_of({}, bound=0)

    for stage in (with_bound, without):
        in_virtual_time(stage.run())
        stage.check()

    assert b"norm_bound" in stage_bytes(with_bound)
    assert b"norm_bound" not in stage_bytes(without)
    assert all(m.header.tails is None for m in without.messages_of(ShareChunk))


def stage_bytes(stage: Stage) -> bytes:
    return canonical(stage.messages_of(OpenRound)[0].config)
