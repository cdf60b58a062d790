"""Says when the faults of a scenario strike: at their time, or in the step that they aim at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from infra.chaos.scenario import People
from infra.chaos.scenario.steps import moment_of
from infra.chaos.sightings import Sighting, Watch
from infra.simulation.faults import Fault
from protocols.reports import Event, RoundBegan


class Director:
    """Feed it the events of the coordinator and the messages that pass; it calls `strike`.

    A step begins with the first message that shows it at the one who is hurt, as in the drills:
    a message that was seen has left, so `side` makes no difference. A fault whose step does not
    come in its round does not strike.
    """

    def __init__(
        self,
        people: People,
        faults: Iterable[Fault],
        watch: Watch,
        strike: Callable[[Fault], object],
    ) -> None:
        self._people = people
        self._watch = watch
        self._strike = strike
        self._timed = [fault for fault in faults if fault.aim is None]
        self._aimed = [fault for fault in faults if fault.aim is not None]
        self._timers: list[asyncio.TimerHandle] = []
        self._round = 0
        self._over = False

    def told(self, event: Event) -> None:
        """Plan the faults of the run when its first round begins, and those of each round."""
        if not isinstance(event, RoundBegan) or self._over or event.number <= self._round:
            return
        if self._round == 0:
            self._plan(fault for fault in self._timed if not fault.round)
        last, self._round = self._round, event.number
        self._plan(fault for fault in self._timed if last < fault.round <= event.number)

    def see(self, sighting: Sighting) -> None:
        """Take a message that passes the broker."""
        number = self._watch.number_of(sighting)
        if number is None or self._over:
            return
        for fault in [fault for fault in self._aimed if fault.round == number]:
            if self._meets(fault, sighting):
                self._aimed.remove(fault)
                self._strike(fault)

    def end(self) -> None:
        """Let no fault strike any more."""
        self._over = True
        for timer in self._timers:
            timer.cancel()

    def _plan(self, faults: Iterable[Fault]) -> None:
        loop = asyncio.get_running_loop()
        self._timers += [loop.call_later(fault.at_s, self._strike, fault) for fault in faults]

    def _meets(self, fault: Fault, sighting: Sighting) -> bool:
        party = self._people.party(fault.target)
        moment = None if fault.aim is None else moment_of(party, fault.aim)
        if moment is None:
            return False
        return self._watch.begins(moment, party, fault.target or None, sighting)
