"""One run from start to end: shown, recorded, stopped by signals, summed up."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

from actors.supervision import GaveUp
from infra.config import Job
from infra.durable_files import replace_file
from infra.federation import Casting, Federation
from infra.processes import ProcessFederation, Stage
from infra.run_log import RunLog
from infra.trained_model import keep_model
from infra.witness import Witness
from protocols.learning.job import Algorithm
from protocols.learning.state import State
from protocols.reports import Event, JobEnded, RoundAbandoned, StateUpdated

from .display import Display
from .signals import STOPPED, Signals

DONE, FAILED, USAGE = 0, 1, 2

_DRAIN_S = 30.0
OUTCOME_CODES = {"converged": DONE, "max rounds": DONE, "failed": FAILED, "stopped": STOPPED}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. A witness saw the messages of a run in one process, and of no other."""

    ended: JobEnded
    algorithm: Algorithm[Never]
    state: State
    checkpoint: Path | None
    witness: Witness | None
    rounds: int
    seconds: float
    interrupted: bool  # by a signal, maybe too late to stop anything

    @property
    def exit_code(self) -> int:
        """Return the code of the process."""
        return OUTCOME_CODES.get(self.ended.outcome, FAILED)


class Recorder:
    """A monitor that shows events and keeps the run's log where a resumed run finds it."""

    def __init__(self, display: Display, file: Path) -> None:
        self._display = display
        self._file = file
        try:
            display.log.recall(file.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.warning("%s can't be read (%s): who was missing before is not known", file, error)

    def emit(self, event: Event) -> None:
        self._display.emit(event)
        if isinstance(event, StateUpdated | RoundAbandoned | JobEnded):
            self._keep(self._display.log)

    def _keep(self, run_log: RunLog) -> None:
        try:
            replace_file(self._file, run_log.remember())
        except OSError as error:
            log.warning("%s can't be written: %s", self._file, error.strerror)


AnyFederation = Federation | ProcessFederation


async def run_federation(
    casting: Casting,
    home: Path,
    display: Display,
    *,
    prepare: Callable[[Federation], object] | None = None,
    drain_s: float = _DRAIN_S,
) -> Result:
    """Run a job in this process to its end while showing it; see `run_shown` for signals.

    `prepare` may attach something to the federation before it starts.
    """
    witness = Witness(casting.roster, fraction_bits=casting.assignment.plan.fraction_bits)
    federation = Federation(casting, home, Recorder(display, home / "history.json"), witness)
    if prepare is not None:
        prepare(federation)
    return await run_shown(federation, display, witness=witness, drain_s=drain_s)


async def run_processes(
    stage: Stage,
    home: Path,
    display: Display,
    *,
    prepare: Callable[[ProcessFederation], object] | None = None,
) -> Result:
    """Run a job in processes of its own to its end while showing it."""
    recorder = Recorder(display, home / "history.json")
    federation = ProcessFederation(stage, home, recorder, link_changed=display.link_changed)
    if prepare is not None:
        prepare(federation)
    return await run_shown(federation, display, witness=None)


async def run_shown(
    federation: AnyFederation,
    display: Display,
    *,
    witness: Witness | None,
    drain_s: float = _DRAIN_S,
) -> Result:
    """Run a federation to its end; the first signal drains, the second ends at once."""
    began_s = time.monotonic()
    assignment = federation.casting.assignment
    signals = Signals(
        federation,
        drain_s=drain_s,
        tell=display.urge,
        last_words=lambda: display.final(_cut_off(assignment.plan.job, display)),
    )
    with display.showing(), signals:
        ended = await _ended(federation, signals)
    return Result(
        ended=ended,
        algorithm=assignment.algorithm,
        state=federation.state,
        checkpoint=federation.checkpoint,
        witness=witness,
        rounds=ended.completed,
        seconds=time.monotonic() - began_s,
        interrupted=signals.asked,
    )


async def _ended(federation: AnyFederation, signals: Signals) -> JobEnded:
    job = federation.casting.assignment.plan.job
    run = asyncio.create_task(federation.run(), name="federation")
    signals.run = run
    try:
        return await run
    except GaveUp as error:
        outcome, reason = "failed", str(error)
    except asyncio.CancelledError:
        if not signals.drained_too_long:
            raise
        # The round under way is in the journals: it goes on when the run is resumed.
        outcome, reason = "stopped", "in the middle of a round, which goes on with --resume"
    completed = await federation.completed()
    return JobEnded(job=job, outcome=outcome, reason=reason, completed=completed)


def _cut_off(job: str, display: Display) -> dict[str, Any]:
    return {
        "kind": "summary",
        "job": job,
        "outcome": "stopped",
        "reason": "at once, by a second signal; --resume goes on in the same round",
        "converged": False,
        **display.log.facts(),
    }


def peak_memory_mb() -> dict[str, int]:
    """Return the largest resident memory of this process and of its largest child, in MiB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"actors": own // 1024, "largest_child": child // 1024}


def summary(result: Result, display: Display, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the last line of a run.

    Bytes, vectors, seconds and memory are of this process; all else is of the whole run, also
    of what was before a resumption.
    """
    ended = result.ended
    return {
        "kind": "summary",
        "job": ended.job,
        "outcome": ended.outcome,
        "reason": ended.reason,
        "converged": ended.outcome == "converged",
        **display.log.facts(),
        "rounds": result.rounds,
        "metrics": metrics(result),
        "notes": notes_of(result.state),
        **_witnessed(result.witness),
        "seconds": round(result.seconds, 2),
        "peak_memory_mb": peak_memory_mb(),
        "checkpoint": None if result.checkpoint is None else str(result.checkpoint),
        **extra,
    }


_WITNESSED = (
    "cleartext_vectors_seen",
    "vectors_watched",
    "cleartext_shares_seen",
    "shares_watched",
    "bytes_by_role",
)


def _witnessed(witness: Witness | None) -> dict[str, Any]:
    """Return what was seen on the bus, null where no one process sees it."""
    if witness is None:
        return dict.fromkeys(_WITNESSED)
    return {
        "cleartext_vectors_seen": sum(witness.cleartext_by_recipient.values()),
        "vectors_watched": witness.vectors_watched,
        "cleartext_shares_seen": sum(witness.shares_by_recipient.values()),
        "shares_watched": witness.shares_watched,
        "bytes_by_role": dict(witness.bytes_by_role),
    }


def metrics(result: Result) -> dict[str, float]:
    """Return the last measurements."""
    return result.algorithm.metrics(result.state)


def trained(job: Job, algorithm: Algorithm[Never], state: State, folder: Path) -> dict[str, object]:
    """Write the model of a finished job and its card, and return where it is.

    Empty for a job that trains none, or where it can't be written: its checkpoint is there.
    """
    try:
        file = keep_model(job, algorithm, state, folder, datetime.now(UTC))
    except OSError as error:
        log.warning("%s: the model can't be written: %s", folder, error.strerror)
        return {}
    return {} if file is None else {"model": str(file)}


def notes_of(state: State) -> list[str]:
    """Return what the algorithm has to say about the way it went."""
    return [str(note) for note in state.items("notes")] if "notes" in state.facts else []
