"""Whole rounds of the suite `masked`: bulk to the coordinator, shares of secrets to the holders."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import numpy as np
import pytest
from fakes import actor_rig
from fakes.actor_rig import MASKED, MASKED_DIMENSION, Committee, Stage, in_virtual_time
from fakes.lying_holders import WrongInOne
from fakes.ports import yield_turns
from numpy.typing import NDArray

from actors.ports import StorageFailed, WorkFailed
from actors.trainer import Trainer
from infra.memory_queue import Sent
from protocols.messages import AnswerChunk, ContributionHeader, ShareChunk
from protocols.reports import (
    ActorRestarted,
    JobEnded,
    PeerFault,
    RoundAbandoned,
    RoundComplete,
    SharesChecked,
    TrainerLeft,
)
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import is_bulk, upload_stream
from protocols.secagg.masked import masking
from protocols.secagg.salts import SALT_BYTES
from protocols.secagg.suites import SUITES


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor_rig, "DIMENSION", MASKED_DIMENSION)


def played(stage: Stage) -> Stage:
    in_virtual_time(stage.run())
    return stage


def bulk_of(stage: Stage, trainer: str | None = None) -> list[tuple[Sent, ShareChunk]]:
    return [
        (sent, message)
        for sent, message in stage.messages
        if isinstance(message, ShareChunk)
        and sent.recipient == stage.roster.coordinator
        and trainer in (None, sent.sender)
    ]


@pytest.mark.parametrize("vote", [True, False])
def test_two_rounds_open_the_exact_sums_and_leave_nothing_behind(*, vote: bool) -> None:
    stage = played(Stage(rounds=2, vote=vote, committee=MASKED))

    stage.check(rounds=2)
    assert not stage.events_of(PeerFault)
    assert not stage.events_of(ActorRestarted)
    assert not any(event.remark for event in stage.events_of(RoundComplete))
    assert {message.index for _, message in bulk_of(stage)} == {0, 1, 2, 3}


def test_holders_get_shares_of_a_secret_and_no_more_however_long_the_vector() -> None:
    stage = played(Stage(committee=MASKED))

    to_holders = [
        (sent, message)
        for sent, message in stage.messages
        if isinstance(message, ShareChunk) and sent.recipient != stage.roster.coordinator
    ]
    assert {message.index for _, message in to_holders} == {0}
    assert {message.header.share_bytes for _, message in to_holders} == {16_384 + SALT_BYTES}
    assert {m.index for m in stage.messages_of(AnswerChunk)} == {0}


def test_every_message_twice_changes_nothing() -> None:
    stage = played(Stage(rounds=2, duplicate=lambda _sent: True, committee=MASKED))

    stage.check(rounds=2)
    assert not stage.events_of(PeerFault)


@pytest.mark.parametrize("written", [False, True], ids=["nothing written", "all written"])
@pytest.mark.parametrize("name", ["coordinator", "holder-1", "ann"])
def test_a_crash_at_any_commit_still_ends_with_the_exact_sum(name: str, *, written: bool) -> None:
    commits = len(played(Stage(committee=MASKED)).homes[name].journal.commits)

    for number in range(commits):
        stage = Stage(committee=MASKED)
        journal = stage.homes[name].journal
        journal.fail_at, journal.writes_before_failing = number, written
        played(stage)

        assert [event.actor for event in stage.events_of(ActorRestarted)] == [name], number
        assert not stage.events_of(RoundAbandoned), number
        stage.check()


def test_crashes_of_all_at_once_still_end_with_the_exact_sum() -> None:
    for number in range(4):
        stage = Stage(committee=MASKED)
        for place, home in enumerate(stage.homes.values()):
            home.journal.fail_at = (number + place) % 4
            home.journal.writes_before_failing = place % 2 == 0
        played(stage)

        stage.check()


@pytest.mark.parametrize("name", ["ann", "coordinator"])
def test_an_upload_to_the_coordinator_that_was_cut_short_is_resumed_and_not_repeated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_rig, "DIMENSION", 2912 * 40)
    stage = Stage(committee=MASKED)

    async def breaking() -> None:
        for _ in range(20_000):
            await yield_turns(1)
            if len({m.index for _, m in bulk_of(stage, "ann")}) >= 20:
                break
        stage.bus.disconnect(name)

    in_virtual_time(stage.run(during=breaking))

    stage.check()
    assert [event.actor for event in stage.events_of(ActorRestarted)] == [name]
    # The offer, and at the most what was on its way and what an old grant named.
    assert 40 <= len(bulk_of(stage, "ann")) <= 40 + 1 + 2 * 8


def test_an_owner_that_drops_out_is_left_out_and_its_bulk_is_not_in_the_sum() -> None:
    stage = Stage(committee=MASKED)
    stage.workers["bob"].error = WorkFailed("code failed", "no")

    played(stage)

    stage.check(survivors=("ann", "cat", "dan"))
    assert {sent.sender for sent, _ in bulk_of(stage)} == {"ann", "cat", "dan"}


class HalfWay(Trainer):
    """Dies with its bulk half sent."""

    async def send_stream(self, config, stream, to, wrap, indices=None) -> None:  # type: ignore[no-untyped-def]
        if to == self.roster.coordinator and indices != (0,):
            await asyncio.Event().wait()
        await super().send_stream(config, stream, to, wrap, indices)


def test_a_contribution_without_all_of_its_bulk_is_left_out_and_what_came_is_erased() -> None:
    stage = Stage(committee=Committee(masked=True, dealers={"dan": HalfWay}))

    played(stage)

    stage.check(survivors=("ann", "bob", "cat"))
    assert {m.index for _, m in bulk_of(stage, "dan")} == {0}
    told = [(e.trainer, e.reason) for e in stage.events_of(TrainerLeft)]
    assert told == [("dan", "no complete contribution in time")]


# --- those who lie ----------------------------------------------------------------------


class OtherSecret(Trainer):
    """Masks its vector under a secret that the holders have no shares of."""

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], _seed: bytes
    ) -> bytes | None:
        return await super()._bulk(config, vector, bytes(32))


def test_bulk_that_does_not_belong_to_its_shares_opens_nothing_and_is_told() -> None:
    stage = Stage(committee=Committee(masked=True, dealers={"bob": OtherSecret}))

    played(stage)

    stage.check_messages()
    assert not stage.events_of(RoundComplete)
    reasons = [event.reason for event in stage.events_of(RoundAbandoned)]
    assert len(reasons) == 2
    assert all("block 0 opens to noise that 4 trainers do not have" in each for each in reasons)
    assert stage.events_of(JobEnded)[0].outcome == "failed"
    assert not stage.events_of(ActorRestarted)
    assert all(home.spool.chunks == {} for home in stage.homes.values())


def test_noise_of_another_width_is_told_with_a_sum_that_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(masking, "gaussian", lambda words: np.zeros(words.size, dtype=np.int8))

    stage = played(Stage(committee=MASKED))

    stage.check()
    (complete,) = stage.events_of(RoundComplete)
    assert complete.remark == "the noise has 0.000 times the variance that it should have"


class OtherDigest(Trainer):
    """Announces a digest that its bulk does not have."""

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], seed: bytes
    ) -> bytes | None:
        await super()._bulk(config, vector, seed)
        return hashlib.sha256(b"another").digest()


class NoResidues(Trainer):
    """Sends words that no residues have, under their true digest."""

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], seed: bytes
    ) -> bytes | None:
        await super()._bulk(config, vector, seed)
        bulk, digest = SUITES[config.suite].bulk, hashlib.sha256()
        assert bulk is not None
        stream = upload_stream(config.cid(), self.roster.coordinator)
        for chunk in range(bulk.chunks(config)):
            payload = b"\xff" * bulk.payload_bytes(config, chunk)
            digest.update(payload)
            await self.ports.spool.put(stream, chunk, payload)
        return digest.digest()


@pytest.mark.parametrize("liar", [OtherDigest, NoResidues])
def test_bulk_that_is_not_what_was_announced_costs_its_trainer_only(liar: type[Trainer]) -> None:
    stage = Stage(committee=Committee(masked=True, dealers={"bob": liar}))

    played(stage)

    stage.check(survivors=("ann", "cat", "dan"))
    told = [(e.trainer, e.reason) for e in stage.events_of(TrainerLeft)]
    assert told == [("bob", "the bulk does not have the announced digest")]


class TwoFaces(Trainer):
    """Tells the coordinator of another contribution than the holders."""

    def __init__(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(*args, **kwargs)
        self.other: dict[bytes, ContributionHeader] = {}

    async def send_stream(self, config, stream, to, wrap, indices=None) -> None:  # type: ignore[no-untyped-def]
        async def lying(index: int, payload: bytes) -> ShareChunk:
            chunk = await wrap(index, payload)
            digests = tuple(reversed(chunk.header.share_digests))
            other = actor_rig.replace(chunk.header, share_digests=digests)
            header = self.other.setdefault(config.cid(), other)
            plain = ShareChunk(header=header, index=index, payload=payload)
            keys = self._machine._attempts[config.job].keys
            return await self._seals.sealed(plain, to, keys[to])

        if to != self.roster.coordinator:
            await super().send_stream(config, stream, to, wrap, indices)
        else:
            await super().send_stream(config, stream, to, lying, indices)


def test_two_contributions_one_of_them_to_the_coordinator_are_evidence() -> None:
    stage = Stage(committee=Committee(masked=True, dealers={"bob": TwoFaces}))

    in_virtual_time(stage.run())

    (complete,) = stage.events_of(RoundComplete)
    assert complete.survivors == ("ann", "cat", "dan")
    (told,) = stage.events_of(TrainerLeft)
    assert "sent different contributions to different" in told.reason


def test_a_lying_holder_is_named_and_the_sum_is_right() -> None:
    stage = Stage(
        committee=Committee(
            masked=True, holders=5, threshold=3, faults=1, liars={"holder-2": WrongInOne}
        )
    )

    played(stage)

    stage.check()
    (complete,) = stage.events_of(RoundComplete)
    assert (complete.checked, complete.liars) == ("corrected", ("holder-2",))


def test_without_enough_holders_to_name_one_a_false_answer_opens_nothing() -> None:
    stage = Stage(
        committee=Committee(masked=True, holders=3, threshold=3, liars={"holder-2": WrongInOne})
    )

    played(stage)

    assert not stage.events_of(RoundComplete)
    reasons = [event.reason for event in stage.events_of(RoundAbandoned)]
    assert len(reasons) == 2
    assert all("opens to noise" in each or "open to no sum" in each for each in reasons)


def test_shares_of_secrets_are_checked_before_the_vote_as_those_of_vectors_are() -> None:
    committee = Committee(masked=True, holders=5, threshold=3, faults=1, checks=True)
    stage = played(Stage(committee=committee))

    stage.check()
    assert [event.checked for event in stage.events_of(SharesChecked)] == ["verified"]


# --- a disk that forgets ------------------------------------------------------------------


def test_bulk_that_cannot_be_read_again_costs_the_round_and_no_actor() -> None:
    stage = Stage(committee=MASKED)
    failures = Counter[str]()

    async def damaging() -> None:
        spool = stage.homes["coordinator"].spool
        get = spool.get

        async def damaged_get(stream: str, index: int) -> bytes:
            if is_bulk(stream) and not failures:
                failures[stream] += 1
                raise StorageFailed("a damaged chunk")
            return await get(stream, index)

        spool.get = damaged_get  # type: ignore[method-assign]

    in_virtual_time(stage.run(during=damaging))

    stage.check_messages()
    assert failures
    assert [e.number for e in stage.events_of(RoundComplete)] == [2]
    (abandoned,) = stage.events_of(RoundAbandoned)
    assert "was damaged on the disk" in abandoned.reason
    assert not stage.events_of(ActorRestarted)


def test_no_message_shows_a_vector_or_what_is_spooled() -> None:
    stage = played(Stage(committee=MASKED))

    vectors = [actor_rig.vector_of(place, 1) for place in range(4)]
    bodies = [sent.body for sent, _ in stage.messages]
    for vector in vectors:
        fixed = np.rint(vector * 2**8).astype(np.int64)
        for form in (vector, fixed, fixed.astype(np.int32)):
            assert not any(form[-6:-2].tobytes() in body for body in bodies)
    for name, home in stage.homes.items():
        for stream, _, chunk in home.spool.ever:
            assert not any(chunk[:32] in body for body in bodies), (name, stream)
