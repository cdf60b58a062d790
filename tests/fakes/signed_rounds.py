"""A coordinator's machine among members that sign, on a disk that crashes wherever a test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from fakes.signatures import ANYBODY, Means

from protocols.effects import CheckStream, Effect, KeepTranscript, OpenSum, Record, Send
from protocols.errors import PeerViolation
from protocols.messages import (
    Announce,
    AnswerChunk,
    CloseRound,
    Have,
    Message,
    OpenRound,
    Propose,
    Release,
    RoundOpened,
    Vote,
    Wire,
)
from protocols.round_config import majority
from protocols.secagg.chunks import chunk_count
from protocols.secagg.coordinating import Coordinating, JobStep, Plan
from protocols.secagg.patience import Timing
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES
from protocols.trust.sealing import CLASSICAL
from protocols.trust.signing import Statement
from protocols.trust.transcript import SignedTranscript

from .transcribed import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    answered_by,
    config_of,
    contributed,
    digest_of,
    sealing_key_of,
)
from .trusting import FEDERATION, key_of

TRAINERS = ("ann", "bob", "cat", "dan")  # who contribute
TIMING = Timing(grace_s=2.0, patience_s=30.0, round_s=300.0, resend_s=5.0)


class Crashed(Exception):
    """The coordinator's machine stopped, just here."""


def plan_of(**changes: Any) -> Plan:
    """Return the plan of the rounds that `transcribed` has the members for."""
    usual: dict[str, Any] = {
        "job": "sum",
        "suite": "shamir",
        "field": "p61",
        "fraction_bits": 0,
        "threshold": 3,
        "vote": True,
        "quorum": majority(len(HOLDERS)),
        "minimum": 3,
        "chunk_bytes": 1024,
        "sealing": CLASSICAL,
        "abandoned_rounds": 3,
        "timing": TIMING,
        "epoch": ROSTER.epoch,
    }
    return Plan(**(usual | changes))


def step_of(number: int, completed: int, *, rounds: int) -> JobStep:
    """Return where a job stands that took in the sum of a round."""
    over = completed >= rounds
    return JobStep(
        state=digest_of("state", number),
        dimension=config_of().dimension,
        over=over,
        reason="max rounds" if over else "",
        metrics={},
        sum_digest=digest_of("sum", number),
    )


def signature_of(sender: str, message: Wire) -> bytes:
    """Return a member's signature of a message."""
    statement = Statement.of(FEDERATION, sender, message)
    return statement.signed_by(key_of(sender))


@dataclass(slots=True)
class Bench:
    """Drives a job to its end.

    Attributes:
        silent: rounds in which no holder votes.
        rounds: how many sums the job takes.
        crash_at: the step before which the coordinator crashes once, None for never.
        disturb: what members say before they answer a request.
        mute: nobody answers anything.
        mute_after_crash: no holder opens a round any more.
        failing: why the job can't go on from a sum, empty where it can.
        violations: what was dropped of what members said.
        untold: rounds whose end was told before their transcript was kept.
    """

    silent: tuple[int, ...] = ()
    rounds: int = 2
    crash_at: int | None = None
    plan: Plan = field(default_factory=plan_of)
    disturb: Callable[[str, Message], list[tuple[str, Wire]]] | None = None
    mute: bool = False
    mute_after_crash: bool = False
    failing: str = ""
    violations: list[str] = field(default_factory=list)
    journal: dict[str, bytes] = field(default_factory=dict)
    files: dict[int, SignedTranscript] = field(default_factory=dict)
    untold: list[int] = field(default_factory=list)
    steps: int = 0
    now_s: float = 0.0
    crashes: int = 0
    machine: Coordinating = field(init=False)
    _queue: deque[Callable[[], list[Effect]]] = field(default_factory=deque)

    def run(self) -> None:
        """Run the job, and again after a crash, until it has ended and told so."""
        while True:
            try:
                self._live()
            except Crashed:
                self._queue.clear()
                self.crashes += 1
            else:
                return

    def chain(self) -> list[SignedTranscript]:
        """Return the transcripts in the order of rounds."""
        return [self.files[number] for number in sorted(self.files)]

    def _live(self) -> None:
        self.machine = Coordinating(ROSTER.names(), self.plan, Means(bytes, ANYBODY))
        self.machine.restore(self.journal)
        initial = None if "run" in self.journal else step_of(0, 0, rounds=self.rounds)
        self._perform(self.machine.start(self.now_s, initial))
        while self.machine.ended is None:
            if self._queue:
                self._perform(self._queue.popleft()())
            else:
                wake_s = self.machine.next_wake_s()
                assert wake_s is not None
                self.now_s = max(self.now_s, wake_s)
                self._perform(self.machine.advance(self.now_s))

    def _step(self) -> None:
        if self.steps == self.crash_at:
            self.steps += 1
            raise Crashed
        self.steps += 1

    def _perform(self, effects: list[Effect]) -> None:
        """Do what an actor does, in its order: record, then the rest one by one."""
        records = [effect for effect in effects if isinstance(effect, Record)]
        if records:
            self._step()
            for record in records:
                self._record(record)
        for effect in effects:
            self._perform_one(effect)

    def _record(self, record: Record) -> None:
        if record.value is None:
            self.journal.pop(record.key, None)
        else:
            self.journal[record.key] = record.value

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case KeepTranscript(transcript=transcript):
                self._step()
                signed = transcript.signed_by(key_of(COORDINATOR))
                number = transcript.config.number
                assert self.files.setdefault(number, signed) == signed, "a second one of a round"
            case Send(to=to, message=message):
                if isinstance(message, CloseRound):
                    self._step()
                    self.untold += [] if message.number in self.files else [message.number]
                self._answer(to, message)
            case CheckStream(stream=stream):
                self._queue.append(lambda: self.machine.checked(self.now_s, stream, ok=True))
            case OpenSum():
                self._queue.append(self._opened)

    def _opened(self) -> list[Effect]:
        run = self.machine.run
        assert run is not None
        if self.failing:
            return self.machine.failed(self.failing, digest_of("sum", run.number))
        step = step_of(run.number, run.completed + 1, rounds=self.rounds)
        return self.machine.opened(self.now_s, step)

    def _answer(self, to: str, message: Message) -> None:
        if self.mute:
            return
        more = [] if self.disturb is None else self.disturb(to, message)
        for sender, said in [*more, *self._said(to, message)]:
            self._queue.append(partial(self._hear, sender, said))

    def _hear(self, sender: str, message: Wire) -> list[Effect]:
        signature = signature_of(sender, message)
        try:
            return self.machine.receive(self.now_s, sender, message, signature)
        except PeerViolation as violation:
            self.violations.append(violation.reason)
            return []

    def _said(self, to: str, message: Message) -> list[tuple[str, Wire]]:
        match message:
            case OpenRound() if self.mute_after_crash and self.crashes:
                return []
            case OpenRound(config=config) if to in HOLDERS:
                return [(to, RoundOpened(cid=config.cid(), sealing_key=sealing_key_of(to)))]
            case Announce(config=config, opened=opened) if to in TRAINERS:
                have = Have(cid=config.cid(), contributions=(contributed(config, to),))
                return [(one.holder, have) for one in opened]
            case Propose(cid=cid, chosen=chosen) if self._number() not in self.silent:
                return [(to, Vote(cid=cid, set_digest=set_digest(cid, chosen)))]
            case Release():
                return [(to, chunk) for chunk in self.answer(to, message)]
        return []

    def _number(self) -> int:
        run = self.machine.run
        return 0 if run is None else run.number

    def answer(self, holder: str, release: Release) -> list[AnswerChunk]:
        """Return a holder's answer, chunk by chunk."""
        gathering = self.machine._round
        assert gathering is not None
        config = gathering.config
        signed = answered_by(config, holder, release.chosen)
        suite = SUITES[config.suite]
        return [
            AnswerChunk(
                header=signed.header,
                index=index,
                payload=bytes(suite.payload_bytes(config, index)),
                header_signature=signed.signature,
            )
            for index in range(chunk_count(config))
        ]


def resigned(chunk: AnswerChunk, holder: str, **changes: Any) -> AnswerChunk:
    """Return a chunk of another answer, signed by its holder, too."""
    header = msgspec.structs.replace(chunk.header, **changes)
    signature = Statement.of_header(FEDERATION, holder, header).signed_by(key_of(holder))
    return msgspec.structs.replace(chunk, header=header, header_signature=signature)
