"""One simulated federation: real actors under real supervision, on simulated ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass, field

from actors.actor import Actor, Ports
from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.ports import Lane, Worker
from actors.shareholder import ShareHolder
from actors.software import Setup
from actors.supervision import GaveUp, RestartPolicy, Supervisor
from actors.trainer import TrainerPorts
from protocols.reports import JobEnded
from protocols.round_config import Roster

from .blobs import BlobShelf, SimBlobs
from .broker import SimBroker
from .disk import Disk
from .draws import fraction
from .hosts import LIFE, HostClock, Life
from .journal import SimJournal
from .masking_trainer import SimTrainer
from .network import Path
from .ports import Inline, SimCheckpoints, SimClock, SimEntropy, SimMonitor
from .sealing import SimSealing
from .signatures import IdealSignatures
from .spool import SimSpool
from .stage import Stage
from .transport import SimTransport
from .watch import Watch
from .worker import Owner, SimWorker, States

# What everybody says that it runs: the same, installed or not, in all versions.
_SETUP = Setup(software="quorate x.y.z")
_POLICY = RestartPolicy(most=5, longest_s=5.0)
_AGAIN_S = 10.0  # until a host's service manager starts what gave up


@dataclass(slots=True, eq=False)
class Host:
    """One machine: what outlives its lives, and the life it has now."""

    name: str
    disk: Disk
    clock: HostClock
    entropy: SimEntropy
    sealing: SimSealing
    roster: Roster
    owner: Owner | None = None
    life: Life | None = None
    transport: SimTransport | None = None
    supervisor: Supervisor | None = None
    lives: int = 0
    dead: bool = False  # never started again
    held_back: bool = False  # not started while this is set
    checkpoints: SimCheckpoints = field(default_factory=SimCheckpoints)

    @property
    def alive(self) -> bool:
        """Whether it has a life now."""
        return self.life is not None and self.life.alive


class World:
    """All hosts, the broker and the blobs of one history.

    `worker` makes that of a trainer, where it is not that of its `Owner`.
    """

    def __init__(
        self,
        stage: Stage,
        watch: Watch,
        assignment: Assignment,
        roster: Roster,
        *,
        worker: Callable[[str], Worker] | None = None,
    ) -> None:
        self.stage = stage
        self.watch = watch
        self.roster = roster
        self.assignment = assignment
        self.broker: SimBroker
        self.shelf = BlobShelf(stage)
        self.hosts: dict[str, Host] = {}
        self.ended: JobEnded | None = None
        self._states = States()
        self._worker = worker
        self._clock = SimClock(stage)
        self._offload = Inline()

    @property
    def names(self) -> tuple[str, ...]:
        """Name everybody; the coordinator first."""
        return (self.roster.coordinator, *self.roster.holders, *self.roster.trainers)

    def furnish(self, broker: SimBroker, owners: dict[str, Owner]) -> None:
        """Make the hosts, each with a disk, a clock and its owner's code."""
        self.broker = broker
        for name in self.names:
            broker.declare(name)
            offset_s = 1000.0 * fraction(self.stage.draw(f"clock {name}"), 0)
            self.hosts[name] = Host(
                name=name,
                disk=Disk(),
                clock=HostClock(offset_s),
                entropy=SimEntropy(name, self.stage, self.watch.drew),
                sealing=SimSealing(name, self.stage.seed),
                roster=self.roster,
                owner=owners.get(name),
            )

    def path(self, name: str) -> Path:
        """Return a host's way to the broker."""
        return self.broker.paths[name]

    # --- life and death ---------------------------------------------------------------

    def start(self, name: str) -> None:
        """Give a host a life, unless it has one, may not have one, or has left for good."""
        host = self.hosts[name]
        if host.alive or host.dead or host.held_back:
            return
        host.lives += 1
        life = host.life = Life(name, host.lives, host.clock)
        self.stage.loop.adopt(life)
        host.supervisor = Supervisor(
            name,
            self._build(host, life),
            clock=self._clock,
            monitor=SimMonitor(life, self.watch),
            policy=_POLICY,
        )
        context = copy_context()
        context.run(LIFE.set, life)
        self.stage.tell(f"{name} starts life {host.lives}")
        task = self.stage.loop.create_task(
            host.supervisor.run(), name=f"supervisor of {name}", context=context
        )
        task.add_done_callback(lambda done: self._ended(host, life, done))

    def crash(self, name: str, *, down_s: float) -> bool:
        """Cut a host's power; start it again after so long. Return whether it was alive."""
        host = self.hosts[name]
        if host.life is None or not host.life.alive:
            return False
        self.stage.tell(f"{name} crashes")
        host.life.crash()
        if host.transport is not None:
            host.transport.die()
        if host.disk.lose_power():
            self.stage.fired["lost what was never synced"] += 1
        self.stage.loop.after(down_s, self.start, name)
        return True

    def crash_for(self, name: str, down_s: float) -> None:
        """Cut a host's power, as `crash`."""
        self.crash(name, down_s=down_s)

    def kill(self, name: str) -> None:
        """Cut a host's power for good."""
        self.crash(name, down_s=0.0)
        self.hosts[name].dead = True

    def stop(self, name: str) -> None:
        """Ask a host's actor for a clean end."""
        host = self.hosts[name]
        if host.alive and host.life is not None and host.supervisor is not None:
            context = copy_context()
            context.run(LIFE.set, host.life)
            context.run(host.supervisor.stop)

    def _ended(self, host: Host, life: Life, task: asyncio.Task[None]) -> None:
        if life is not host.life or not life.alive:
            return
        error = None if task.cancelled() else task.exception()
        self.stage.tell(f"{host.name} ends: {error}")
        life.crash()
        host.disk.user = None
        if isinstance(error, GaveUp):
            self.stage.fired["gave up"] += 1
            self.stage.loop.after(_AGAIN_S, self.start, host.name)
        elif error is None and host.name != self.roster.coordinator:
            self.stage.loop.after(_AGAIN_S, self.start, host.name)
        elif error is not None:
            self.stage.loop.call_exception_handler(
                {"message": f"the supervisor of {host.name} failed", "exception": error}
            )

    # --- building ---------------------------------------------------------------------

    def _build(self, host: Host, life: Life) -> Callable[[], AbstractAsyncContextManager[Actor]]:
        match self.roster.role(host.name):
            case "coordinator":
                return lambda: self._coordinator(host, life)
            case "holder":
                return lambda: self._holder(host, life)
            case _:
                return lambda: self._trainer(host, life)

    def _ports(self, host: Host, life: Life, stack: AsyncExitStack) -> Ports:
        journal = SimJournal(life, host.disk, self.stage, self.watch)
        stack.push_async_callback(journal.close)
        spool = SimSpool(host.name, host.disk, self.stage, self.watch)
        transport = SimTransport(life, self.broker, self.stage, self.watch)
        stack.push_async_callback(transport.close)
        host.transport = transport
        monitor = SimMonitor(life, self.watch)
        return Ports(
            transport=transport,
            clock=self._clock,
            journal=journal,
            spool=spool,
            offload=self._offload,
            monitor=monitor,
            signatures=IdealSignatures(host.name),
            entropy=host.entropy,
            sealing=host.sealing,
        )

    @asynccontextmanager
    async def _holder(self, host: Host, life: Life) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            ports = self._ports(host, life, stack)
            yield ShareHolder(host.name, host.roster, ports, _SETUP)

    @asynccontextmanager
    async def _trainer(self, host: Host, life: Life) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            own = TrainerPorts(
                blobs=SimBlobs(host.name, self.shelf),
                worker=self._worker_of(host),
            )
            trainer = SimTrainer(
                host.name, host.roster, self._ports(host, life, stack), own, _SETUP
            )
            trainer.owner = host.owner
            yield trainer

    def _worker_of(self, host: Host) -> Worker:
        if self._worker is not None:
            return self._worker(host.name)
        if host.owner is None:
            raise LookupError(f"{host.name} has no owner")
        return SimWorker(host.owner, self._states)

    @asynccontextmanager
    async def _coordinator(self, host: Host, life: Life) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            coordinator = Coordinator(
                host.roster,
                self._ports(host, life, stack),
                self.assignment,
                CoordinatorPorts(SimBlobs(host.name, self.shelf), host.checkpoints),
            )
            try:
                yield coordinator
            finally:
                if life.alive:
                    self.ended = coordinator.ended

    def depth(self, name: str, lane: Lane) -> int:
        """Return how many messages are in one queue."""
        return self.broker.queue(name, lane).messages
