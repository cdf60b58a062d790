"""All of an actor's telemetry in one object: a listener of its process."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from types import TracebackType

from actors.ports import Clock, Transport
from infra.http_blobs import BlobTraffic
from infra.system import SystemClock
from protocols.reports import Event

from .health import HealthLimits, ailments, makes_progress
from .json_log import Where, follow, log_event
from .link_watch import LinkNews
from .live import HomeNumbers, LiveNumbers
from .loop_lag import LoopLag
from .metered import MeteredTransport, Watch
from .metrics import Metrics
from .model_numbers import ModelNumbers
from .notify import Notifier
from .server import Pages, TelemetryServer
from .snapshot import Snapshot, encode
from .status import Life, StatusBoard
from .status_file import StatusFile
from .subject import Listen, Subject, TelemetryError
from .traffic import Inbox, Traffic

log = logging.getLogger(__name__)

_MEASURE_S = 15.0


class Telemetry:
    """Enter it around the actor's supervision; it never stops the actor, whatever fails.

    `home` must exist. Entering raises `TelemetryError` where `listen` can't be had.
    """

    def __init__(
        self,
        subject: Subject,
        home: Path,
        *,
        listen: Listen | None = None,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.where = Where(actor=subject.name, job=subject.plan.job)
        self._clock = clock or SystemClock()
        self._notifier = notifier or Notifier(os.environ)
        self._limits = HealthLimits()
        self._metrics = Metrics(subject)
        self._inbox = Inbox(self._clock)
        self._traffic = Traffic(self._metrics.registry, self._clock)
        self._board = StatusBoard(subject, self._clock, self._in_hand)
        self._file = StatusFile(home, self._clock, lambda: encode(self._board.snapshot()))
        self._lag = LoopLag(self._clock, self._metrics.lag_s.observe)
        self._sizes = HomeNumbers(home)
        self._alive_s = self._clock.now_s()
        self._failure = ""
        self._tasks: list[asyncio.Task[None]] = []
        self._metrics.registry.register(LiveNumbers(self._board.snapshot))
        self._metrics.registry.register(self._sizes)
        self._metrics.registry.register(ModelNumbers(self._board.traffic))
        pages = Pages(self._metrics.registry, self._ailments, self._public_status)
        self._server = None if listen is None else TelemetryServer(pages, listen)

    # --- the face ---------------------------------------------------------------------

    @property
    def url(self) -> str | None:
        """Return where the metrics are, None without a server or before its start."""
        return None if self._server is None else self._server.url

    def emit(self, event: Event) -> None:
        """Take an event of the actor or its supervisor; returns at once and never raises."""
        try:
            follow(event, self.where)
            self._metrics.take(event)
            self._board.take(event)
            log_event(event)
        except Exception:
            # What telemetry is for must not stop what it watches.
            log.exception("an event could not be taken in")

    def link_changed(self, news: LinkNews) -> None:
        """Take note of a change of the link; returns at once and never raises."""
        try:
            self._metrics.reconnects(news.reconnects)
            self._board.link(news)
        except Exception:
            log.exception("a change of the link could not be taken in")

    def models(self, traffic: BlobTraffic) -> None:
        """Count model states over HTTPS by this from now on."""
        self._board.models(traffic)

    def wrap(self, transport: Transport) -> Transport:
        """Return the transport with a meter on it; ask anew whenever the actor is built."""
        self._board.live(Life.STARTING)
        watch = Watch(
            traffic=self._traffic,
            inbox=self._inbox,
            heard=self._board.heard,
            opened=lambda: self._board.live(Life.RUNNING),
            closed=lambda: self._board.live(Life.ENDED),
        )
        return MeteredTransport(transport, watch)

    def stopping(self) -> None:
        """Tell the service manager that a clean end has begun."""
        self._notifier.stopping()

    def failed(self, reason: str) -> None:
        """Take why the actor has ended, for those who look at its home afterwards."""
        self._failure = reason

    async def __aenter__(self) -> Telemetry:
        """Start the server, the beat and the status file, and tell that the process is ready."""
        if self._server is not None:
            try:
                self._server.start()
            except TelemetryError:
                self._notifier.close()
                raise
            self._board.metrics_url = self._server.url
        self._board.changed = lambda important: self._file.changed(important=important)
        self._file.write()
        self._tasks = [
            asyncio.create_task(self._beat(), name="telemetry: beat"),
            asyncio.create_task(self._measure(), name="telemetry: sizes"),
        ]
        self._notifier.ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say for the last time how things stand, and end all of it."""
        self._notifier.stopping()
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("telemetry failed: %s", ended, exc_info=ended)
        failure = self._failure if error is None else f"{type(error).__name__}: {error}"
        self._board.live(Life.ENDED, failure)
        self._file.close()
        if self._server is not None:
            await asyncio.to_thread(self._server.close)
        self._notifier.close()

    # --- inside -----------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await self._lag.next_wake()
            self._file.tick()
            self._tell_manager()

    def _tell_manager(self) -> None:
        state = self._board.snapshot(peers=False)
        self._notifier.status(_line(state))
        every_s, now_s = self._notifier.watchdog_s, self._clock.now_s()
        # A beat sooner than asked for: the next one may be too late.
        due = every_s is not None and now_s - self._alive_s >= every_s - self._lag.every_s
        if due and makes_progress(state, self._limits):
            self._alive_s = now_s
            self._notifier.alive()

    async def _measure(self) -> None:
        complained = False
        while True:
            try:
                await asyncio.to_thread(self._sizes.measure)
            except OSError as error:
                if not complained:
                    log.warning("the home can't be measured: %s", error)
                complained = True
            await self._clock.sleep(_MEASURE_S)

    def _in_hand(self) -> tuple[int, float]:
        return self._inbox.depth, self._inbox.oldest_s()

    def _ailments(self) -> tuple[str, ...]:
        return ailments(self._board.snapshot(peers=False), self._lag.silent_s(), self._limits)

    def _public_status(self) -> bytes:
        return encode(self._board.snapshot(), public=True)


def _line(state: Snapshot) -> str:
    parts = [state.life]
    if state.link is not None and state.link.state != "open":
        parts.append(f"link {state.link.state}: {state.link.reason}")
    if state.round is not None:
        parts.append(f"round {state.round.number} {state.round.step or ''}".rstrip())
        if state.round.waiting_for:
            parts.append(f"waits for {len(state.round.waiting_for)}")
    elif state.last_round:
        parts.append(f"last {state.last_round}")
    if state.restarts:
        parts.append(f"{state.restarts} restarts")
    return ", ".join(parts)
