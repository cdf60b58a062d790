"""The coordinator: drives the rounds of a job and sees only sums."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Never

import numpy as np
from numpy.typing import NDArray

from protocols.effects import Effect, JudgeAnswers, OpenSum
from protocols.errors import Misuse
from protocols.learning.job import Algorithm, JobFailed, Opened
from protocols.learning.state import State
from protocols.messages import AnswerChunk, ShareChunk, Wire
from protocols.pieces import Pieces
from protocols.reports import JobEnded
from protocols.round_config import Roster
from protocols.secagg.chunks import chunk_count
from protocols.secagg.coordinating import Coordinating, JobStep, Plan
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.means import Means
from protocols.secagg.suite import BulkDamaged, Garbled
from protocols.secagg.suites import SUITES
from protocols.secagg.vouching import Vouching
from protocols.trust.transcript import Transcript, digest_of_sum

from .actor import Actor, Decide, Ports
from .hearing import Hearing
from .opening import Opening
from .ports import Blobs, Checkpoints, Transcripts
from .seals import Seals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a coordinator is to do: the rounds' plan, the algorithm, and where it begins.

    `transcripts` are kept where the plan's roster is a signed one.
    """

    plan: Plan
    algorithm: Algorithm[Never]
    initial: State
    transcripts: Transcripts | None = None


@dataclass(frozen=True, slots=True)
class CoordinatorPorts:
    """What a coordinator needs besides `Ports`."""

    blobs: Blobs
    checkpoints: Checkpoints


class Coordinator(Actor):
    """Runs `Coordinating`, and the algorithm's update on every opened sum."""

    def __init__(
        self,
        roster: Roster,
        ports: Ports,
        assignment: Assignment,
        own: CoordinatorPorts,
    ) -> None:
        super().__init__(roster.coordinator, roster, ports)
        self._algorithm = assignment.algorithm
        self._machine = Coordinating(
            roster, assignment.plan, Means(ports.entropy.bytes, ports.signatures)
        )
        self._seals = Seals(self.name, roster.federation, ports.sealing, ports.signatures)
        self._opening = Opening(roster.holders, ports.spool, ports.offload)
        self._blobs = own.blobs
        self._checkpoints = own.checkpoints
        self._transcripts = assignment.transcripts
        self._hearing = Hearing()
        self.state = assignment.initial

    @property
    def ended(self) -> JobEnded | None:
        """Return how the job ended, None while it has not."""
        return self._machine.ended

    @property
    def digest(self) -> bytes | None:
        """Return the SHA-256 of the job's current durable state, None before the first."""
        return None if self._machine.run is None else self._machine.run.state

    async def restore(self, records: dict[str, bytes]) -> list[Effect]:
        """Rebuild the machine and go on with the same round, or begin the job."""
        spool = self.ports.spool
        stored = {stream: await spool.indices(stream) for stream in await spool.streams()}
        self._machine.restore(records, stored)
        run = self._machine.run
        now_s = self.ports.clock.now_s()
        # Answers are cheap to ask for again, and then none is ever half old, half new.
        for stream in stored:
            if not self._machine.keeps(stream):
                await spool.erase(stream)
        if run is None:
            return self._machine.start(now_s, await self._keep(self.state, completed=0))
        data = await self._checkpoints.load(run.state)
        self.state = await self.ports.offload.run(State.from_bytes, data)
        await self._blobs.publish(Pieces.of(data))
        return self._machine.start(now_s, None)

    def unboxed(self, sender: str, message: Wire) -> Wire | None:
        """Open the box of an answer or of bulk."""
        role = self.roster.role(sender)
        match message:
            case AnswerChunk(header=header) if role == "holder":
                key = self._machine.box_key(header.cid)
                return None if key is None else self._seals.opened(sender, message, key)
            case ShareChunk(header=header) if role == "trainer":
                key = self._machine.box_key(header.cid)
                return None if key is None else self._seals.opened(sender, message, key)
            case _:
                return message

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        """Let the machine decide."""
        now_s = self.ports.clock.now_s()
        return [*self._awake(now_s), *self._machine.receive(now_s, sender, message, signature)]

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        """Tell the machine whether an answer, or bulk, is what its sender announced."""
        now_s = self.ports.clock.now_s()
        return [*self._awake(now_s), *self._machine.checked(now_s, stream, ok=ok)]

    def next_wake_s(self) -> float | None:
        """Return when the machine wants to look at the time, or the transport may work again."""
        return self._hearing.wake_s(self._machine.next_wake_s())

    def advance(self) -> list[Effect]:
        """Let the machine look at the time, unless silence is the transport's."""
        now_s = self.ports.clock.now_s()
        if self._hearing.is_deaf(now_s, stalled_s=self.ports.transport.stalled_s()):
            return []
        return [*self._awake(now_s), *self._machine.advance(now_s)]

    def _awake(self, now_s: float) -> list[Effect]:
        late_s = self._hearing.overslept_s(now_s, self._machine.next_wake_s())
        if not late_s:
            return []
        log.warning("%s: heard nobody for %.0f s: they get their time again", self.name, late_s)
        self.begin("state/publish", self._publish_again())
        return self._machine.overslept(now_s, late_s)

    async def _publish_again(self) -> Decide:
        """Publish what a broker that stood still may have lost: trainers would wait for it."""
        await self._blobs.publish(await self.ports.offload.run(self.state.to_pieces))
        return list

    def finished(self) -> bool:
        """Return whether the job is over."""
        return self._machine.ended is not None

    def asked_to_stop(self) -> list[Effect]:
        """Finish the round under way, begin no other."""
        return self._machine.stop()

    def perform(self, effect: Effect) -> None:
        """Begin to judge answers, or to open a sum."""
        match effect:
            case JudgeAnswers():
                self.begin(f"{effect.config.cid().hex()}/judge", self._judge(effect))
            case OpenSum():
                self.begin(f"{effect.config.cid().hex()}/open", self._open(effect))
            case _:
                raise Misuse(f"a coordinator can't perform {type(effect).__name__}")

    async def _judge(self, effect: JudgeAnswers) -> Decide:
        config, offload = effect.config, self.ports.offload
        suite, chunks = SUITES[config.suite], chunk_count(config)
        vouching = Vouching(effect.coin, self._places(effect.answers), chunks)
        for index in range(chunks):
            answers = await self._opening.chunks_of(config, effect.answers, index)
            values = await offload.run(suite.vouch, config, effect.coin, index, answers)
            for place, combined in values.items():
                vouching.receive(place, index, combined)
        judgement = await offload.run(vouching.judgement, suite.committee(config))
        cid, clock = config.cid(), self.ports.clock
        return lambda: self._machine.judged(clock.now_s(), cid, judgement)

    async def keep_transcript(self, transcript: Transcript) -> None:
        """Sign a transcript and make it durable."""
        if self._transcripts is None:
            raise Misuse(f"{self.name} has nowhere to keep a transcript")
        await self._transcripts.keep(transcript)

    async def _open(self, effect: OpenSum) -> Decide:
        try:
            opened_sum = await self._opening.integers(effect)
        except Garbled as error:
            cid, why = effect.config.cid(), str(error)
            log.warning("%s: round %d opens to no sum: %s", self.name, effect.config.number, why)
            false = not isinstance(error, BulkDamaged)
            return lambda: self._machine.garbled(self.ports.clock.now_s(), cid, why, false=false)
        digest, remark = None, opened_sum.remark
        if self._transcripts is not None:
            digest = await self.ports.offload.run(digest_of_sum, opened_sum.values)
        try:
            # The state before is let go of now: a model is in memory three times at most.
            self.state = await self._updated(effect, opened_sum.take())
        except JobFailed as error:
            reason = str(error)
            return lambda: self._machine.failed(reason, digest)
        run = self._machine.run
        completed = 0 if run is None else run.completed
        kept = await self._keep(self.state, completed=completed + 1)
        step = replace(kept, sum_digest=digest, remark=remark)
        return lambda: self._machine.opened(self.ports.clock.now_s(), step)

    async def _updated(self, effect: OpenSum, integers: NDArray[np.int64]) -> State:
        """Return the state after a sum, whose memory is free then. Raises `JobFailed`."""
        survivors = tuple(contribution.trainer for contribution in effect.chosen)
        offload, fixed_point = self.ports.offload, FixedPoint.of(effect.config)
        total = await offload.run(fixed_point.decode_in_place, integers)
        opened = Opened(total=total, survivors=survivors)
        return await offload.run(self._algorithm.update, self.state, opened)

    def _places(self, holders: Iterable[str]) -> list[int]:
        return [self.roster.holders.index(name) for name in holders]

    async def _keep(self, state: State, *, completed: int) -> JobStep:
        """Make a state durable, then public, and say where the job stands with it."""
        data = await self.ports.offload.run(state.to_pieces)
        digest = await self._checkpoints.save(completed, data)
        if await self._blobs.publish(data) != digest:
            raise Misuse("an algorithm wrote to a state that it had returned")
        await self._blobs.retain([digest])
        verdict = self._algorithm.verdict(state)
        return JobStep(
            state=digest,
            dimension=self._algorithm.dimension(state),
            over=verdict.over,
            reason=verdict.reason,
            metrics=self._algorithm.metrics(state),
            discounted=self._algorithm.discounted(state),
        )
