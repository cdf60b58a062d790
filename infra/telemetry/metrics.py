"""The numbers of one actor's process: counted events, and the registry that holds all."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from protocols.reports import (
    ActorRestarted,
    AnswersJudged,
    Event,
    HolderLeft,
    HolderReturned,
    Incompatible,
    OwnerTrouble,
    PeerFault,
    Refusal,
    RoundAbandoned,
    RoundComplete,
    StateUpdated,
    TookPart,
    TrainerLeft,
    TrainerReturned,
    TrainersSuspected,
)

from .subject import Subject

_ROUND_S = (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_LAG_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REFUSED = ("share", "proposal", "release", "open", "hello")
_JOB_METRICS = 32  # names that are shown


class Metrics:
    """Counts events. Every label's values are a closed set, or names of the own job file."""

    def __init__(self, subject: Subject) -> None:
        self.registry = CollectorRegistry()
        self._subject = subject
        self._job_metrics: set[str] = set()
        self._describe()
        self._count_rounds()
        self._count_faults()
        self.lag_s = Histogram(
            "quorate_event_loop_lag_seconds",
            "How late the event loop wakes",
            buckets=_LAG_S,
            registry=self.registry,
        )
        self._reconnects = 0
        self._reconnected = self._counter("link_reconnects", "Connections made again")
        ProcessCollector(registry=self.registry)

    def reconnects(self, count: int) -> None:
        """Take the number of reconnections of the link so far."""
        self._reconnected.inc(max(0, count - self._reconnects))
        self._reconnects = count

    def take(self, event: Event) -> None:
        """Count an event."""
        match event:
            case RoundComplete():
                self._rounds.labels("complete").inc()
                self._round_s.observe(event.seconds)
                self._survivors.set(len(event.survivors))
            case RoundAbandoned():
                self._rounds.labels("abandoned").inc()
            case StateUpdated():
                self._show(event.metrics)
            case TrainerLeft():
                self._dropouts.labels("trainer", event.step.value).inc()
            case HolderLeft():
                self._dropouts.labels("holder", event.step.value).inc()
            case TrainerReturned():
                self._returns.labels("trainer").inc()
            case HolderReturned():
                self._returns.labels("holder").inc()
            case _:
                self._take_fault(event)

    def _take_fault(self, event: Event) -> None:
        match event:
            case PeerFault():
                # The name is whatever the message says: only its role is a bounded label.
                self._peer_faults.labels(self._subject.role_of(event.peer)).inc()
            case Refusal():
                self._refusals.labels(event.what if event.what in _REFUSED else "other").inc()
            case Incompatible():
                self._incompatible.inc()
            case TookPart():
                self._parts.labels(event.outcome).inc()
            case OwnerTrouble():
                if event.kind != "warning":
                    self._troubles.inc()
            case ActorRestarted():
                self._restarts.inc()
            case AnswersJudged():
                self._judged.labels(event.checked).inc()
                self._false_answers.inc(len(event.liars))
            case TrainersSuspected():
                self._suspects.set(sum(len(group) for group in event.groups))
            case _:
                pass  # of no number

    def _show(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            if name in self._job_metrics or len(self._job_metrics) < _JOB_METRICS:
                self._job_metrics.add(name)
                self._job_metric.labels(name).set(value)

    # --- declared ---------------------------------------------------------------------

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"quorate_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"quorate_{name}", text, labels, registry=self.registry)

    def _describe(self) -> None:
        build = self._gauge("build_info", "What runs", "version", "python")
        build.labels(version("quorate"), platform.python_version()).set(1)
        actor = self._gauge("actor_info", "Who runs", "actor", "role", "federation", "job")
        subject = self._subject
        names = (subject.name, subject.role, subject.roster.federation, subject.plan.job)
        actor.labels(*names).set(1)

    def _count_rounds(self) -> None:
        self._rounds = self._counter("rounds", "Rounds that ended", "outcome")
        self._round_s = Histogram(
            "quorate_round_seconds",
            "Duration of complete rounds",
            buckets=_ROUND_S,
            registry=self.registry,
        )
        self._survivors = self._gauge("round_survivors", "Trainers in the last opened sum")
        self._job_metric = self._gauge("job_metric", "The job's own measurements", "name")
        left = "Actors that a round went on without"
        self._dropouts = self._counter("dropouts", left, "role", "step")
        self._returns = self._counter("returns", "Actors that came back", "role")
        self._parts = self._counter("parts", "Rounds this actor had a part in", "outcome")
        for outcome in ("complete", "abandoned"):
            self._rounds.labels(outcome)
        for role in ("trainer", "holder"):
            self._returns.labels(role)

    def _count_faults(self) -> None:
        faults = "Dropped messages that broke a rule"
        self._peer_faults = self._counter("peer_faults", faults, "peer_role")
        for role in ("coordinator", "holder", "trainer", "unknown"):
            self._peer_faults.labels(role)
        self._refusals = self._counter("refusals", "Requests that this actor refused", "what")
        for what in _REFUSED:
            self._refusals.labels(what)
        self._incompatible = self._counter(
            "incompatible_messages", "Messages in another version of the protocol"
        )
        self._troubles = self._counter(
            "owner_troubles", "Rounds declined for the owner's code or data"
        )
        self._judged = self._counter("answers_judged", "Judgements of answers", "checked")
        for checked in ("verified", "corrected", "detected"):
            self._judged.labels(checked)
        self._false_answers = self._counter("false_answers", "Answers found to be false")
        self._suspects = self._gauge("suspected_trainers", "Trainers that may garble sums")
        self._restarts = self._counter("actor_restarts", "Crashes that were survived")
