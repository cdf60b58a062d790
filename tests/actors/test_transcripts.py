"""The real coordinator leaves a transcript of each round before it tells of its end."""

from __future__ import annotations

from dataclasses import replace

from fakes.actor_rig import Stage, in_virtual_time
from fakes.ports import FakeTranscripts
from fakes.transcribed import COORDINATOR, ROSTER
from fakes.trusting import key_of

from actors.coordinator import Assignment
from actors.ports import Signatures, StorageFailed
from protocols.messages import CloseRound
from protocols.reports import ActorRestarted
from protocols.trust.auditing import Audit
from protocols.trust.key_ring import KeyRing
from protocols.trust.transcript import SignedTranscript, Transcript


class Watched(FakeTranscripts):
    """Fails now and then, and notes what others had been told before a transcript was kept."""

    def __init__(self, stage: Stage, *, fails_at: int | None = None) -> None:
        super().__init__(key_of(COORDINATOR))
        self.too_late: list[int] = []
        self._stage = stage
        self._fails_at = fails_at
        self._calls = 0

    async def keep(self, transcript: Transcript) -> None:
        """Keep it, unless this is the time to fail."""
        number = transcript.config.number
        closed = {message.number for message in self._stage.messages_of(CloseRound)}
        if number in closed and number not in self.kept:
            self.too_late.append(number)
        self._calls += 1
        if self._calls == self._fails_at:
            raise StorageFailed("the disk is full")
        await super().keep(transcript)


class SignedStage(Stage):
    """Actors of a federation with a signed roster."""

    def __init__(self, *, rounds: int, fails_at: int | None = None) -> None:
        super().__init__(rounds=rounds, trainers=5)
        self.roster = ROSTER.names()
        self.transcripts = Watched(self, fails_at=fails_at)
        whole = self.assignment
        self.assignment = Assignment(
            plan=replace(whole.plan, epoch=ROSTER.epoch),
            algorithm=whole.algorithm,
            initial=whole.initial,
            transcripts=self.transcripts,
        )

    def signatures(self, name: str) -> Signatures:
        """Return what a member signs and checks with."""
        return KeyRing.of(ROSTER, key_of(name))


def played(stage: SignedStage) -> list[SignedTranscript]:
    in_virtual_time(stage.run())
    assert stage.transcripts.too_late == []
    return stage.transcripts.chain()


def test_each_round_is_kept_before_anybody_hears_of_its_end() -> None:
    stage = SignedStage(rounds=3)
    chain = played(stage)
    audit = Audit([ROSTER], whole=True)

    told = [audit.take(transcript).transcript for transcript in chain]

    assert [one.config.number for one in told] == [1, 2, 3]
    assert {one.outcome for one in told} == {"complete"}
    assert all(len(one.chosen) == 5 for one in told)
    assert len({one.sum_digest for one in told}) == 3
    stage.check(rounds=3)


def test_a_coordinator_that_can_not_keep_a_transcript_tells_nobody_before_it_can() -> None:
    for fails_at in (1, 2, 3):
        stage = SignedStage(rounds=2, fails_at=fails_at)
        chain = played(stage)
        audit = Audit([ROSTER], whole=True)

        assert [audit.take(one).transcript.outcome for one in chain] == ["complete"] * 2
        restarts = stage.events_of(ActorRestarted)
        assert [event.actor for event in restarts] == [COORDINATOR] * (fails_at < 3)
