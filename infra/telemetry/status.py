"""The state of this process, kept up with every event: what `status.json` and probes show."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from actors.ports import Clock
from infra.http_blobs import BlobTraffic
from infra.phrases import suspicion
from protocols.reports import (
    ActorRestarted,
    AnswersJudged,
    Event,
    EvidenceKept,
    Incompatible,
    JobEnded,
    OwnerTrouble,
    PeerFault,
    Progress,
    Refusal,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    RoundPutOff,
    SharesChecked,
    StateUpdated,
    Step,
    TookPart,
    TrainersSuspected,
)
from protocols.versions import advice

from .link_watch import LinkNews, LinkWatch
from .model_numbers import models_of
from .peers import Peers
from .snapshot import PutOff, Round, Rules, Snapshot, Trouble
from .subject import Subject

_TROUBLES = 10  # that are remembered
_TEXT = 500  # characters of each


class Life(Enum):
    """What the actor of this process does."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    ENDED = "ended"


@dataclass(slots=True)
class _Round:
    number: int
    began_s: float
    asked: int = 0
    turn: str = ""
    progress: Progress | None = None
    step_s: float = 0.0
    told_s: float = 0.0


@dataclass(slots=True)
class _Tally:
    completed: int = 0
    abandoned: int = 0
    last_round: str = ""
    outcome: str = ""
    restarts: int = 0
    evidence: dict[str, None] = field(default_factory=dict)
    troubles: deque[tuple[float, str, bool]] = field(
        default_factory=lambda: deque(maxlen=_TROUBLES)
    )


class StatusBoard:
    """Feed it events, changes of the link, and names that were heard; take snapshots.

    All times come from the clock of this process and leave it as durations. `changed` is
    called after each change, with whether it matters at once; `inbox` gives the count of
    unacknowledged messages and the age of the oldest.
    """

    def __init__(self, subject: Subject, clock: Clock, inbox: Callable[[], tuple[int, float]]):
        self.changed: Callable[[bool], None] = lambda important: None
        self.metrics_url: str | None = None
        self.peers = Peers(subject, clock)
        self._subject = subject
        self._clock = clock
        self._inbox = inbox
        self._since = time.time()
        self._life, self._life_s, self._life_reason = Life.STARTING, clock.now_s(), ""
        self._link = LinkWatch(clock)
        self._traffic: BlobTraffic | None = None
        self._round: _Round | None = None
        self._put_off: tuple[RoundPutOff, float] | None = None  # and when it was told
        self._suspicion = ""
        self._tally = _Tally()

    # --- what comes in ----------------------------------------------------------------

    def live(self, life: Life, reason: str = "") -> None:
        """Take note of what the actor does."""
        self._life, self._life_s = life, self._clock.now_s()
        self._life_reason = reason[:_TEXT]
        self.changed(True)

    def heard(self, name: str) -> None:
        """Take note of a sign of life of another actor."""
        self.peers.heard(name)
        self.changed(False)

    def link(self, news: LinkNews) -> None:
        """Take note of the link's state."""
        if self._link.take(news):
            self._trouble(f"link {news.state.name.lower()}: {news.reason}")
        self.changed(True)

    def models(self, traffic: BlobTraffic) -> None:
        """Take what counts model states over HTTPS from now on."""
        self._traffic = traffic

    def traffic(self) -> BlobTraffic | None:
        """Return what counts model states over HTTPS, None where they take the stream."""
        return self._traffic

    def take(self, event: Event) -> None:
        """Take an event."""
        self.peers.take(event)
        important = True
        match event:
            case Progress():
                important = self._progress(event)
            case RoundBegan() | RoundComplete() | RoundAbandoned() | StateUpdated() | JobEnded():
                self._take_round(event)
            case RoundPutOff():
                self._put_off = event, self._clock.now_s()
            case TookPart():
                self._tally.completed += event.outcome in ("contributed", "answered")
                self._tally.last_round = f"round {event.number}: {event.outcome}"
            case ActorRestarted():
                self._tally.restarts += 1
                self._trouble(f"crashed and is built again: {event.reason}")
                self.live(Life.RESTARTING, event.reason)
            case _:
                important = False
                self._take_fault(event)
        self.changed(important)

    def _take_round(
        self, event: RoundBegan | RoundComplete | RoundAbandoned | StateUpdated | JobEnded
    ) -> None:
        tally = self._tally
        match event:
            case RoundBegan():
                self._round, self._put_off = _begun(event, self._clock.now_s()), None
            case RoundComplete():
                self._round = None
                tally.last_round = f"round {event.number}: complete in {event.seconds:.1f} s"
            case StateUpdated():
                tally.completed = event.completed
            case RoundAbandoned():
                self._round = None
                tally.abandoned += 1
                tally.last_round = f"round {event.number}: abandoned: {event.reason}"[:_TEXT]
            case JobEnded():
                self._round = self._put_off = None
                tally.completed = max(tally.completed, event.completed)
                tally.outcome = ": ".join(text for text in (event.outcome, event.reason) if text)

    def _take_fault(self, event: Event) -> None:
        match event:
            case PeerFault():
                self._trouble(f"dropped a message of {event.peer}: {event.reason}")
            case EvidenceKept():
                self._evidence(event)
            case Refusal():
                self._trouble(f"refused a {event.what} of {event.peer}: {event.reason}")
            case Incompatible():
                self._trouble(advice(event))
            case SharesChecked():
                self._shares_checked(event)
            case TrainersSuspected():
                self._suspicion = suspicion(event) if event.groups else ""
            case AnswersJudged() if event.liars:
                names = ", ".join(event.liars)
                self._trouble(f"round {event.number}: false answers of {names}, left out")
            case AnswersJudged(checked="detected"):
                self._trouble(f"round {event.number}: some answers are false, waiting for more")
            case OwnerTrouble():
                self._trouble(f"{event.kind}: {event.text}", private=True)
            case _:
                pass  # nothing went wrong

    def _evidence(self, event: EvidenceKept) -> None:
        text = f"{event.offender} {event.what} in round {event.cid[:16]}"
        if text not in self._tally.evidence:
            self._tally.evidence[text] = None
            self._trouble(f"evidence: {text}, and signed both")

    def _shares_checked(self, event: SharesChecked) -> None:
        found = {
            "shares of {} belong to no vector": event.inconsistent,
            "vectors of {} are longer than the bound": event.too_long,
            "shares of {} do not fit some holders'": [trainer for trainer, _ in event.disputed],
        }
        for text, names in found.items():
            if names:
                self._trouble(f"round {event.number}: {text.format(', '.join(names))}")

    def _progress(self, event: Progress) -> bool:
        """Say whether a step began."""
        now_s = self._clock.now_s()
        if self._round is None or self._round.number != event.number:
            self._round = _Round(event.number, now_s)
        now = self._round
        new_step = now.progress is None or now.progress.step is not event.step
        if new_step:
            now.step_s = now_s
        now.progress, now.told_s = event, now_s
        return new_step

    def _trouble(self, text: str, *, private: bool = False) -> None:
        self._tally.troubles.append((self._clock.now_s(), text[:_TEXT], private))

    # --- what goes out ----------------------------------------------------------------

    def snapshot(self, *, peers: bool = True) -> Snapshot:
        """Return everything as it stands now; from any thread. Many `peers` take a while."""
        now_s, tally = self._clock.now_s(), self._tally
        depth, oldest_s = self._inbox()
        return Snapshot(
            actor=self._subject.name,
            role=self._subject.role,
            job=self._subject.plan.job,
            pid=os.getpid(),
            since=self._since,
            written=time.time(),
            life=self._life.value,
            life_s=now_s - self._life_s,
            life_reason=self._life_reason,
            rules=_rules(self._subject),
            link=self._link.now(),
            round=self._round_now(now_s),
            completed=tally.completed,
            abandoned=tally.abandoned,
            last_round=tally.last_round,
            outcome=tally.outcome,
            restarts=tally.restarts,
            inbox=depth,
            inbox_oldest_s=oldest_s,
            peers=tuple(self.peers.now()) if peers else (),
            troubles=tuple(
                Trouble(age_s=now_s - at_s, text=text, private=private)
                for at_s, text, private in tuple(tally.troubles)
            ),
            evidence=tuple(self._tally.evidence),
            metrics_url=self.metrics_url,
            models=None if self._traffic is None else models_of(self._traffic),
            put_off=self._put_off_now(now_s),
            suspicion=self._suspicion[:_TEXT],
        )

    def _put_off_now(self, now_s: float) -> PutOff | None:
        if self._put_off is None:
            return None
        told, told_s = self._put_off
        return PutOff(
            number=told.number,
            left_s=told.seconds - (now_s - told_s),
            abandoned=told.abandoned,
            missing=told.missing,
            reason=told.reason[:_TEXT],
        )

    def _round_now(self, now_s: float) -> Round | None:
        now = self._round
        if now is None:
            return None
        told, age_s = now.progress, now_s - now.began_s
        if told is None:
            return Round(number=now.number, age_s=age_s, asked=now.asked, turn=now.turn)
        left_s = told.deadline_s - (now_s - now.told_s)
        return Round(
            number=now.number,
            age_s=age_s,
            step=told.step.value,
            step_s=now_s - now.step_s,
            receipts=told.receipts,
            expected=told.expected,
            survivors=told.survivors,
            waiting_for=told.waiting_for,
            deadline_s=None if told.step is Step.UPDATING else left_s,
            remark=told.remark[:_TEXT],
            asked=now.asked,
            turn=now.turn,
        )


def _begun(event: RoundBegan, now_s: float) -> _Round:
    return _Round(event.number, now_s, asked=event.asked, turn=event.turn[:_TEXT])


def _rules(subject: Subject) -> Rules:
    plan, roster = subject.plan, subject.roster
    return Rules(
        holders=len(roster.holders),
        trainers=len(roster.trainers),
        threshold=plan.threshold,
        faults=plan.faults,
        quorum=plan.quorum,
        minimum=plan.minimum,
        vote=plan.vote,
        grace_s=plan.timing.grace_s,
        patience_s=plan.timing.patience_s,
        round_s=plan.timing.round_s,
    )
