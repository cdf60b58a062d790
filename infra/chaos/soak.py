"""A soak: rounds all the time, blows all the time, and a look at every process all the time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from .blows import Blow, Strike
from .census import BrokerReading, OpenThings, Reading
from .drift import Drift, Limits, drifts
from .drill import Stage, hurt
from .ledger import Ledger

log = logging.getLogger(__name__)

_CALM_LOOKS = 3

# What is seen at so many seconds; None for a broker that does not answer now.
Look = Callable[[float], Awaitable[tuple[list[Reading], BrokerReading | None]]]
Count = Callable[[], Awaitable[OpenThings | None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations of a soak, in seconds; `calm_s` is the time without blows at both ends."""

    total_s: float
    sample_s: float = 10.0
    progress_s: float = 30.0
    healing_s: float = 120.0
    calm_s: float = 12.0

    @property
    def warm_s(self) -> float:
        """When the warm-up is over: a quarter of a short soak, an hour at most."""
        return min(self.total_s / 4, 3600.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a soak stands."""

    at_s: float
    rounds: dict[str, int]
    strikes: int
    violations: int
    largest: str
    largest_mib: float
    waiting: int | None


@dataclass(slots=True)
class Findings:
    """What a soak saw."""

    strikes: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    unhealed: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    broker: list[BrokerReading] = field(default_factory=list)
    calm: list[OpenThings] = field(default_factory=list)
    deepest: Counter[str] = field(default_factory=Counter)

    def drifts(self, pace: Pace) -> tuple[Drift, ...]:
        """Return how each process changed."""
        return drifts(self.readings, warm_s=pace.warm_s)

    def problems(self, pace: Pace, limits: Limits) -> list[str]:
        """Return what must not be, in words."""
        grown = [text for drift in self.drifts(pace) for text in drift.problems(limits)]
        return [*self.unhealed, *grown, *self._left_open()]

    def _left_open(self) -> list[str]:
        if len(self.calm) < 2:
            return ["the broker could not be asked in the calm before and after the blows"]
        first, last = self.calm[0], self.calm[-1]
        return [
            f"{now} {kind} after the blows, {before} before them"
            for kind, before, now in (
                ("connections", first.connections, last.connections),
                ("channels", first.channels, last.channels),
                ("consumers", first.consumers, last.consumers),
            )
            if now > before
        ]


class Soak:
    """Hurts a stage by a schedule until its time is over.

    `look` reads processes and queues; `count`, which may take seconds, what is open in a calm.
    """

    def __init__(self, stage: Stage, ledger: Ledger, pace: Pace, look: Look, count: Count) -> None:
        self.findings = Findings()
        self._stage = stage
        self._ledger = ledger
        self._pace = pace
        self._look = look
        self._count = count
        self._began_s = 0.0

    async def run(self, blows: Iterator[Blow], tell: Callable[[Progress], None]) -> Findings:
        """Run it; `tell` hears from time to time how it stands."""
        if not await self._healthy(after=-1):
            self.findings.unhealed.append("no round had everybody, before any blow")
            return self.findings
        self._began_s, until_s = self._now_s(), self._pace.total_s - self._pace.calm_s
        watching = asyncio.create_task(self._watch(tell), name="census")
        try:
            await self._calm()
            # One blow at least, however long a busy machine took to count what is open.
            while not self.findings.strikes or self._at_s() < until_s:
                await self._strike(next(blows))
                if self.findings.unhealed or self._ledger.ended is not None:
                    return self.findings
            await self._calm()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        return self.findings

    async def _strike(self, blow: Blow) -> None:
        await asyncio.sleep(blow.rest_s)
        began_s = self._now_s()
        log.info("blow: %s", blow.strikes)
        async with asyncio.TaskGroup() as group:
            for strike in blow.strikes:
                group.create_task(self._hurt(strike))
        if await self._healthy(after=self._ledger.latest):
            self.findings.recoveries_s.append(self._now_s() - began_s)
            return
        what = " and ".join(f"{strike.victim or 'broker'} {strike}" for strike in blow.strikes)
        limit_s = self._pace.healing_s
        self.findings.unhealed.append(f"not everybody was back {limit_s:.0f} s after: {what}")

    async def _hurt(self, strike: Strike) -> None:
        await asyncio.sleep(strike.after_s)
        self.findings.strikes[str(strike)] += 1
        await hurt(self._stage, strike.fault, strike.victim, lasts_s=strike.lasts_s)

    async def _healthy(self, *, after: int) -> bool:
        everybody = self._stage.roster.trainers
        return await self._ledger.whole(everybody, after=after, within_s=self._pace.healing_s)

    async def _calm(self) -> None:
        """Write down what stays open while nobody is hurt; a download opens more for a moment."""
        seen: list[OpenThings] = []
        for _ in range(_CALM_LOOKS):
            await asyncio.sleep(self._pace.calm_s / _CALM_LOOKS)
            count = await self._count()
            seen += [count] if count is not None else []
        if seen:
            self.findings.calm.append(_least(seen))

    async def _watch(self, tell: Callable[[Progress], None]) -> None:
        told_s = 0.0
        while True:
            readings, broker = await self._look(self._at_s())
            self._note(readings, broker)
            if self._at_s() - told_s >= self._pace.progress_s:
                told_s = self._at_s()
                tell(self._progress(readings, broker))
            await asyncio.sleep(self._pace.sample_s)

    def _note(self, readings: list[Reading], broker: BrokerReading | None) -> None:
        self.findings.readings += readings
        if broker is None:
            return
        self.findings.broker.append(broker)
        for queue, count in broker.messages.items():
            self.findings.deepest[queue] = max(count, self.findings.deepest[queue])

    def _progress(self, readings: list[Reading], broker: BrokerReading | None) -> Progress:
        largest = max(readings, key=lambda reading: reading.rss_bytes, default=None)
        return Progress(
            at_s=self._at_s(),
            rounds=self._ledger.rounds(),
            strikes=self.findings.strikes.total(),
            violations=len(self._ledger.violations),
            largest=largest.who if largest else "",
            largest_mib=largest.rss_bytes / 2**20 if largest else 0.0,
            waiting=broker.waiting if broker else None,
        )

    def _at_s(self) -> float:
        return self._now_s() - self._began_s

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _least(seen: list[OpenThings]) -> OpenThings:
    return OpenThings(
        connections=min(count.connections for count in seen),
        channels=min(count.channels for count in seen),
        consumers=min(count.consumers for count in seen),
    )
