"""A whole federation on a broker, every actor a process of its own on this machine."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity

from actors.ports import Monitor, PortError
from actors.supervision import GaveUp, RestartPolicy
from protocols.learning.state import State
from protocols.reports import ActorRestarted, Event, JobEnded, RoundBegan, RoundComplete, TookPart

from .actor_child import ActorChild
from .config import ConfigError, Job
from .event_lines import read_event
from .federation import Casting, Monitors
from .homes.access import topology_of
from .homes.provisioning import Access, Provisioning, accounts_for_all
from .identity.trial import AUTHORITY, TrialIdentities
from .rabbitmq.address import BrokerAddress, Tls
from .rabbitmq.declare import DeclareError, connected, declare, remove
from .rabbitmq.link import LinkChange, LinkState
from .standing import Standing, standing

log = logging.getLogger(__name__)

_CALL_S = 30.0
_READY_S = 60.0
_SETTLE_S = 3.0
_END_S = 20.0  # for a process to make durable, to flush and to close
_CALM_S = 60.0
_USAGE = 2
_OVER = ("converged", "max rounds")


@dataclass(frozen=True, slots=True)
class Stage:
    """A job on a broker: its cast, and the account that all its processes use.

    The account must be allowed to configure the virtual host, which this federation has for
    itself. `gateways` are addresses of actors that reach the broker by a way of their own.
    """

    job: Job
    casting: Casting
    address: BrokerAddress
    gateways: Mapping[str, str] = field(default_factory=dict)


class ProcessFederation:
    """Runs all actors of a job as child processes; each keeps its own home below `home`.

    A child that dies is started again, like a service. None outlives this process.
    `link_changed` hears of the coordinator's link to the broker.
    """

    def __init__(
        self,
        stage: Stage,
        home: Path,
        monitor: Monitor,
        *,
        link_changed: Callable[[LinkChange], None] | None = None,
    ) -> None:
        self.casting = stage.casting
        self.ended: JobEnded | None = None
        self.state: State = stage.casting.assignment.initial
        self.checkpoint: Path | None = None
        self._stage = stage
        self._topology = topology_of(stage.job)
        self._home = home
        self._monitor = Monitors(monitor)
        self._link_changed = link_changed or (lambda _: None)
        self._policy = RestartPolicy(first_s=0.5, longest_s=10.0, calm_s=_CALM_S, most=5)
        self._children: dict[str, ActorChild] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[str] = set()
        self._linked: dict[str, asyncio.Event] = {}
        self._parts: dict[str, int] = {}
        self._news = asyncio.Event()
        self._began = False
        self._last: RoundComplete | None = None
        self._stop_asked = asyncio.Event()
        self._changed = asyncio.Event()  # somebody was started, or a stop asked for

    # --- life -------------------------------------------------------------------------

    async def run(self) -> JobEnded:
        """Run the job to its end; the queues of a finished job are removed from the broker.

        Raises `GaveUp` when the coordinator can't be kept alive, and `ConfigError` where the
        broker does not let us begin. Whatever happens, all processes have ended afterwards.
        """
        roster = self.casting.roster
        await self._prepare()
        try:
            for name in (*roster.holders, *roster.trainers):
                self.start(name)
            await self._ready()
            if not self._stop_asked.is_set():
                self.start(roster.coordinator)
                await self._coordinated()
                await self._settle()
        finally:
            await self._end()
        stands = await self._stands()
        self.checkpoint = stands.checkpoint
        self.state = stands.state or self.state
        return await self._outcome(stands)

    async def completed(self) -> int:
        """Return how many rounds the coordinator's journal has behind it; for after the end."""
        return (await self._stands()).completed

    def listen(self, monitor: Monitor) -> None:
        """Let somebody else hear every event too, after the first monitor."""
        self._monitor.members.append(monitor)

    def stop(self) -> None:
        """Finish the round under way and end; the run can be resumed."""
        self._stop_asked.set()
        self._changed.set()
        self.stop_actor(self.casting.roster.coordinator)

    def kill_children(self) -> None:
        """Kill every process at once; for an end that can't wait."""
        for child in self._children.values():
            child.send(signal.SIGKILL)

    # --- one actor --------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Bring an actor to life, from its home if it has lived before; a living one stays."""
        self._leaving.discard(name)
        if name in self._keepers and not self._keepers[name].done():
            return
        self._linked[name] = asyncio.Event()
        keeper = asyncio.create_task(self._keep(name), name=f"keeper of {name}")
        keeper.add_done_callback(lambda done: self._log_end(name, done))
        self._keepers[name] = keeper
        self._changed.set()

    async def kill(self, name: str) -> None:
        """End an actor's process at once, as a power cut would; it stays away until `start`."""
        self._leaving.add(name)
        self.signal(name, signal.SIGKILL)
        keeper = self._keepers.pop(name, None)
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError, GaveUp):
                await keeper

    def stop_actor(self, name: str) -> None:
        """Let an actor end in good order; it stays away until `start`."""
        self._leaving.add(name)
        self.signal(name, signal.SIGCONT)
        self.signal(name, signal.SIGTERM)

    async def gone(self, name: str) -> None:
        """Wait until an actor that was stopped or killed has no process any more."""
        keeper = self._keepers.get(name)
        if keeper is not None:
            await asyncio.wait({keeper})

    def pause(self, name: str) -> None:
        """Stop an actor's process in mid-step, as a machine that hangs."""
        self.signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused process go on."""
        self.signal(name, signal.SIGCONT)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to an actor's process, if it runs; one that dies of it is started again."""
        child = self._children.get(name)
        if child is not None:
            child.send(number)

    def pid(self, name: str) -> int | None:
        """Return the process id of an actor, None while it has none."""
        child = self._children.get(name)
        return None if child is None else child.pid

    async def linked(self, name: str) -> None:
        """Wait until an actor's process has its link to the broker, since its last `start`."""
        await self._linked[name].wait()

    # --- beginning and end ------------------------------------------------------------

    async def _prepare(self) -> None:
        stage, address = self._stage, self._stage.address
        access = accounts_for_all(stage.job, _access(address))
        for name, url in stage.gateways.items():
            access[name] = replace(access[name], urls=(url,))
        try:
            await declare(address, self._topology)
        except DeclareError as error:
            raise ConfigError([f"broker: {problem}" for problem in error.problems]) from None
        initial = self.casting.assignment.initial
        trial = TrialIdentities(self._home / AUTHORITY)
        Provisioning(stage.job, initial, access, trial).write(self._home, renew=True)

    async def _ready(self) -> None:
        """Wait for the processes to be linked, so that the first round is not timed with them.

        Who isn't there after a minute is waited for as in any round.
        """
        linked = asyncio.gather(*(event.wait() for event in self._linked.values()))
        stopped = asyncio.create_task(self._stop_asked.wait(), name="stop asked")
        waited: set[asyncio.Future[Any]] = {linked, stopped}
        try:
            await asyncio.wait(waited, timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            linked.cancel()
            stopped.cancel()
            await asyncio.gather(linked, stopped, return_exceptions=True)

    async def _coordinated(self) -> None:
        """Wait until the coordinator has ended by itself; one that was killed may be started."""
        name = self.casting.roster.coordinator
        while not (self._stop_asked.is_set() and name not in self._keepers):
            keeper = self._keepers.get(name)
            if keeper is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            await asyncio.wait({keeper})
            if self._keepers.get(name) is keeper:
                keeper.result()
                return

    async def _settle(self) -> None:
        """Let everybody hear that the last round is over, and erase what they kept for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                while self._unsettled():
                    self._news.clear()
                    await self._news.wait()

    def _unsettled(self) -> bool:
        last = self._last
        if last is None:
            return False
        return any(
            self.pid(name) is not None and self._parts.get(name, -1) < last.number
            for name in {*last.survivors, *last.answered}
        )

    async def _end(self) -> None:
        for name in list(self._keepers):
            self.stop_actor(name)
        keepers = [keeper for keeper in self._keepers.values() if not keeper.done()]
        if keepers:
            await asyncio.wait(keepers, timeout=_END_S)
        for name in list(self._keepers):
            await self.kill(name)

    async def _outcome(self, stands: Standing) -> JobEnded:
        ended = self.ended
        if ended is None and self._stop_asked.is_set():
            job, inside = self.casting.assignment.plan.job, self._began
            reason = "in the middle of a round, which goes on with --resume"
            return JobEnded(
                job=job,
                outcome="stopped",
                reason=reason if inside else "before a round began",
                completed=stands.completed,
            )
        if ended is None:
            raise GaveUp(self.casting.roster.coordinator, 0, PortError("it ended without a result"))
        if ended.outcome in _OVER:
            await self._leave_broker()
        return ended

    async def _leave_broker(self) -> None:
        try:
            await remove(self._stage.address, self._topology)
        except DeclareError as error:
            log.warning("the queues are left on the broker: %s", error)

    async def _stands(self) -> Standing:
        return await standing(self._home / self.casting.roster.coordinator)

    # --- keeping ----------------------------------------------------------------------

    async def _keep(self, name: str) -> None:
        """Start an actor's process again and again until it is to stay away or gives up."""
        role = self.casting.roster.role(name)
        if role is None:
            raise ValueError(name)
        loop, crashes = asyncio.get_running_loop(), 0
        while name not in self._leaving:
            child = ActorChild(self._home / name, role, lambda line: self._hear(name, line))
            self._children[name] = child
            began_s = loop.time()
            code = await child.run()
            if name in self._leaving or self._has_ended(name, code):
                return
            crashes = 1 if loop.time() - began_s >= self._policy.calm_s else crashes + 1
            reason = f"its process {_how(code)}{child.last_words and f': {child.last_words}'}"
            if code in (1, _USAGE) or crashes >= self._policy.most:
                raise GaveUp(name, crashes, PortError(reason))
            self._monitor.emit(ActorRestarted(actor=name, reason=reason))
            await asyncio.sleep(self._policy.wait_s(crashes))

    def _has_ended(self, name: str, code: int) -> bool:
        """Say whether the coordinator's process has ended because its job has."""
        return name == self.casting.roster.coordinator and self.ended is not None and code >= 0

    def _hear(self, name: str, line: dict[str, Any]) -> None:
        try:
            news = read_event(line)
        except ValueError as error:
            log.warning("%s: an event can't be read: %s", name, error)
            return
        if isinstance(news, LinkChange):
            self._take_link(name, news)
        elif news is not None:
            self._take(news)
        elif line["kind"] == "error":
            log.error("%s: %s", name, "; ".join(map(str, line.get("problems", []))))

    def _take_link(self, name: str, change: LinkChange) -> None:
        log.info("%s: link %s: %s", name, change.state.value, change.reason)
        if change.state is LinkState.OPEN:
            self._linked[name].set()
        if name == self.casting.roster.coordinator:
            self._link_changed(change)

    def _take(self, event: Event) -> None:
        match event:
            case JobEnded():
                self.ended = event
            case RoundBegan():
                self._began = True
            case RoundComplete():
                self._last = event
            case TookPart():
                self._parts[event.actor] = event.number
                self._news.set()
            case _:
                pass  # for the monitors only
        self._monitor.emit(event)

    def _log_end(self, name: str, keeper: asyncio.Task[None]) -> None:
        error = None if keeper.cancelled() else keeper.exception()
        if error is not None:
            log.error("%s is gone for good: %s", name, error)


async def require_free(stage: Stage) -> None:
    """Raise `ConfigError` where the broker can't be used, or another run is in the virtual host."""
    address, name = stage.address, stage.casting.roster.coordinator
    try:
        async with connected(address) as connection, connection.channel() as channel:
            consumers = await _consumers(channel, f"{name}.control")
    except DeclareError as error:
        raise ConfigError([f"broker: {problem}" for problem in error.problems]) from None
    if consumers:
        raise ConfigError(
            [
                f"broker: a {name} is at work in {address.shown()}; end it, or give this run a "
                f"virtual host of its own"
            ]
        )


async def _consumers(channel: AbstractChannel, queue: str) -> int:
    try:
        there = await channel.declare_queue(queue, passive=True, timeout=_CALL_S)
    except ChannelNotFoundEntity:
        return 0
    return there.declaration_result.consumer_count or 0


def _access(address: BrokerAddress) -> Access:
    tls = address.tls or Tls()
    return Access(
        user=address.user,
        password=address.password,
        ca_file=tls.ca_file,
        cert_file=tls.cert_file,
        key_file=tls.key_file,
    )


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
