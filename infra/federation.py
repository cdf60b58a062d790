"""A whole federation in one process on the memory bus: for trying, for tests, for the demo."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from actors.actor import Actor, Ports
from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.ports import Lane, Monitor, PortError, WorkFailed
from actors.shareholder import ShareHolder
from actors.supervision import GaveUp, RestartPolicy, Supervisor
from actors.trainer import Trainer, TrainerPorts
from protocols.learning.state import State
from protocols.reports import Event, JobEnded, OwnerTrouble, SuiteChosen
from protocols.round_config import Roster

from .checkpoints import FileCheckpoints
from .config import Job
from .evidence_files import FileEvidence
from .identity.credentials import Credentials
from .identity.trial import trial_credentials
from .memory_bus import MemoryBus
from .memory_queue import Sent
from .opened_ports import Surroundings, open_ports
from .standing import standing
from .system import SystemClock, ThreadOffload
from .transcript_files import with_transcripts
from .witness import WatchedSpool, WatchedWorker, Witness
from .workers import ProcessWorker, WorkSpec

log = logging.getLogger(__name__)

_SETTLE_S = 3.0
_CALM_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Casting:
    """Who plays, what the coordinator is to do, and with what each trainer works.

    `job` is resolved and has the suite of its rounds; `chosen` says why, where it left it open.
    """

    roster: Roster
    assignment: Assignment
    workers: dict[str, WorkSpec]
    job: Job
    chosen: SuiteChosen | None = None


class Monitors:
    """Tells every event to several monitors."""

    def __init__(self, first: Monitor) -> None:
        self.members = [first]

    def emit(self, event: Event) -> None:
        for member in self.members:
            member.emit(event)


class Federation:
    """Runs all actors of a job under supervision; each keeps its own home below `home`."""

    def __init__(self, casting: Casting, home: Path, monitor: Monitor, witness: Witness) -> None:
        self.casting = casting
        self._observers: list[Callable[[Sent], None]] = [witness.observe]
        self.bus = MemoryBus(observer=self._observe)
        self.ended: JobEnded | None = None
        self.state: State = casting.assignment.initial
        self.checkpoint: Path | None = None
        self._home = home
        self._monitor = Monitors(monitor)
        self._witness = witness
        self._clock = SystemClock()
        self._credentials: Mapping[str, Credentials] = {}
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._workers: dict[str, ProcessWorker] = {}
        self._offload = ThreadOffload(workers=2, name="arithmetic")
        self._stop_asked = asyncio.Event()

    # --- life -------------------------------------------------------------------------

    async def run(self) -> JobEnded:
        """Run the job to its end.

        Raises `GaveUp` when the coordinator can't be kept alive, and `ConfigError` where
        keys or the roster of the homes can't be used. Whatever happens, all actors
        have ended and all child processes are gone afterwards.
        """
        roster = self.casting.roster
        names = (roster.coordinator, *roster.holders, *roster.trainers)
        self._credentials = await asyncio.to_thread(trial_credentials, roster, self._home)
        for name in names:
            self.bus.declare(name)
        try:
            await self._warm_up()
            if not self._stop_asked.is_set():
                for name in (*roster.holders, *roster.trainers, roster.coordinator):
                    self.start(name)
                await self._tasks[roster.coordinator]
                await self._settle()
        finally:
            await self._end()
        if self.ended is None and self._stop_asked.is_set():
            return await self._stopped_before_a_round()
        if self.ended is None:
            raise GaveUp(roster.coordinator, 0, PortError("it ended without a result"))
        return self.ended

    async def completed(self) -> int:
        """Return how many rounds the coordinator's journal has behind it; for after the end."""
        return (await standing(self._home / self.casting.roster.coordinator)).completed

    async def _stopped_before_a_round(self) -> JobEnded:
        return JobEnded(
            job=self.casting.assignment.plan.job,
            outcome="stopped",
            reason="before a round began",
            completed=await self.completed(),
        )

    def watch(self, observer: Callable[[Sent], None]) -> None:
        """Let somebody see every message that the bus accepts."""
        self._observers.append(observer)

    def listen(self, monitor: Monitor) -> None:
        """Let somebody else hear every event too, after the first monitor."""
        self._monitor.members.append(monitor)

    def _observe(self, sent: Sent) -> None:
        for observer in self._observers:
            observer(sent)

    def start(self, name: str) -> None:
        """Bring an actor to life, from its home if it has lived before."""
        supervisor = Supervisor(
            name,
            self._build(name),
            clock=self._clock,
            monitor=self._monitor,
            policy=RestartPolicy(most=5),
        )
        self._supervisors[name] = supervisor
        task = asyncio.create_task(supervisor.run(), name=f"supervisor of {name}")
        task.add_done_callback(lambda done: self._log_end(name, done))
        self._tasks[name] = task

    async def kill(self, name: str) -> None:
        """End an actor at once, as a power cut would; its home and its queues stay."""
        task = self._tasks.pop(name, None)
        if task is None or task.done():
            return
        worker = self._workers.get(name)
        if worker is not None:
            worker.kill()
        task.cancel()
        with suppress(asyncio.CancelledError, GaveUp):
            await task

    def stop(self) -> None:
        """Finish the round under way and end; the run can be resumed."""
        self._stop_asked.set()
        supervisor = self._supervisors.get(self.casting.roster.coordinator)
        if supervisor is not None:
            supervisor.stop()

    def kill_children(self) -> None:
        """Kill every child process at once; for an end that can't wait."""
        for worker in self._workers.values():
            worker.kill()

    def _log_end(self, name: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("%s is gone for good: %s", name, error)

    async def _warm_up(self) -> None:
        """Start all child processes before the first round, so that it is not timed with them.

        An owner whose data can't be read is told here; its trainer declines every round. A stop
        does not wait for the children.
        """
        for name, spec in self.casting.workers.items():
            home = str(self._home / name / "kept")
            self._workers[name] = ProcessWorker(msgspec.structs.replace(spec, home=home))
        started = asyncio.gather(*(self._describe(name) for name in self.casting.workers))
        stopped = asyncio.create_task(self._stop_asked.wait(), name="stop asked")
        try:
            waited: set[asyncio.Future[Any]] = {started, stopped}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                started.result()
        finally:
            stopped.cancel()
            started.cancel()

    async def _describe(self, name: str) -> None:
        try:
            for warning in await self._workers[name].describe():
                self._monitor.emit(OwnerTrouble(actor=name, kind="warning", text=warning))
        except WorkFailed as error:
            self._monitor.emit(OwnerTrouble(actor=name, kind=error.kind, text=str(error)))

    async def _settle(self) -> None:
        """Let everybody hear that the last round is over, and erase what they kept for it."""
        alive = [name for name, task in self._tasks.items() if not task.done()]
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                while any(self.bus.depth(name, Lane.CONTROL) for name in alive):
                    await self._clock.sleep(_CALM_POLL_S)

    async def _end(self) -> None:
        for supervisor in self._supervisors.values():
            supervisor.stop()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_SETTLE_S)
        for name in list(self._tasks):
            await self.kill(name)
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))
        await self._offload.close()

    # --- building ---------------------------------------------------------------------

    def _build(self, name: str) -> Callable[[], AbstractAsyncContextManager[Actor]]:
        match self.casting.roster.role(name):
            case "coordinator":
                return self._coordinator
            case "holder":
                return lambda: self._holder(name)
            case _:
                return lambda: self._trainer(name)

    def _roster(self, name: str) -> Roster:
        return self._credentials[name].roster

    async def _ports(self, name: str, stack: AsyncExitStack) -> Ports:
        ring = self._credentials[name].ring
        around = Surroundings(self._clock, self._offload, self._monitor, ring)
        connect = partial(self.bus.connect, name, prefetch=32)
        return await open_ports(self._home / name, connect, around, stack)

    def _watched(self, name: str, ports: Ports) -> Ports:
        return replace(ports, spool=WatchedSpool(name, ports.spool, self._witness))

    @asynccontextmanager
    async def _holder(self, name: str) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            ports = self._watched(name, await self._ports(name, stack))
            evidence = FileEvidence(self._home / name / "evidence", self._offload)
            yield ShareHolder(name, self._roster(name), ports, evidence=evidence)

    @asynccontextmanager
    async def _trainer(self, name: str) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            ports = self._watched(name, await self._ports(name, stack))
            own = TrainerPorts(
                blobs=self.bus.blobs(name),
                worker=WatchedWorker(name, self._workers[name], self._witness),
            )
            yield Trainer(name, self._roster(name), ports, own)

    @asynccontextmanager
    async def _coordinator(self) -> AsyncIterator[Actor]:
        casting, name = self.casting, self.casting.roster.coordinator
        async with AsyncExitStack() as stack:
            ports = await self._ports(name, stack)
            folder = self._home / name
            checkpoints = FileCheckpoints(folder / "checkpoints", self._offload)
            coordinator = Coordinator(
                self._roster(name),
                ports,
                with_transcripts(
                    casting.assignment,
                    self._credentials[name],
                    folder / "transcripts",
                    self._offload,
                ),
                CoordinatorPorts(self.bus.blobs(name), checkpoints),
            )
            try:
                yield coordinator
            finally:
                self.ended, self.state = coordinator.ended, coordinator.state
                if coordinator.digest is not None:
                    self.checkpoint = checkpoints.find(coordinator.digest)
