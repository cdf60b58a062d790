"""Whole rounds with share-holders that answer falsely: the sum is exact or there is none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from fakes.actor_rig import Committee, MemoryCheckpoints, Stage, Sums, in_virtual_time
from fakes.lying_holders import WrongInAll, WrongInOne
from fakes.ports import FakeSpool, ports_of
from fakes.round_parts import said_open
from numpy.typing import NDArray

from actors.coordinator import Coordinator, CoordinatorPorts
from actors.ports import StorageFailed
from actors.shareholder import ShareHolder
from protocols.effects import Effect, JudgeAnswers, OpenSum, StoreChunk
from protocols.learning.state import State
from protocols.messages import (
    AnswerChunk,
    AnswerHeader,
    Contribution,
    Have,
    Vote,
)
from protocols.reports import ActorRestarted, AnswersJudged, JobEnded, RoundAbandoned, RoundComplete
from protocols.secagg.chunks import answer_stream
from protocols.secagg.judging import Status
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES

SEVEN = {"holders": 7, "threshold": 3, "faults": 2}


def stage_of(
    *names: str, kind: type[ShareHolder] = WrongInOne, rounds: int = 1, **size: int
) -> Stage:
    return Stage(
        rounds=rounds, committee=Committee(**(SEVEN | size), liars=dict.fromkeys(names, kind))
    )


def liars_of(stage: Stage) -> list[tuple[str, tuple[str, ...]]]:
    return [(event.checked, event.liars) for event in stage.events_of(RoundComplete)]


@pytest.mark.parametrize("kind", [WrongInOne, WrongInAll])
def test_two_of_seven_holders_answer_falsely_the_sum_is_exact_and_both_are_named(
    kind: type[ShareHolder],
) -> None:
    stage = stage_of("holder-1", "holder-6", kind=kind, rounds=2)

    in_virtual_time(stage.run())

    stage.check(rounds=2)
    assert liars_of(stage) == [("corrected", ("holder-1", "holder-6"))] * 2
    assert [event.liars for event in stage.events_of(AnswersJudged)] == [
        ("holder-1", "holder-6"),
        ("holder-1", "holder-6"),
    ]
    assert [event.liars for event in stage.events_of(JobEnded)] == [("holder-1", "holder-6")]


def test_without_liars_all_is_verified_and_nobody_is_named() -> None:
    stage = stage_of()

    in_virtual_time(stage.run())

    stage.check()
    assert liars_of(stage) == [("verified", ())]


def test_more_liars_than_may_be_open_no_sum_that_is_believed() -> None:
    stage = stage_of("holder-1", "holder-2", "holder-3")

    in_virtual_time(stage.run())

    assert not stage.events_of(RoundComplete)
    reasons = {event.reason for event in stage.events_of(RoundAbandoned)}
    assert reasons == {
        "of 7 answers some are false, and more than 2 are, or the shares of a trainer belong to "
        "no vector"
    }
    assert not any(b"total" in data for data in stage.checkpoints.saved.values())


def test_a_lie_that_was_seen_and_not_named_is_named_when_another_answer_comes() -> None:
    # With six answers of seven one liar can be named and two can only be noticed.
    stage = stage_of("holder-1", "holder-2")

    async def late() -> None:
        spool = stage.homes["holder-7"].spool
        get = spool.get

        async def slow_get(stream: str, index: int) -> bytes:
            if "/answer/" in stream:
                await asyncio.sleep(3.0)
            return await get(stream, index)

        spool.get = slow_get  # type: ignore[method-assign]

    in_virtual_time(stage.run(during=late))

    stage.check()
    judged = [(event.checked, len(event.answered)) for event in stage.events_of(AnswersJudged)]
    assert judged == [("detected", 6), ("corrected", 7)]
    assert liars_of(stage) == [("corrected", ("holder-1", "holder-2"))]


def commits_of_the_coordinator() -> int:
    stage = stage_of("holder-1", "holder-6")
    in_virtual_time(stage.run())
    return len(stage.homes["coordinator"].journal.commits)


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
def test_a_coordinator_that_crashes_anywhere_goes_on_with_the_same_round(*, written: bool) -> None:
    for number in range(commits_of_the_coordinator()):
        stage = stage_of("holder-1", "holder-6")
        journal = stage.homes["coordinator"].journal
        journal.fail_at, journal.writes_before_failing = number, written

        in_virtual_time(stage.run())

        stage.check()
        assert [event.liars for event in stage.events_of(JobEnded)] == [("holder-1", "holder-6")]


@pytest.mark.parametrize(
    ("reads", "judged"), [(1, 1), (14, 1), (15, 2), (20, 2)], ids="the {} read fails".format
)
def test_answers_that_cannot_be_read_are_asked_for_again(reads: int, judged: int) -> None:
    # Two chunks of seven answers are judged, then two of three are opened.
    stage = stage_of("holder-1", "holder-6")
    spool = stage.homes["coordinator"].spool
    get, left = spool.get, [reads]

    async def failing_get(stream: str, index: int) -> bytes:
        left[0] -= 1
        if left[0] == 0:
            raise StorageFailed("a damaged chunk")
        return await get(stream, index)

    async def damaging() -> None:
        spool.get = failing_get  # type: ignore[method-assign]

    in_virtual_time(stage.run(during=damaging))

    stage.check()
    assert [event.actor for event in stage.events_of(ActorRestarted)] == ["coordinator"]
    assert len(stage.events_of(AnswersJudged)) == judged
    assert liars_of(stage) == [("corrected", ("holder-1", "holder-6"))]


# --- a million coordinates ------------------------------------------------------------

TEN = Committee(holders=10, threshold=4, faults=3)
SIZE = 1_000_000
LIES = {"holder-2": 0, "holder-5": 499_999, "holder-10": SIZE - 1}


class Wide(Sums):
    """Sums a million values."""

    def dimension(self, _state: State) -> int:
        return SIZE


class Large:
    """A coordinator whose ten holders answer with shares of one known vector."""

    def __init__(self) -> None:
        stage = Stage(committee=TEN)
        stage.bus.declare("coordinator")
        self.roster, self.spool = stage.roster, FakeSpool()
        link = stage.bus.connect("coordinator")
        ports = ports_of(link, "coordinator", spool=self.spool, monitor=stage)
        assignment = stage.assignment
        self.actor = Coordinator(
            self.roster,
            ports,
            replace(
                assignment,
                plan=replace(assignment.plan, chunk_bytes=2**18),
                algorithm=Wide(1),  # type: ignore[arg-type]
            ),
            CoordinatorPorts(stage.bus.blobs("coordinator"), MemoryCheckpoints()),
        )

    async def begin(self) -> None:
        """Bring the round to where answers are waited for."""
        await self.actor.restore({})
        gathering = self.actor._machine._round
        assert gathering is not None
        self.config, self.cid = gathering.config, gathering.cid
        contributions = tuple(
            Contribution(trainer=name, digest=bytes(32)) for name in self.roster.trainers
        )
        for name in self.roster.holders:
            self.actor.decide(name, said_open(self.config, name), b"")
        for name in self.roster.holders:
            self.actor.decide(name, Have(cid=self.cid, contributions=contributions), b"")
        self.digest = set_digest(self.cid, contributions)
        for name in self.roster.holders:
            self.actor.decide(name, Vote(cid=self.cid, set_digest=self.digest), b"")

    async def answer(self, vector: NDArray[np.int64]) -> list[Effect]:
        """Let everybody answer, liars with one wrong coordinate each."""
        suite, chunks = SUITES["shamir"], range(SUITES["shamir"].chunks(self.config))
        full = suite.chunk_values(self.config)
        payloads = [
            suite.protect(self.config, vector[i * full : (i + 1) * full], bytes(32), i)
            for i in chunks
        ]
        effects: list[Effect] = []
        for place, name in enumerate(self.roster.holders):
            share = np.frombuffer(b"".join(p[place] for p in payloads), dtype="<u8").copy()
            if name in LIES:
                share[LIES[name]] ^= np.uint64(1)
            effects += await self._sent(name, share.tobytes())
        return effects

    async def _sent(self, name: str, share: bytes) -> list[Effect]:
        header = AnswerHeader(
            cid=self.cid,
            set_digest=self.digest,
            answer_bytes=len(share),
            answer_digest=sha256(share).digest(),
        )
        size = self.config.chunk_bytes
        for index, start in enumerate(range(0, len(share), size)):
            chunk = AnswerChunk(header=header, index=index, payload=share[start : start + size])
            for effect in self.actor._machine.receive(0.0, name, chunk):  # out of its box
                if isinstance(effect, StoreChunk):
                    await self.spool.put(effect.stream, effect.index, effect.payload)
        return self.actor.stream_checked(answer_stream(self.cid, name), ok=True)


def test_three_of_ten_holders_with_one_wrong_coordinate_in_a_million_are_found() -> None:
    vector = np.random.default_rng(7).integers(-(2**40), 2**40, SIZE)

    async def story() -> None:
        large = Large()
        await large.begin()
        effects = await large.answer(vector)
        (judge,) = [effect for effect in effects if isinstance(effect, JudgeAnswers)]

        after = (await large.actor._judge(judge))()

        (opened,) = [effect for effect in after if isinstance(effect, OpenSum)]
        gathering = large.actor._machine._round
        assert gathering is not None
        assert gathering.verdict is not None
        assert gathering.verdict.status is Status.CORRECTED
        assert gathering.verdict.liars == tuple(LIES)
        total = (await large.actor._opening.integers(opened)).values
        assert np.array_equal(total, vector)

        # What is opened is what was judged: a chunk that changes in between is noticed.
        stream = answer_stream(large.cid, "holder-1")
        chunk = bytearray(await large.spool.get(stream, 3))
        chunk[0] ^= 1
        large.spool.chunks[stream][3] = bytes(chunk)
        with pytest.raises(StorageFailed, match="changed"):
            await large.actor._opening.integers(opened)

    asyncio.run(story())
