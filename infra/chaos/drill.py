"""Runs the cells of a drill one after another in one long job, and judges each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocols.round_config import Roster

from .cells import Cell, Fault, Party
from .ledger import Ending, Ledger
from .sightings import Sighting, Watch


class Stage(Protocol):
    """The federation and its broker, each part of which can be hurt and healed."""

    @property
    def roster(self) -> Roster: ...

    async def kill(self, name: str | None) -> None:
        """Kill an actor's process, or the broker (None), as a power cut would."""
        ...

    async def start(self, name: str | None) -> None:
        """Start again what was killed."""
        ...

    def pause(self, name: str | None) -> None:
        """Stop a process in its tracks."""
        ...

    def resume(self, name: str | None) -> None:
        """Let a paused process go on."""
        ...

    async def cut(self, name: str | None) -> None:
        """Reset the connections of an actor, or all of them."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a drill waits, in seconds."""

    pause_s: float = 30.0
    down_s: float = 1.0
    sign_s: float = 60.0
    ending_s: float = 120.0
    healing_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a cell.

    `outcome` is `complete`, `abandoned`, or a failure: `no sign` (its step was never seen),
    `stuck` (the round did not end), `unhealed` (no later round had everybody again) or
    `violation`. `recovery_s` is the time from the fault to the next round with everybody.
    """

    cell: Cell
    outcome: str
    number: int
    survivors: tuple[str, ...] = ()
    note: str = ""
    round_s: float = 0.0
    recovery_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the round ended as it may."""
        return self.outcome in ("complete", "abandoned")


class Drill:
    """Hurts a stage cell by cell; feed it the messages that pass, and the ledger the events."""

    def __init__(
        self, stage: Stage, ledger: Ledger, *, threshold: int, patience: Patience | None = None
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._watch = Watch(stage.roster, threshold)
        self._patience = patience or Patience()
        self._armed: tuple[Cell, str | None, int] | None = None
        self._sign: asyncio.Future[int] | None = None

    def see(self, sighting: Sighting) -> None:
        """Take a message that passes the broker."""
        number = self._watch.number_of(sighting)
        if number is None or self._armed is None or self._sign is None or self._sign.done():
            return
        cell, victim, earliest = self._armed
        if number >= earliest and self._watch.shows(cell, victim, sighting):
            self._sign.set_result(number)

    async def run(
        self, cells: Sequence[Cell], tell: Callable[[Result], None]
    ) -> tuple[Result, ...]:
        """Run the cells in order; stop early if the federation does not heal."""
        results: list[Result] = []
        await self._healthy(after=-1)
        for place, cell in enumerate(cells):
            results.append(await self._judged(cell, place))
            tell(results[-1])
            if self._ledger.ended is not None:
                break
        return tuple(results)

    async def _judged(self, cell: Cell, place: int) -> Result:
        before = len(self._ledger.violations)
        result = await self._hurt(cell, self._victim(cell, place))
        rivals = self._watch.rivals.get(result.number, 0)
        found = self._ledger.violations[before:]
        if rivals > 1:
            found.append(f"round {result.number} was announced in {rivals} versions")
            self._ledger.violations.append(found[-1])
        if found:
            return Result(cell, "violation", result.number, note="; ".join(found))
        return result

    def _victim(self, cell: Cell, place: int) -> str | None:
        roster = self._stage.roster
        match cell.party:
            case Party.TRAINER:
                return roster.trainers[place % len(roster.trainers)]
            case Party.HOLDER:
                return roster.holders[place % len(roster.holders)]
            case Party.COORDINATOR:
                return roster.coordinator
        return None

    async def _hurt(self, cell: Cell, victim: str | None) -> Result:
        self._sign = asyncio.get_running_loop().create_future()
        self._armed = (cell, victim, self._ledger.latest + 1)
        try:
            async with asyncio.timeout(self._patience.sign_s):
                number = await self._sign
        except TimeoutError:
            return Result(cell, "no sign", self._ledger.latest + 1)
        finally:
            self._armed = None
        began_s = time.monotonic()
        lasts_s = self._patience.down_s if cell.fault is Fault.KILL else self._patience.pause_s
        await hurt(self._stage, cell.fault, victim, lasts_s=lasts_s)
        ending = await self._ending(number)
        round_s = time.monotonic() - began_s
        if ending is None:
            return Result(cell, "stuck", number, round_s=round_s)
        healed = await self._healthy(after=number)
        return Result(
            cell,
            ending.fate.value if healed else "unhealed",
            number,
            survivors=ending.survivors,
            note=ending.reason if ending.told else "the news of it was lost with the process",
            round_s=round_s,
            recovery_s=time.monotonic() - began_s,
        )

    async def _ending(self, number: int) -> Ending | None:
        ledger = self._ledger
        return await ledger.until(
            lambda: ledger.endings.get(number), within_s=self._patience.ending_s
        )

    async def _healthy(self, *, after: int) -> bool:
        everybody = self._stage.roster.trainers
        limit_s = self._patience.healing_s
        return await self._ledger.whole(everybody, after=after, within_s=limit_s)


async def hurt(stage: Stage, fault: Fault, victim: str | None, *, lasts_s: float) -> None:
    """Do a fault to an actor or the broker (None) and undo it after so long; a cut lasts no time.

    A paused process goes on even if this is cancelled.
    """
    match fault:
        case Fault.KILL:
            await stage.kill(victim)
            await asyncio.sleep(lasts_s)
            await stage.start(victim)
        case Fault.PAUSE:
            stage.pause(victim)
            try:
                await asyncio.sleep(lasts_s)
            finally:
                stage.resume(victim)
        case Fault.CUT:
            await stage.cut(victim)
