"""One history on real processes: its books, its rounds and faults, and the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from actors.ports import Monitor
from actors.supervision import GaveUp
from infra.chaos.ledger import Ledger
from infra.chaos.real_stage import EndedEarly, beside, running
from infra.chaos.scenario import Script
from infra.chaos.sightings import Watch
from infra.chaos.spy import Spy
from infra.chaos.survival.chronicle import Chronicle
from infra.rabbitmq.address import BrokerAddress
from infra.simulation.faults import Fault
from protocols.reports import Event, RoundBegan

from .broker_acts import BrokerActs
from .crew import Acts, Crew, Performance
from .director import Director
from .disk_acts import DiskActs
from .line_acts import LineActs
from .owner_acts import OwnerActs
from .process_acts import ProcessActs

_HEALED_ROUNDS = 3
_HEALED_S = 90.0


def acts_of(crew: Crew) -> Acts:
    """Return what can be done for real, by kind."""
    groups = (ProcessActs, LineActs, BrokerActs, DiskActs, OwnerActs)
    return {kind: act for group in groups for kind, act in group(crew).acts().items()}


class Books(Monitor):
    """The chronicle of the run, and a ledger that goes on until all is healed."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self.ledger = Ledger()
        self.director: Director | None = None
        self._began_s: float | None = None

    @property
    def now_s(self) -> float:
        """Seconds since the first round began, 0 before."""
        now_s = asyncio.get_running_loop().time()
        return 0.0 if self._began_s is None else now_s - self._began_s

    def emit(self, event: Event) -> None:
        """Take what an actor tells; what becomes of rounds is told by the coordinator alone."""
        if isinstance(event, RoundBegan) and self._began_s is None:
            self._began_s = asyncio.get_running_loop().time()
        self.chronicle.told(self.now_s, self.chronicle.people.hosts["coordinator"], event)
        self.ledger.emit(event)
        if self.director is not None:
            self.director.told(event)

    def struck(self, fault: Fault) -> None:
        """Take note of a fault."""
        self.chronicle.struck(self.now_s, fault)

    def wrong(self, ailing: Collection[str]) -> tuple[str, ...]:
        """Return what must not be: a process of the `ailing` may have ended by itself."""
        crashes = [each for each in self.ledger.crashes if each.partition(":")[0] not in ailing]
        return (*self.ledger.violations, *(f"ended by itself: {each}" for each in crashes))


class History:
    """Rounds and faults, then everything healed, and more rounds; `wrong` is what must not be."""

    def __init__(self, script: Script, crew: Crew, books: Books) -> None:
        self._script = script
        self._crew = crew
        self._books = books
        self.wrong: list[str] = []

    async def run(self, planned: Iterable[Fault]) -> None:
        """Run it to its end, whatever that is."""
        crew, script = self._crew, self._script
        performance = Performance(acts_of(crew))
        stage = crew.stage
        watch = Watch(stage.roster, stage.threshold)
        director = Director(script.people, planned, watch, performance.strike)
        self._books.director = director
        await stage.node.settle()
        try:
            async with (
                running(stage.federation) as federation,
                Spy(BrokerAddress.parse(stage.node.url), director.see),
            ):
                await beside(federation, self.rounds(director, performance))
        except (EndedEarly, GaveUp) as error:
            self.wrong.append(f"the federation came to an end: {error}")
        finally:
            director.end()
            self._books.chronicle.over(self._books.now_s)
            await performance.heal()
        rivals = [number for number, count in watch.rivals.items() if count > 1]
        self.wrong += [f"round {number} was announced in several versions" for number in rivals]

    async def rounds(self, director: Director, performance: Performance) -> None:
        """Wait for the rounds of the script, heal everything, and wait for a few more."""
        books, script = self._books, self._script
        await self._until(script.rounds, within_s=script.limit_s)
        director.end()
        books.chronicle.over(books.now_s)
        await performance.heal()
        self._revive()
        ledger = books.ledger
        wanted = len(ledger.complete()) + _HEALED_ROUNDS

        def healed() -> bool | None:
            return len(ledger.complete()) >= wanted or None

        if not await ledger.until(healed, within_s=_HEALED_S + 2 * script.size.training_s):
            self.wrong.append(f"not {_HEALED_ROUNDS} more sums, though all was healed")

    async def _until(self, rounds: int, *, within_s: float) -> None:
        """Wait for the end of so many rounds, from the beginning of the first one on."""
        ledger = self._books.ledger
        await ledger.until(lambda: ledger.began >= 0 or None, within_s=_HEALED_S)
        await ledger.until(lambda: len(ledger.endings) >= rounds or None, within_s=within_s)

    def _revive(self) -> None:
        """Start the dead where a round can't do without them."""
        crew, size = self._crew, self._script.size
        roster = crew.stage.roster
        holders = [name for name in roster.holders if name not in crew.dead]
        trainers = [name for name in roster.trainers if name not in crew.dead]
        if len(holders) < size.needed or len(trainers) < size.minimum:
            dead, crew.dead = crew.dead, set()
            for name in sorted(dead):
                crew.back(name)
