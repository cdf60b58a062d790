"""One run from start to end: its home, its signals, its exit code."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import msgspec

from actors.supervision import GaveUp
from infra.config import ConfigError
from infra.federation import Casting, Federation
from infra.witness import Witness
from protocols.learning.job import Algorithm
from protocols.learning.state import State
from protocols.reports import JobEnded

from .display import Display

DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 130

_DRAIN_S = 30.0
_OUTCOME_CODES = {"converged": DONE, "max rounds": DONE, "failed": FAILED, "stopped": STOPPED}


class HomeRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a home remembers of its job besides the actors' journals: `run.json`."""

    job: str
    fingerprint: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    ended: JobEnded
    algorithm: Algorithm[Never]
    state: State
    checkpoint: Path | None
    witness: Witness
    rounds: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """Return the code of the process."""
        return _OUTCOME_CODES.get(self.ended.outcome, FAILED)


class Home:
    """The folder of a run: begun once, resumed, never silently overwritten."""

    def __init__(self, path: Path, job: str, fingerprint: str) -> None:
        self.path = path
        self._record = HomeRecord(job=job, fingerprint=fingerprint)

    def prepare(self, *, resume: bool) -> str:
        """Make the folder ready and return a line about it, empty when there is nothing to say.

        Raises `ConfigError` where going on could lose or mix up what is there.
        """
        known = self._known()
        if known is None:
            if resume:
                raise ConfigError([f"{self.path}: no run to resume; leave --resume out"])
            return self._begin()
        if resume:
            return self._resume(known)
        if not known.over:
            raise ConfigError(
                [
                    f"{self.path}: a run of this job was begun and is not over; go on with "
                    f"--resume, move the folder away, or choose another with --home"
                ]
            )
        return self._begin(old=self._set_aside())

    def finish(self) -> None:
        """Remember that the run is over."""
        self._write(msgspec.structs.replace(self._record, over=True))

    def _known(self) -> HomeRecord | None:
        file = self.path / "run.json"
        if not file.exists():
            if self.path.exists() and any(self.path.iterdir()):
                raise ConfigError([f"{self.path}: not empty, and no run of ours; choose another"])
            return None
        try:
            return msgspec.json.decode(file.read_bytes(), type=HomeRecord)
        except msgspec.DecodeError as error:
            raise ConfigError(
                [f"{file}: damaged ({error}); restore it or choose another folder with --home"]
            ) from None

    def _resume(self, known: HomeRecord) -> str:
        if known.job != self._record.job or known.fingerprint != self._record.fingerprint:
            raise ConfigError(
                [
                    f"{self.path}: the job file has changed since this run began; only [limits], "
                    f"max_rounds and tolerance may. Undo the change, or begin anew with --home"
                ]
            )
        return f"resuming the run in {self.path}"

    def _set_aside(self) -> Path:
        old = self.path.with_name(self.path.name + ".old")
        if old.exists():
            shutil.rmtree(old)
        self.path.rename(old)
        return old

    def _begin(self, old: Path | None = None) -> str:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(self._record)
        return "" if old is None else f"the run before was moved to {old}"

    def _write(self, record: HomeRecord) -> None:
        incoming = self.path / "run.json.incoming"
        incoming.write_bytes(msgspec.json.encode(record))
        incoming.rename(self.path / "run.json")


Prepare = Callable[[Federation], None]


async def run_federation(
    casting: Casting, home: Path, display: Display, *, prepare: Prepare | None = None
) -> Result:
    """Run a job to its end while showing it; the first signal drains, the second ends at once.

    `prepare` may attach something to the federation before it starts.
    """
    began_s = time.monotonic()
    plan = casting.assignment.plan
    witness = Witness(casting.roster, fraction_bits=plan.fraction_bits)
    federation = Federation(casting, home, display, witness)
    if prepare is not None:
        prepare(federation)
    handler = _SignalHandler(federation, display)
    with display.showing(), handler:
        ended = await _ended(federation, handler)
    return Result(
        ended=ended,
        algorithm=casting.assignment.algorithm,
        state=federation.state,
        checkpoint=federation.checkpoint,
        witness=witness,
        rounds=display.log.completed,
        seconds=time.monotonic() - began_s,
    )


async def _ended(federation: Federation, handler: _SignalHandler) -> JobEnded:
    job = federation.casting.assignment.plan.job
    run = asyncio.create_task(federation.run(), name="federation")
    handler.run = run
    try:
        return await run
    except GaveUp as error:
        return JobEnded(job=job, outcome="failed", reason=str(error), completed=0)
    except asyncio.CancelledError:
        if not handler.drained_too_long:
            raise
        # The round under way is in the journals: it goes on when the run is resumed.
        return JobEnded(job=job, outcome="stopped", reason="in the middle of a round", completed=0)


class _SignalHandler:
    """The first SIGINT or SIGTERM ends the run after its round, the second at once."""

    def __init__(self, federation: Federation, display: Display) -> None:
        self.run: asyncio.Task[JobEnded] | None = None
        self.drained_too_long = False
        self._federation = federation
        self._display = display
        self._asked = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> _SignalHandler:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)
        if self._timer is not None:
            self._timer.cancel()

    def _on_signal(self) -> None:
        if self._asked:
            self._federation.kill_children()
            os._exit(STOPPED)
        self._asked = True
        self._display.note("finishing the round under way; once more ends at once")
        self._federation.stop()
        self._timer = self._loop.call_later(_DRAIN_S, self._give_up)

    def _give_up(self) -> None:
        self.drained_too_long = True
        if self.run is not None:
            self.run.cancel()


def peak_memory_mb() -> dict[str, int]:
    """Return the largest resident memory of this process and of its largest child, in MiB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"actors": own // 1024, "largest_child": child // 1024}


def summary(result: Result, display: Display, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the last line of a run."""
    ended, witness = result.ended, result.witness
    return {
        "kind": "summary",
        "job": ended.job,
        "outcome": ended.outcome,
        "reason": ended.reason,
        "converged": ended.outcome == "converged",
        **display.log.facts(),
        "cleartext_vectors_seen": sum(witness.cleartext_by_recipient.values()),
        "vectors_watched": witness.vectors_watched,
        "bytes_by_role": dict(witness.bytes_by_role),
        "seconds": round(result.seconds, 2),
        "peak_memory_mb": peak_memory_mb(),
        "checkpoint": None if result.checkpoint is None else str(result.checkpoint),
        **extra,
    }
