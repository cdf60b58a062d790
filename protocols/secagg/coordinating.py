"""The coordinator's side of a job: one round after the other until the job is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from protocols.batches import Asked, drawn_in
from protocols.codec import canonical, parse
from protocols.effects import CancelWork, Effect, Erase, Forget, Record, Report, Send
from protocols.errors import Misuse, PeerViolation
from protocols.messages import (
    Accepted,
    CloseRound,
    Goodbye,
    Have,
    Hello,
    OpenRound,
    Refused,
    RoundOpened,
    Welcome,
    Wire,
)
from protocols.records import RoundRecord, RunRecord, Setback, Suspicion, TrainerSets
from protocols.reports import (
    Event,
    JobEnded,
    PeerJoined,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    RoundPutOff,
    StateUpdated,
    Step,
)
from protocols.round_config import FieldName, MaskSet, Roster, RoundConfig, SumSuite
from protocols.trust.sealing import ENTROPY_BYTES, BoxKey, BoxSeed, SuiteName

from .attendance import Attendance
from .chronicle import Chronicle, Ending
from .chunks import has_bulk, is_bulk
from .field import FIELDS
from .gathering import Gathering
from .greeting import lacking
from .intake import BULK_KEYS, bulk_prefix
from .judging import Judgement
from .means import Means
from .patience import Patience, Timing
from .pledges import proposed_apart, with_proposal
from .suites import SUITES
from .suspects import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all rounds of a job share."""

    job: str
    suite: SumSuite
    field: FieldName
    fraction_bits: int
    threshold: int
    vote: bool
    quorum: int
    minimum: int
    chunk_bytes: int
    sealing: SuiteName
    abandoned_rounds: int
    timing: Timing
    faults: int = 0
    checks: bool = False
    norm_bound: int = 0
    parameters: MaskSet = ""
    slots: int = 0
    packing: int = 0  # only of the suite "packed"
    seeds: bool = False
    buffered: int = 0  # contributions that are enough for a sum; 0 where everybody is waited for
    max_staleness: int = 0
    batches: int = 0  # into which trainers are split; 0 where a round asks everybody
    drawn: int = 0  # of them, by a round
    epoch: int = 0  # of the signed roster, 0 where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """Where a job stands after it took in a sum: the digest of its durable state, and more.

    `remark` is on the sum, where something about it was odd. Of the next vectors `discounted`
    values shrink with age, where rounds are buffered.
    """

    state: bytes
    dimension: int
    over: bool
    reason: str
    metrics: dict[str, float]
    sum_digest: bytes | None = None
    remark: str = ""
    discounted: int = 0


class Coordinating:
    """Feed it messages, results and the time; perform what it returns; read `ended`.

    Answers come in opened, with the `box_key` of their round; it is made of the entropy of `means`.
    """

    def __init__(self, roster: Roster, plan: Plan, means: Means) -> None:
        self.ended: JobEnded | None = None
        self._roster = roster
        self._plan = plan
        self._means = means
        self._attendance = Attendance(roster)
        self._chronicle = Chronicle(roster, plan.epoch)
        self._search = Search(roster, plan.minimum)
        self._joined: dict[str, PeerJoined] = {}
        self._run: RunRecord | None = None
        self._round: Gathering | None = None
        self._put_off_s: float | None = None  # until when, between two rounds
        self._seed: BoxSeed | None = None
        self._box_key: BoxKey | None = None
        self._stored: RoundRecord | None = None
        self._stopping = False
        self._bulk: Mapping[str, bytes] = {}
        self._bulk_chunks: Mapping[str, frozenset[int]] = {}

    # --- life -------------------------------------------------------------------------

    def restore(
        self,
        records: Mapping[str, bytes],
        stored: Mapping[str, frozenset[int]] = MappingProxyType({}),
    ) -> None:
        """Take up what the journal and the spool remember."""
        if "run" in records:
            self._run = parse(records["run"], RunRecord)
        if "round" in records:
            self._stored = parse(records["round"], RoundRecord)
        self._chronicle.restore(records)
        self._bulk = {key: data for key, data in records.items() if key.startswith(BULK_KEYS)}
        self._bulk_chunks = dict(stored)

    def keeps(self, stream: str) -> bool:
        """Return whether a spooled stream is still needed after a restart."""
        live = None if self._stored is None else self._stored.config.cid().hex()
        return is_bulk(stream) and stream.split("/", maxsplit=1)[0] == live

    @property
    def run(self) -> RunRecord | None:
        """Return where the job stands, None before its very first start."""
        return self._run

    def start(self, now_s: float, initial: JobStep | None) -> list[Effect]:
        """Begin the job from `initial`, or go on where the journal says, in the same round."""
        if self._run is None:
            if initial is None:
                raise Misuse("a job that was never begun needs its initial state")
            self._run = self._record_of(initial, number=1, completed=0)
            return [Record("run", canonical(self._run)), *self._next_round(now_s)]
        closed = [
            *self._chronicle.again(),
            *self._closed_again(self._run),
            *self._suspected(before=None),
        ]
        stored = self._stored
        if stored is None:
            # Whoever begins a job again that has failed wants to see it go on.
            failed = self._run.abandoned >= self._plan.abandoned_rounds
            go_on = self._next_round(now_s) if failed else self._in_time(now_s, now_s)
            return closed + go_on
        # Limits may have changed since; who is asked for what in this round has not.
        self._round = self._gathering(stored.config, stored.seed, now_s)
        if self._round.receipts.intake is not None:
            self._round.receipts.intake.restore(self._bulk, self._bulk_chunks)
        resumed = self._round.resume(stored.announced, stored.chosen, stored.check)
        return [*closed, self._began(), *resumed, Report(self._round.progress(now_s))]

    def _closed_again(self, run: RunRecord) -> list[Effect]:
        if not run.closed:
            return []
        complete = run.setback is None
        return self._tell_closed(run.closed, run.number - 1, complete=complete, reason="")

    def stop(self) -> list[Effect]:
        """Start no further round; the one under way is finished."""
        self._stopping = True
        between_rounds = self._round is None and self.ended is None
        return self._end("stopped") if between_rounds else []

    def next_wake_s(self) -> float | None:
        """Return when `advance` is due even if nothing comes in."""
        return self._put_off_s if self._round is None else self._round.next_wake_s()

    def _record_of(self, step: JobStep, *, number: int, completed: int) -> RunRecord:
        return RunRecord(
            number=number,
            state=step.state,
            dimension=step.dimension,
            completed=completed,
            abandoned=0,
            over=step.over,
            reason=step.reason,
            closed=b"" if self._round is None else self._round.cid,
            liars=self._liars(),
            inconsistent=self._inconsistent(),
            too_long=self._too_long(),
            discounted=step.discounted,
        )

    def _inconsistent(self) -> tuple[str, ...]:
        """Name the trainers whose shares belonged to no vector, in this round or before."""
        now = () if self._round is None else self._round.checking.inconsistent
        return self._in_order(now, () if self._run is None else self._run.inconsistent)

    def _too_long(self) -> tuple[str, ...]:
        """Name the trainers whose vector was longer than the bound, in this round or before."""
        now = () if self._round is None else self._round.checking.too_long
        return self._in_order(now, () if self._run is None else self._run.too_long)

    def _in_order(self, now: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in self._roster.trainers if name in (*before, *now))

    def _liars(self) -> tuple[str, ...]:
        """Name the holders that answered falsely, in this round or before."""
        verdict = None if self._round is None else self._round.verdict
        now = () if verdict is None else verdict.liars
        before = () if self._run is None else self._run.liars
        return tuple(name for name in self._roster.holders if name in (*before, *now))

    def _current(self) -> tuple[RunRecord, Gathering]:
        if self._run is None or self._round is None:
            raise Misuse("no round is under way")
        return self._run, self._round

    # --- rounds -----------------------------------------------------------------------

    def _in_time(self, now_s: float, began_s: float) -> list[Effect]:
        """Begin the next round, but not too soon after an abandoned one that began then."""
        run = self._run
        if run is None or run.setback is None or run.over or self._stopping:
            return self._next_round(now_s)
        if not run.abandoned:  # the last one narrowed a search, which goes on at once
            return self._next_round(now_s)
        missing = self._missed_next(run, run.setback)
        apart_s = self._plan.timing.apart_s(run.abandoned, missing=bool(missing))
        if now_s >= began_s + apart_s:
            return self._next_round(now_s)
        self._put_off_s = began_s + apart_s
        put_off = RoundPutOff(
            job=self._plan.job,
            number=run.number,
            abandoned=run.abandoned,
            seconds=self._put_off_s - now_s,
            missing=missing,
            reason=run.setback.reason,
        )
        return [Report(put_off)]

    def _next_round(self, now_s: float) -> list[Effect]:
        self._put_off_s = None
        if self._run is None:
            raise Misuse("the job was never begun")
        if self._run.over:
            return self._end(self._run.reason)
        if self._stopping:
            return self._end("stopped")
        seed = BoxSeed(entropy=self._means.entropy(ENTROPY_BYTES))
        self._round = self._gathering(self._config(self._run), seed, now_s)
        return [self._began(), *self._keep_round(), *self._round.start()]

    def _gathering(self, config: RoundConfig, seed: BoxSeed, now_s: float) -> Gathering:
        self._seed, self._box_key = seed, seed.key(config.sealing)
        gathering = Gathering(
            OpenRound(config=config, sealing_key=self._box_key.sealing_key),
            self._roster,
            Patience(self._plan.timing, now_s),
            expected=self._attendance.present(),
            means=self._means,
        )
        if self._run is not None:
            gathering.receipts.keep_apart(proposed_apart(self._run.proposed, self._roster))
            invited = self._search.invited(self._run.suspicion, self._run.completed)
            gathering.receipts.invite(invited)
        return gathering

    def box_key(self, cid: bytes) -> BoxKey | None:
        """Return what opens the answers of a round, None unless it is under way."""
        return self._box_key if self._round is not None and self._round.cid == cid else None

    def _config(self, run: RunRecord) -> RoundConfig:
        plan = self._plan
        if plan.suite not in SUITES or plan.field not in FIELDS:
            raise Misuse(f"unknown suite {plan.suite} over {plan.field}")
        return RoundConfig(
            job=plan.job,
            number=run.number,
            suite=plan.suite,
            field=plan.field,
            dimension=run.dimension,
            fraction_bits=plan.fraction_bits,
            holders=len(self._roster.holders),
            trainers=len(self._roster.trainers),
            threshold=plan.threshold,
            faults=plan.faults,
            vote=plan.vote,
            quorum=plan.quorum,
            minimum=plan.minimum,
            chunk_bytes=plan.chunk_bytes,
            beat_ms=_beat_ms(plan.timing.patience_s),
            sealing=plan.sealing,
            state=run.state,
            roster=self._roster.digest(),
            checks=plan.checks,
            norm_bound=plan.norm_bound,
            parameters=plan.parameters,
            slots=plan.slots,
            packing=plan.packing,
            seeds=plan.seeds,
            buffered=plan.buffered,
            max_staleness=plan.max_staleness,
            discounted=run.discounted if plan.buffered else 0,
            batches=plan.batches,
            drawn=plan.drawn,
        )

    def _began(self) -> Report:
        _, gathering = self._current()
        config = gathering.config
        began = RoundBegan(
            job=config.job,
            number=config.number,
            dimension=config.dimension,
            asked=len(gathering.receipts.trainers) if config.batches else 0,
            drawn=tuple(place + 1 for place in drawn_in(config)),
            batches=config.batches,
        )
        return Report(began)

    def _keep_round(self) -> list[Effect]:
        """Make what others are about to be told of this round outlive a crash."""
        _, gathering = self._current()
        if self._seed is None:
            raise Misuse("a round without a key")
        record = RoundRecord(
            config=gathering.config,
            seed=self._seed,
            announced=gathering.announcement(),
            chosen=gathering.chosen,
            check=gathering.checking.record,
        )
        if record == self._stored:
            return []
        self._stored = record
        return [Record("round", canonical(record))]

    def receive(
        self, now_s: float, sender: str, message: Wire, signature: bytes = b""
    ) -> list[Effect]:
        """Decide on one message; raise `PeerViolation` if its sender broke a rule.

        `signature` is the sender's, of this message.
        """
        role = self._roster.role(sender)
        if role not in ("trainer", "holder"):
            raise PeerViolation(sender, "is not of this federation")
        if isinstance(message, Hello):
            if message.role != role:
                raise PeerViolation(sender, f"greets as a {message.role} and is a {role}")
            return self._on_hello(now_s, sender, message)
        if isinstance(message, Goodbye):
            return self._without(now_s, sender, "said goodbye", [])
        cid = _cid_of(message)
        if cid is None:
            raise PeerViolation(sender, f"may not send {type(message).__name__}")
        if self._round is None:
            return self._late(now_s, sender, message)
        if cid != self._round.cid:
            return []  # of another round: late, and harmless
        effects = self._signs_of_life(sender, message)
        return effects + self._after(now_s, self._round.receive(now_s, sender, message, signature))

    def _on_hello(self, now_s: float, sender: str, hello: Hello) -> list[Effect]:
        run, gathering = self._run, self._round
        if run is None or (gathering is None and self._put_off_s is None):
            return []
        joined = self._on_joined(sender, hello)
        config = self._config(run) if gathering is None else gathering.config
        lack = lacking(hello, config)
        if lack is not None:
            refusal = Refused(cid=config.cid(), what="hello", reason=lack)
            return self._without(now_s, sender, lack, [*joined, Send(sender, refusal)])
        welcome = Send(sender, Welcome(job=self._plan.job, number=run.number))
        here = [*joined, *self._seen(sender), welcome]
        if gathering is None:
            return here + self._back(now_s, sender)
        return here + gathering.catch_up(sender)

    def _late(self, now_s: float, sender: str, message: Wire) -> list[Effect]:
        """Take a sign of life between two rounds, of one that was too late for the last."""
        if self._put_off_s is None or not isinstance(message, RoundOpened | Accepted | Have):
            return []
        return self._seen(sender) + self._back(now_s, sender)

    def _back(self, now_s: float, name: str) -> list[Effect]:
        """Begin the round that was put off, if this is one of those who were missing."""
        run = self._run
        setback = None if run is None else run.setback
        if run is None or setback is None or name not in self._missed_next(run, setback):
            return []
        return self._next_round(now_s)

    def _missed_next(self, run: RunRecord, setback: Setback) -> tuple[str, ...]:
        """Name the missing whom the next round needs: it may ask other trainers."""
        asked = Asked.of(self._config(run), self._roster)
        holders = self._roster.holders
        return tuple(name for name in setback.missing if name in holders or name in asked)

    def _on_joined(self, sender: str, hello: Hello) -> list[Effect]:
        joined = PeerJoined(
            actor=sender, role=hello.role, software=hello.software, suites=hello.suites
        )
        if self._joined.get(sender) == joined:
            return []
        self._joined[sender] = joined
        return [Report(joined)]

    def _without(self, now_s: float, name: str, reason: str, effects: list[Effect]) -> list[Effect]:
        """Go on without an actor that can't or won't take part, until it is heard again."""
        run, gathering = self._run, self._round
        if run is None or (gathering is None and self._put_off_s is None):
            return effects
        step = Step.OPENING if gathering is None else gathering.step
        left = self._attendance.leaves(name, run.number, step, reason)
        told = [*effects, *(Report(event) for event in left)]
        if gathering is None:
            return told
        return self._after(now_s, [*told, *gathering.leave(name, now_s)])

    def _signs_of_life(self, sender: str, message: Wire) -> list[Effect]:
        return self._seen(sender) if isinstance(message, RoundOpened | Accepted | Have) else []

    def _seen(self, sender: str) -> list[Effect]:
        number = 0 if self._run is None else self._run.number
        return [Report(event) for event in self._attendance.seen(sender, number)]

    def advance(self, now_s: float) -> list[Effect]:
        """Let the time pass."""
        if self._round is not None:
            return self._after(now_s, self._round.advance(now_s))
        due = self._put_off_s is not None and now_s >= self._put_off_s
        return self._next_round(now_s) if due else []

    def overslept(self, now_s: float, late_s: float) -> list[Effect]:
        """Take note that until now nobody could be heard for `late_s`, by no fault of theirs."""
        return [] if self._round is None else self._round.overslept(now_s, late_s)

    def checked(self, now_s: float, stream: str, *, ok: bool) -> list[Effect]:
        """Take the result of a `CheckStream`."""
        cid, _, name = stream.split("/")
        if self._round is None or self._round.cid.hex() != cid:
            return []
        if is_bulk(stream):
            return self._after(now_s, self._round.bulk_checked(now_s, name, ok=ok))
        return self._after(now_s, self._round.checked(now_s, name, ok=ok))

    def judged(self, now_s: float, cid: bytes, judgement: Judgement) -> list[Effect]:
        """Take the result of a `JudgeAnswers`."""
        if self._round is None or self._round.cid != cid:
            return []
        return self._after(now_s, self._round.judged(now_s, judgement))

    def _after(self, now_s: float, effects: list[Effect]) -> list[Effect]:
        """Put what must be durable first, and go on when the round has ended."""
        _, gathering = self._current()
        if gathering.abandoned is not None:
            return [*effects, *self._abandoned(now_s, gathering, gathering.abandoned)]
        told = self._absences(gathering)  # while the record of before still tells what is new
        return [*self._keep_round(), *told, *effects]

    def _absences(self, gathering: Gathering) -> list[Effect]:
        stored, number = self._stored, gathering.config.number
        events = []
        if gathering.announced and (stored is None or not stored.announced):
            away = [n for n in self._roster.holders if n not in gathering.opened]
            events += self._attendance.holders_left(away, number, Step.OPENING)
        if gathering.chosen and (stored is None or not stored.chosen):
            events += self._attendance.trainers_left(gathering.left_out(), number)
            events += self._attendance.holders_left(gathering.silent(), number, Step.COLLECTING)
        return [Report(event) for event in events]

    # --- ends -------------------------------------------------------------------------

    def _close(self, *, complete: bool, reason: str) -> list[Effect]:
        _, gathering = self._current()
        number, cid = gathering.config.number, gathering.cid
        self._round, self._stored, self._seed, self._box_key = None, None, None, None
        return [
            Record("round", None),
            *([Forget(bulk_prefix(cid))] if has_bulk(gathering.config) else []),
            *self._tell_closed(cid, number, complete=complete, reason=reason),
            CancelWork(cid.hex()),
            Erase(cid.hex()),
        ]

    def _tell_closed(self, cid: bytes, number: int, *, complete: bool, reason: str) -> list[Effect]:
        message = CloseRound(
            cid=cid, job=self._plan.job, number=number, complete=complete, reason=reason[:500]
        )
        everybody = (*self._roster.holders, *self._roster.trainers)
        return [Send(name, message) for name in everybody]

    def _abandoned(
        self, now_s: float, gathering: Gathering, reason: str, found: Suspicion | None = None
    ) -> list[Effect]:
        """Close a round without a sum; `found` is what one that was garbled says of trainers."""
        run, _ = self._current()
        config, narrowed = gathering.config, found is not None and bool(found.groups)
        if found is None and gathering.announced and not gathering.chosen:
            found = self._search.forgotten(run.suspicion)  # the others were too few
        elif found is None:
            found = run.suspicion
        effects: list[Effect] = [
            *(Report(event) for event in self._missed(gathering)),
            self._pass_over(run, gathering, reason, found, counts=not narrowed),
            *self._chronicle.add(gathering, Ending(outcome="abandoned", reason=reason)),
            *self._close(complete=False, reason=reason),
            Report(RoundAbandoned(job=config.job, number=config.number, reason=reason)),
            *self._suspected(before=run.suspicion),
        ]
        if narrowed:
            return effects + self._next_round(now_s)
        if run.abandoned + 1 >= self._plan.abandoned_rounds:
            text = f"{run.abandoned + 1} rounds in a row were abandoned, the last because {reason}"
            return effects + self._end("failed", text)
        return effects + self._in_time(now_s, gathering.began_s)

    def _suspected(self, *, before: Suspicion | None) -> list[Effect]:
        """Tell who is under suspicion, if that is not what was told before."""
        if self._run is None:
            return []
        job, number = self._plan.job, self._run.number
        told = self._search.told(self._run.suspicion, job, number)
        return [] if told == self._search.told(before, job, number) else [Report(told)]

    def _cleared(self, run: RunRecord, gathering: Gathering, step: JobStep) -> Suspicion | None:
        """Return who is still under suspicion after a sum that was opened."""
        if run.suspicion is None:
            return None
        chosen = tuple(contribution.trainer for contribution in gathering.chosen)
        came = gathering.receipts.came()
        known = self._search.untried(run.suspicion, chosen, came, run.completed)
        same_state = step.state == run.state
        return self._search.clean(known, chosen, run.completed + 1, same_state=same_state)

    def _missed(self, gathering: Gathering) -> list[Event]:
        """Name those whose absence the round was abandoned for, where that is not told yet."""
        number = gathering.config.number
        if not gathering.announced:
            away = [name for name in self._roster.holders if name not in gathering.opened]
            return self._attendance.holders_left(away, number, Step.OPENING)
        left = {} if gathering.chosen else gathering.left_out()
        return self._attendance.trainers_left(left, number)

    def opened(self, now_s: float, step: JobStep) -> list[Effect]:
        """Take the job's next state, durable by now, and close the round."""
        run, gathering = self._current()
        config, verdict = gathering.config, gathering.verdict
        completed = run.completed + 1
        proposed = self._proposed(run, gathering) if step.state == run.state else None
        self._run = msgspec.structs.replace(
            self._record_of(step, number=run.number + 1, completed=completed),
            proposed=proposed,
            suspicion=self._cleared(run, gathering, step),
        )
        complete = RoundComplete(
            job=config.job,
            number=config.number,
            survivors=tuple(c.trainer for c in gathering.chosen),
            answered=gathering.answered if verdict is None else verdict.answered,
            seconds=now_s - gathering.began_s,
            checked="unverified" if verdict is None else verdict.status.value,
            liars=() if verdict is None else verdict.liars,
            remark=step.remark,
        )
        updated = StateUpdated(
            job=config.job, number=config.number, completed=completed, metrics=step.metrics
        )
        return [
            Record("run", canonical(self._run)),
            *self._chronicle.add(gathering, _ending(step)),
            *self._close(complete=True, reason=""),
            Report(complete),
            Report(updated),
            *self._suspected(before=run.suspicion),
            *self._next_round(now_s),
        ]

    def failed(self, reason: str, sum_digest: bytes | None = None) -> list[Effect]:
        """End the job: its algorithm can't go on from this sum."""
        run, gathering = self._current()
        ending = Ending(outcome="failed", reason=reason, sum_digest=sum_digest)
        return [
            self._pass_over(run, gathering, reason, run.suspicion),
            *self._chronicle.add(gathering, ending),
            *self._close(complete=False, reason="the job failed"),
            *self._end("failed", reason),
        ]

    def garbled(self, now_s: float, cid: bytes, reason: str, *, false: bool) -> list[Effect]:
        """Abandon a round whose parts open to no sum; nobody ever gets another one of it.

        If that is since one of them was `false`, the next rounds find out whose.
        """
        if self._round is None or self._round.cid != cid:
            return []
        if not false:
            return self._abandoned(now_s, self._round, reason)
        run, gathering = self._current()
        chosen = tuple(contribution.trainer for contribution in gathering.chosen)
        found = self._search.garbled(run.suspicion, chosen, run.completed)
        reason = f"{reason}; {self._search.outlook(found, run.completed)}"
        return self._abandoned(now_s, gathering, reason, found)

    def _pass_over(
        self,
        run: RunRecord,
        gathering: Gathering,
        reason: str,
        suspicion: Suspicion | None,
        *,
        counts: bool = True,
    ) -> Record:
        """Go on from the same state, but never again under this round's number."""
        run = msgspec.structs.replace(run, proposed=self._proposed(run, gathering))
        self._run = msgspec.structs.replace(
            run,
            suspicion=suspicion,
            number=run.number + 1,
            abandoned=run.abandoned + counts,
            closed=gathering.cid,
            inconsistent=self._inconsistent(),
            too_long=self._too_long(),
            setback=Setback(reason=reason[:500], missing=gathering.missing()),
        )
        return Record("run", canonical(self._run))

    def _proposed(self, run: RunRecord, gathering: Gathering) -> TrainerSets | None:
        """Remember what holders may be bound to: the next set over this state obeys it."""
        chosen = tuple(contribution.trainer for contribution in gathering.chosen)
        if not chosen:
            return run.proposed
        return with_proposal(run.proposed, chosen, self._roster, gathering.config.minimum)

    def _end(self, outcome: str, reason: str = "") -> list[Effect]:
        run, self._put_off_s = self._run, None
        self.ended = JobEnded(
            job=self._plan.job,
            outcome=outcome,
            reason=reason,
            completed=0 if run is None else run.completed,
            liars=() if run is None else run.liars,
            inconsistent=() if run is None else run.inconsistent,
            too_long=() if run is None else run.too_long,
            suspects=() if run is None else self._search.left_out(run.suspicion),
        )
        return [Report(self.ended)]


def _ending(step: JobStep) -> Ending:
    return Ending(outcome="complete", sum_digest=step.sum_digest, next_state=step.state)


def _beat_ms(patience_s: float) -> int:
    """Return four beats to a patience, but at least one an hour."""
    return min(3_600_000, max(10, int(250 * patience_s)))


def _cid_of(message: Wire) -> bytes | None:
    header = getattr(message, "header", None)
    cid = getattr(message if header is None else header, "cid", None)
    return cid if isinstance(cid, bytes) else None
