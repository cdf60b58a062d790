"""`quorate coordinator`, `holder` and `trainer`: one actor of a federation, in its own home."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.ports import Monitor, Transport
from actors.supervision import GaveUp
from infra.casting import assignment_of, plan_of
from infra.config import ConfigError
from infra.homes import ActorHome, Role, open_home
from infra.homes.actor_home import SETTINGS
from infra.http_blobs import BlobTraffic
from infra.process import ActorProcess
from infra.rabbitmq.link import LinkChange
from infra.standing import Standing, standing
from infra.telemetry import Listen, Subject, Telemetry, TelemetryError
from infra.tied import end_with_parent
from protocols.reports import Event, JobEnded, TookPart

from .display import Display
from .results import show_result
from .session import DONE, FAILED, OUTCOME_CODES, USAGE, Recorder, Result, notes_of, trained
from .signals import STOPPED, Signals
from .terminal import display_of, keep_log, show_config_error, show_interrupted

_DRAIN_S = {"coordinator": 30.0, "holder": 10.0, "trainer": 10.0}
_DRAINED = {
    "coordinator": "the round under way is finished",
    "holder": "what was decided is made durable and sent",
    "trainer": "what was decided is made durable and sent",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an actor was asked to run: `once`, and `tied` to the life of the process above."""

    role: Role
    once: bool
    tied: bool


@dataclass(frozen=True, slots=True)
class _Ended:
    outcome: str
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What the coordinator's home holds of the job; `result` is None before the first sum."""

    result: Result | None
    facts: dict[str, Any]


def run(path: Path, wanted: Wanted, *, output: str) -> int:
    """Run the actor of a home until it has ended or is stopped; return the exit code."""
    display = display_of(output)
    try:
        home = open_home(path, role=wanted.role)
        with home.locked():
            telemetry = _telemetry(home)
            keep_log(home.log, telemetry.where, output)
            ended, found = asyncio.run(_run(home, wanted, display, telemetry))
    except ConfigError as error:
        show_config_error(error, output)
        return USAGE
    except KeyboardInterrupt:
        show_interrupted(output)
        return STOPPED
    if found.result is not None and output in ("live", "quiet"):
        show_result(found.result, display, _told(home, ended, found.facts))
    elif output == "live":
        display.note(f"{home.name}: {ended.outcome}{f': {ended.reason}' if ended.reason else ''}")
    return ended.exit_code


class _Shown:
    """Shows what an actor does; a `Listener`."""

    def __init__(self, display: Display, home: ActorHome) -> None:
        self._display = display
        self._monitor: Monitor = display
        if home.role == "coordinator":
            self._monitor = Recorder(display, home.path / "history.json")

    def emit(self, event: Event) -> None:
        self._monitor.emit(event)
        if isinstance(event, TookPart):
            accused = "".join(f", with evidence against {name}" for name in event.accused)
            self._display.note(f"round {event.number}: {event.outcome}{accused}")

    def models(self, _traffic: BlobTraffic) -> None:
        """Show nothing of it: the status does."""

    def link_changed(self, change: LinkChange) -> None:
        self._display.link_changed(change)

    def wrap(self, transport: Transport) -> Transport:
        return transport


class _Life:
    """What signals end: the actor, and the service manager is told."""

    def __init__(self, process: ActorProcess, telemetry: Telemetry) -> None:
        self._process = process
        self._telemetry = telemetry

    def stop(self) -> None:
        self._telemetry.stopping()
        self._process.stop()

    def kill_children(self) -> None:
        self._process.kill_children()


def _telemetry(home: ActorHome) -> Telemetry:
    subject = Subject(name=home.name, roster=home.roster, plan=plan_of(home.job))
    return Telemetry(subject, home.path, listen=Listen.parse(home.telemetry.listen or ""))


async def _run(
    home: ActorHome, wanted: Wanted, display: Display, telemetry: Telemetry
) -> tuple[_Ended, _Found]:
    began_s = time.monotonic()
    process = ActorProcess(home, once=wanted.once, listeners=[telemetry, _Shown(display, home)])
    if wanted.tied:
        end_with_parent(process.kill_children)
    signals = Signals(
        _Life(process, telemetry),
        drain_s=_DRAIN_S[home.role],
        tell=display.urge,
        last_words=lambda: display.final(_cut_off(home)),
        drained=_DRAINED[home.role],
    )
    try:
        # Only a coordinator knows how a round stands.
        shown = display.showing() if home.role == "coordinator" else nullcontext()
        with shown, signals:
            async with telemetry:
                ended = await _ended(process, signals, wanted)
                if ended.exit_code == FAILED:
                    telemetry.failed(ended.reason)
    except TelemetryError as error:
        raise ConfigError([f"{home.path / SETTINGS}: telemetry.listen: {error}"]) from None
    found = _Found(None, {})
    if home.role == "coordinator":
        found = _found(home, ended, await standing(home.path), time.monotonic() - began_s)
    display.final(_summary(home, ended, display, process) | found.facts)
    return ended, found


async def _ended(process: ActorProcess, signals: Signals, wanted: Wanted) -> _Ended:
    signals.run = asyncio.create_task(process.run(), name=process.home.name)
    try:
        await signals.run
    except GaveUp as error:
        return _Ended("failed", str(error), FAILED)
    except asyncio.CancelledError:
        if not signals.drained_too_long:
            raise
        return _Ended(
            "stopped", "in the middle of its work, which goes on at the next start", STOPPED
        )
    return _outcome(process, wanted, asked=signals.asked)


def _outcome(process: ActorProcess, wanted: Wanted, *, asked: bool) -> _Ended:
    job = process.ended
    if job is not None and job.outcome != "stopped":
        return _Ended(job.outcome, job.reason, OUTCOME_CODES.get(job.outcome, FAILED))
    if asked:
        return _Ended("stopped", "by a signal; it goes on at the next start", STOPPED)
    if wanted.once and process.rounds:
        return _Ended("one round", "", DONE)
    if wanted.once:
        return _Ended("failed", "the round was abandoned", FAILED)
    return _Ended("failed", "it ended without a result", FAILED)


def _summary(
    home: ActorHome, ended: _Ended, display: Display, process: ActorProcess
) -> dict[str, Any]:
    common = {
        "kind": "summary",
        "actor": home.name,
        "role": home.role,
        "job": home.job.name,
        "outcome": ended.outcome,
        "reason": ended.reason,
        "converged": ended.outcome == "converged",
    }
    if home.role == "coordinator":
        return common | display.log.facts()
    return common | {"rounds": process.rounds, "evidence_against": list(process.accused)}


def _found(home: ActorHome, ended: _Ended, stands: Standing, seconds: float) -> _Found:
    facts: dict[str, Any] = {
        "rounds": stands.completed,
        "checkpoint": None if stands.checkpoint is None else str(stands.checkpoint),
    }
    if stands.state is None:
        return _Found(None, facts)
    algorithm = assignment_of(home.job, stands.state).algorithm
    facts |= {"metrics": algorithm.metrics(stands.state), "notes": notes_of(stands.state)}
    if ended.exit_code == DONE:
        if ended.outcome in OUTCOME_CODES:  # else one round of a job that goes on
            facts |= trained(home.job, algorithm, stands.state, home.path)
        facts |= algorithm.result(stands.state)
    result = Result(
        ended=JobEnded(
            job=home.job.name,
            outcome=ended.outcome,
            reason=ended.reason,
            completed=stands.completed,
        ),
        algorithm=algorithm,
        state=stands.state,
        checkpoint=stands.checkpoint,
        witness=None,
        rounds=stands.completed,
        seconds=seconds,
        interrupted=ended.exit_code == STOPPED,
    )
    return _Found(result, facts)


def _told(home: ActorHome, ended: _Ended, facts: dict[str, Any]) -> dict[str, object]:
    """Return what people are told beside the measurements: what was found, or how to go on."""
    told: dict[str, object] = {"log": str(home.log), "resume": None}
    if ended.exit_code != DONE or ended.outcome not in OUTCOME_CODES:
        return told | {"resume": shlex.join(["quorate", home.role, "--home", str(home.path)])}
    apart = ("rounds", "checkpoint", "metrics", "notes")
    return told | {name: fact for name, fact in facts.items() if name not in apart}


def _cut_off(home: ActorHome) -> dict[str, Any]:
    return {
        "kind": "summary",
        "actor": home.name,
        "role": home.role,
        "job": home.job.name,
        "outcome": "stopped",
        "reason": "at once, by a second signal; it goes on at the next start",
        "converged": False,
    }
