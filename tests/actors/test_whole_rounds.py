"""The real actors on the memory bus: exact sums, nothing told before it is durable, any crash."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest
from fakes import actor_rig
from fakes.actor_rig import DIMENSION, Stage, in_virtual_time
from fakes.ports import yield_turns

from actors import actor
from actors.ports import StorageFailed, WorkFailed
from protocols.messages import AnswerChunk, Declined, Have, ShareChunk, Vote
from protocols.reports import (
    ActorRestarted,
    JobEnded,
    OwnerTrouble,
    PeerFault,
    PeerJoined,
    RoundComplete,
    TrainerLeft,
)


def played(stage: Stage) -> Stage:
    in_virtual_time(stage.run())
    return stage


@pytest.mark.parametrize("vote", [True, False])
def test_two_rounds_open_the_exact_sums_and_leave_nothing_behind(*, vote: bool) -> None:
    stage = played(Stage(rounds=2, vote=vote))

    stage.check(rounds=2)
    assert stage.events_of(JobEnded) == [
        JobEnded(job="sum", outcome="max rounds", reason="", completed=2)
    ]
    assert not stage.events_of(PeerFault)
    assert not stage.events_of(ActorRestarted)
    assert [worker.calls for worker in stage.workers.values()] == [2] * 4
    assert bool(stage.messages_of(Vote)) == vote


def test_every_message_twice_changes_nothing() -> None:
    stage = played(Stage(rounds=2, duplicate=lambda _sent: True))

    stage.check(rounds=2)
    assert not stage.events_of(PeerFault)


def commits_of(name: str, *, vote: bool = True) -> int:
    return len(played(Stage(vote=vote)).homes[name].journal.commits)


@pytest.mark.parametrize("batch", [1, 64], ids=["one by one", "in batches"])
@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
@pytest.mark.parametrize("name", ["coordinator", "holder-1", "holder-4", "ann"])
def test_a_crash_at_any_commit_still_ends_with_the_exact_sum(
    name: str, batch: int, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    monkeypatch.setattr(actor, "_BATCH", batch)
    commits = commits_of(name)

    for number in range(commits):
        stage = Stage()
        journal = stage.homes[name].journal
        journal.fail_at, journal.writes_before_failing = number, written
        played(stage)

        assert [event.actor for event in stage.events_of(ActorRestarted)] == [name], number
        stage.check()


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
@pytest.mark.parametrize("name", ["coordinator", "holder-1"])
def test_a_crash_at_any_commit_of_a_round_in_one_phase_ends_with_the_exact_sum(
    name: str, *, written: bool
) -> None:
    for number in range(commits_of(name, vote=False)):
        stage = Stage(vote=False)
        journal = stage.homes[name].journal
        journal.fail_at, journal.writes_before_failing = number, written
        played(stage)

        stage.check()


def test_crashes_of_all_at_once_still_end_with_the_exact_sum() -> None:
    for number in range(6):
        stage = Stage()
        for place, home in enumerate(stage.homes.values()):
            home.journal.fail_at = (number + place) % 4
            home.journal.writes_before_failing = place % 2 == 0
        played(stage)

        stage.check()


def test_broken_links_are_connected_again_by_a_new_incarnation() -> None:
    stage = Stage()

    async def breaking() -> None:
        for turn in range(200):
            await asyncio.sleep(0)
            if turn % 20 == 7:
                stage.bus.disconnect(stage.names[turn // 20 % len(stage.names)])

    in_virtual_time(stage.run(during=breaking))

    assert stage.events_of(ActorRestarted)
    stage.check()


def test_an_owner_that_leaves_is_not_waited_for_and_back_it_joins_the_current_round() -> None:
    stage = Stage(rounds=8)
    started: list[asyncio.Task[None]] = []

    async def leaving() -> None:
        await stage.completed(1)
        stage.supervisors["dan"].stop()
        await stage.completed(5)
        started.append(stage.start("dan"))

    in_virtual_time(stage.run(during=leaving))

    stage.check_messages()
    rounds = {event.number: event for event in stage.events_of(RoundComplete)}
    assert [e.trainer for e in stage.events_of(TrainerLeft)] == ["dan"]
    assert [e.reason for e in stage.events_of(TrainerLeft)] == ["said goodbye"]
    assert all("dan" not in rounds[number].survivors for number in (4, 5))
    assert "dan" in rounds[8].survivors
    assert max(event.seconds for event in rounds.values()) == 0, "somebody was waited for"
    assert stage.workers["dan"].calls <= 2 + 4, "it computed for rounds that it had missed"


@pytest.mark.parametrize("name", ["ann", "holder-2"])
def test_an_upload_that_a_broken_link_cut_short_is_resumed_and_not_repeated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_rig, "DIMENSION", 128 * 40)
    stage = Stage()

    async def breaking() -> None:
        for _ in range(2000):
            await yield_turns(1)
            sent = [m for m in stage.messages_of(ShareChunk) if m.header.trainer == "ann"]
            if len(sent) >= 100:
                break
        stage.bus.disconnect(name)

    in_virtual_time(stage.run(during=breaking))

    stage.check()
    assert [event.actor for event in stage.events_of(ActorRestarted)] == [name]
    counts = Counter(
        sent.recipient
        for sent, message in stage.messages
        if isinstance(message, ShareChunk) and message.header.trainer == "ann"
    )
    assert len(counts) == 5
    # The offer, and at the most what was on its way and what an old grant named.
    assert max(counts.values()) <= 40 + 1 + 2 * 8


def test_those_who_join_say_which_software_they_run() -> None:
    stage = Stage()
    played(stage)

    joined = stage.events_of(PeerJoined)
    assert sorted(event.actor for event in joined) == sorted(stage.names[:-1])
    assert all(event.software.startswith("quorate ") for event in joined)
    assert {event.suites for event in joined} == {("shamir", "packed", "masked")}


def test_a_holder_that_the_round_did_not_wait_for_ends_cleanly_while_it_still_answers() -> None:
    stage = Stage(rounds=3)

    async def slow_holder() -> None:
        # Its link is so slow that rounds end while it checks, sums or answers.
        spool = stage.homes["holder-5"].spool
        get = spool.get

        async def slow_get(stream: str, index: int) -> bytes:
            await asyncio.sleep(3.0)
            return await get(stream, index)

        spool.get = slow_get  # type: ignore[method-assign]

    in_virtual_time(stage.run(during=slow_holder))

    stage.check(rounds=3)
    assert not stage.events_of(ActorRestarted)


@pytest.mark.parametrize(("name", "part"), [("ann", "upload/holder-2"), ("holder-2", "answer")])
def test_a_chunk_that_cannot_be_read_again_costs_its_part_and_no_actor(
    name: str, part: str
) -> None:
    stage = Stage()

    async def damaging() -> None:
        spool = stage.homes[name].spool
        get = spool.get

        async def damaged_get(stream: str, index: int) -> bytes:
            if part in stream:
                raise StorageFailed("a damaged chunk")
            return await get(stream, index)

        spool.get = damaged_get  # type: ignore[method-assign]

    in_virtual_time(stage.run(during=damaging))

    stage.check()
    assert not stage.events_of(ActorRestarted)


# --- owners that can't contribute -----------------------------------------------------

SECRET = "patient 4711 has an infinite blood pressure"  # noqa: S105


def declining(stage: Stage) -> list[tuple[str, str]]:
    return [
        (sent.sender, message.kind)
        for sent, message in stage.messages
        if isinstance(message, Declined)
    ]


def check_nothing_leaked(stage: Stage) -> None:
    for sent, _ in stage.messages:
        assert b"4711" not in sent.body
        assert b"coordinate" not in sent.body
    public = [e for e in stage.events if not isinstance(e, OwnerTrouble)]
    assert "4711" not in repr(public)
    assert "coordinate " not in repr(public)


def test_an_owner_whose_code_fails_declines_with_the_kind_only() -> None:
    stage = Stage()
    stage.workers["bob"].error = WorkFailed("code failed", SECRET)

    played(stage)

    assert set(declining(stage)) == {("bob", "code failed")}
    check_nothing_leaked(stage)
    (trouble,) = stage.events_of(OwnerTrouble)
    assert (trouble.actor, trouble.kind, trouble.text) == ("bob", "code failed", SECRET)
    assert [(e.trainer, e.reason) for e in stage.events_of(TrainerLeft)] == [("bob", "code failed")]
    assert not stage.events_of(ActorRestarted)
    stage.check(survivors=("ann", "cat", "dan"))


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (np.full(DIMENSION, np.nan), "not finite"),
        (np.full(DIMENSION, -np.inf), "not finite"),
        (np.full(DIMENSION, 2.0**60), "too large"),
        (np.zeros(DIMENSION + 1), "bad result"),
        (np.zeros(DIMENSION - 1), "bad result"),
        (np.zeros((DIMENSION, 1)), "bad result"),
        (np.zeros(()), "bad result"),
    ],
    ids=["nan", "inf", "large", "long", "short", "column", "scalar"],
)
def test_a_vector_that_cannot_be_summed_is_declined_and_never_sent(
    result: np.ndarray, kind: str
) -> None:
    stage = Stage()
    stage.workers["cat"].result = result

    played(stage)

    assert set(declining(stage)) == {("cat", kind)}
    assert "cat" not in {c.header.trainer for c in stage.messages_of(ShareChunk)}
    check_nothing_leaked(stage)
    stage.check(survivors=("ann", "bob", "dan"))


def test_too_few_owners_open_nothing_at_all() -> None:
    stage = Stage()
    for name in ("ann", "bob"):
        stage.workers[name].error = WorkFailed("code failed", SECRET)

    played(stage)

    assert stage.messages_of(Have)
    assert not stage.messages_of(AnswerChunk)
    assert not stage.messages_of(Vote)
    assert stage.events_of(JobEnded)[0].outcome == "failed"
    check_nothing_leaked(stage)
    stage.check_messages()
    assert all(home.spool.chunks == {} for home in stage.homes.values())
