"""One actor as a process of its own: its home, its link to the broker, and who listens to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Protocol

from actors.actor import Actor, Ports
from actors.coordinator import Coordinator, CoordinatorPorts
from actors.ports import Lane, Transport, WorkFailed
from actors.shareholder import ShareHolder
from actors.software import Setup
from actors.supervision import RestartPolicy, Supervisor
from actors.trainer import Trainer, TrainerPorts
from protocols.reports import (
    Event,
    EvidenceKept,
    JobEnded,
    OwnerTrouble,
    Progress,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    Step,
    TookPart,
)

from .casting import assignment_of, owners_terms, terms_of, work_spec
from .checkpoints import FileCheckpoints
from .evidence_files import FileEvidence
from .heap import give_back, settle_heap
from .homes import ActorHome
from .http_blobs import BlobTraffic
from .model_ways import blobs_of, model_server
from .opened_ports import Surroundings, open_ports
from .rabbitmq.link import LinkChange, LinkState, RabbitLink
from .rabbitmq.policy import SERVERS, TRAINERS
from .rabbitmq.transport import RabbitTransport
from .system import SystemClock, ThreadOffload
from .transcript_files import with_transcripts
from .workers import ProcessWorker

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Follows an actor: its events, its link, and, where it wants, every message."""

    def emit(self, event: Event) -> None:
        """Take an event; returns at once and never raises."""
        ...

    def link_changed(self, change: LinkChange) -> None:
        """Take news of the link; returns at once and never raises."""
        ...

    def models(self, traffic: BlobTraffic) -> None:
        """Take what counts model states over HTTPS from now on; returns at once, never raises."""
        ...

    def wrap(self, transport: Transport) -> Transport:
        """Return the transport itself, or one around it that sees what passes."""
        ...


class ActorProcess:
    """Keeps the actor of a home alive until it has ended or is asked to stop.

    With `once` a coordinator ends after the round that it begins or goes on with, and the
    others after the first round in which their part is over.

    Attributes:
        ended: how the coordinator's job ended, None while it has not.
        rounds: how many rounds were completed (coordinator) or over (others).
        accused: those whom it has evidence against, of any round.
    """

    def __init__(
        self, home: ActorHome, *, once: bool = False, listeners: Sequence[Listener] = ()
    ) -> None:
        self.home = home
        self.ended: JobEnded | None = None
        self.rounds = 0
        self.abandoned = 0
        self.accused: dict[str, None] = {}
        self._once = once
        self._linked = False
        self._cut_off = False
        self._life: asyncio.Task[None] | None = None
        self._listeners = listeners
        self._clock = SystemClock()
        self._offload = ThreadOffload(workers=2, name="arithmetic")
        self._worker: ProcessWorker | None = None
        if home.role == "trainer":
            self._worker = ProcessWorker(work_spec(home.job, home.owner, kept=home.kept))
        self._credentials = home.credentials()
        terms = owners_terms if home.role == "trainer" else terms_of
        self._setup = Setup(terms=terms(home.job))
        if home.role == "coordinator":
            home.initial()  # refused now, where it is; it is read again when it is needed
        self._supervisor = Supervisor(
            home.name,
            self._build(),
            clock=self._clock,
            monitor=self,
            policy=RestartPolicy(),
        )

    async def run(self) -> None:
        """Return when the actor has ended; the broker may be down for as long as it likes.

        Raises `GaveUp` when the actor crashed too often in a row, and `ConfigError` where model
        states can't be served as the home says. Whatever happens, nothing of the actor runs
        afterwards.
        """
        settle_heap(spare=self.home.role != "coordinator")
        with model_server(self.home, self._models):
            await self._live()

    def stop(self) -> None:
        """End in good order: a coordinator finishes its round, the others make durable and go.

        A round can't be finished while the broker is away: it goes on at the next start.
        """
        self._supervisor.stop()
        if self.home.role == "coordinator" and not self._linked and self._life is not None:
            self._cut_off = True
            self._life.cancel()

    def kill_children(self) -> None:
        """Kill the owner's child process at once; for an end that can't wait."""
        if self._worker is not None:
            self._worker.kill()

    def emit(self, event: Event) -> None:
        """Tell an event to all listeners; the `Monitor` port."""
        for listener in self._listeners:
            listener.emit(event)
        match event:
            case RoundBegan() if self._once and self._supervisor.actor is not None:
                # The round that has begun is finished, and no other is begun.
                self._supervisor.actor.stop()
            case Progress(step=Step.UPDATING) if self.home.role == "coordinator":
                give_back()  # a sum is as long as a model, and needs room
            case RoundComplete():
                self.rounds += 1
            case RoundAbandoned():
                self.abandoned += 1
            case TookPart():
                self.rounds += 1
                if self._once:
                    self._supervisor.stop()
            case EvidenceKept():
                self.accused[event.offender] = None
            case JobEnded():
                self.ended = event
            case _:
                pass  # of interest to listeners only

    async def _live(self) -> None:
        opening = asyncio.create_task(self._open_data(), name="the owner's data")
        self._life = asyncio.create_task(self._supervisor.run(), name=self.home.name)
        try:
            await self._life
        except asyncio.CancelledError:
            if not self._cut_off:
                raise
        finally:
            opening.cancel()
            with suppress(asyncio.CancelledError):
                await opening
            if self._worker is not None:
                await self._worker.close()
            await self._offload.close()

    def _link_changed(self, change: LinkChange) -> None:
        self._linked = change.state in (LinkState.OPEN, LinkState.BLOCKED)
        for listener in self._listeners:
            listener.link_changed(change)

    def _models(self, traffic: BlobTraffic) -> None:
        for listener in self._listeners:
            listener.models(traffic)

    async def _open_data(self) -> None:
        """Open the owner's data before the first round needs it, and tell the owner of trouble."""
        if self._worker is None:
            return
        try:
            for warning in await self._worker.describe():
                self.emit(OwnerTrouble(actor=self.home.name, kind="warning", text=warning))
        except WorkFailed as error:
            self.emit(OwnerTrouble(actor=self.home.name, kind=error.kind, text=str(error)))

    # --- building ---------------------------------------------------------------------

    def _build(self) -> Callable[[], AbstractAsyncContextManager[Actor]]:
        match self.home.role:
            case "coordinator":
                return self._coordinator
            case "holder":
                return self._holder
            case "trainer":
                return self._trainer

    async def _opened(self, stack: AsyncExitStack) -> tuple[Ports, RabbitLink]:
        """Open everything anew for each life: what a dead one held goes back to its queue."""
        home, trains = self.home, self.home.role == "trainer"
        policy = TRAINERS if trains else SERVERS
        link = RabbitLink(home.name, home.address, policy=policy, notice=self._link_changed)
        stack.push_async_callback(link.close)

        def connect() -> Transport:
            lanes = (Lane.CONTROL,) if trains else tuple(Lane)
            transport: Transport = RabbitTransport(home.name, link, lanes=lanes)
            for listener in self._listeners:
                transport = listener.wrap(transport)
            link.start()
            return transport

        around = Surroundings(self._clock, self._offload, self, self._credentials.ring)
        return await open_ports(home.path, connect, around, stack), link

    @asynccontextmanager
    async def _holder(self) -> AsyncIterator[Actor]:
        async with AsyncExitStack() as stack:
            ports, _ = await self._opened(stack)
            evidence = FileEvidence(self.home.evidence, self._offload)
            roster = self._credentials.roster
            yield ShareHolder(self.home.name, roster, ports, self._setup, evidence)

    @asynccontextmanager
    async def _trainer(self) -> AsyncIterator[Actor]:
        home, worker = self.home, self._worker
        if worker is None:
            raise RuntimeError("a trainer without a worker")
        async with AsyncExitStack() as stack:
            ports, link = await self._opened(stack)
            own = TrainerPorts(
                blobs=blobs_of(home, link, stack, self._models),
                worker=worker,
            )
            yield Trainer(home.name, self._credentials.roster, ports, own, self._setup)

    @asynccontextmanager
    async def _coordinator(self) -> AsyncIterator[Actor]:
        home = self.home
        async with AsyncExitStack() as stack:
            ports, link = await self._opened(stack)
            yield Coordinator(
                self._credentials.roster,
                ports,
                with_transcripts(
                    assignment_of(home.job, home.initial()),
                    self._credentials,
                    home.transcripts,
                    self._offload,
                ),
                CoordinatorPorts(
                    blobs_of(home, link, stack, self._models),
                    FileCheckpoints(home.checkpoints, self._offload),
                ),
            )
