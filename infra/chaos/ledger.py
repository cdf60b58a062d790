"""What became of every round of a drill, pieced together from what the coordinator tells."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from protocols.reports import (
    ActorRestarted,
    Event,
    JobEnded,
    RoundAbandoned,
    RoundBegan,
    RoundComplete,
    StateUpdated,
)

T = TypeVar("T")


class Fate(Enum):
    """How a round ended."""

    COMPLETE = "complete"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Ending:
    """A round that is over; `told` is False where a kill swallowed the news of it."""

    fate: Fate
    survivors: tuple[str, ...] = ()
    reason: str = ""
    told: bool = True


@dataclass(slots=True)
class Ledger:
    """A monitor that keeps the books of a drill.

    `crashes` are ends of processes that nobody brought about.
    """

    endings: dict[int, Ending] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    began: int = -1
    ended: JobEnded | None = None
    _completed: dict[int, int] = field(default_factory=dict)  # sums taken in, by round
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def latest(self) -> int:
        """Return the highest round that is known to have begun or ended."""
        return max(self.began, *self.endings, -1)

    def emit(self, event: Event) -> None:
        """Take one event of the coordinator."""
        match event:
            case RoundBegan():
                if event.number < self.began:
                    self._violated(f"round {event.number} began after round {self.began}")
                self.began = max(self.began, event.number)
            case RoundComplete():
                self._end(event.number, Ending(Fate.COMPLETE, event.survivors))
            case RoundAbandoned():
                self._end(event.number, Ending(Fate.ABANDONED, reason=event.reason))
            case StateUpdated():
                self._updated(event)
            case JobEnded():
                self.ended = event
                if event.outcome == "failed":
                    self._violated(f"the job failed: {event.reason}")
            case ActorRestarted():
                self.crashes.append(f"{event.actor}: {event.reason}")
            case _:
                return
        self._news.set()

    async def changed(self) -> None:
        """Wait for the next news."""
        self._news.clear()
        await self._news.wait()

    async def until(self, look: Callable[[], T | None], *, within_s: float) -> T | None:
        """Return what `look` finds, asked at all news; None once it is too late or all is over."""
        try:
            async with asyncio.timeout(within_s):
                while (found := look()) is None:
                    if self.ended is not None:
                        return None
                    await self.changed()
        except TimeoutError:
            return None
        return found

    async def whole(self, everybody: Collection[str], *, after: int, within_s: float) -> bool:
        """Wait for a round after this one that has every trainer; return whether it came."""
        wanted = set(everybody)

        def found() -> bool | None:
            return (
                any(
                    number > after
                    and ending.fate is Fate.COMPLETE
                    and set(ending.survivors) == wanted
                    for number, ending in self.endings.items()
                )
                or None
            )

        return bool(await self.until(found, within_s=within_s))

    def complete(self) -> frozenset[int]:
        """Return the numbers of the rounds with a sum."""
        return frozenset(n for n, ending in self.endings.items() if ending.fate is Fate.COMPLETE)

    def rounds(self) -> dict[str, int]:
        """Return how many rounds had each fate."""
        fates = Counter(ending.fate for ending in self.endings.values())
        return {fate.value: fates[fate] for fate in Fate}

    def _end(self, number: int, ending: Ending) -> None:
        known = self.endings.get(number)
        if known is not None and known.fate is not ending.fate:
            self._violated(f"round {number} was {known.fate.value}, then {ending.fate.value}")
        elif known is not None and set(known.survivors) != set(ending.survivors):
            self._violated(f"round {number} was opened over two sets")
        self.endings[number] = ending

    def _updated(self, event: StateUpdated) -> None:
        """Fill in the rounds before this one of which a kill swallowed the news."""
        earlier = [number for number in self._completed if number < event.number]
        last = max(earlier, default=None)
        self._completed[event.number] = event.completed
        if last is None:
            return
        between = range(last + 1, event.number)
        taken = event.completed - self._completed[last] - 1
        told = [n for n in between if n in self.endings]
        completed = sum(self.endings[n].fate is Fate.COMPLETE for n in told)
        untold = [n for n in between if n not in self.endings]
        missing = taken - completed
        if missing < 0 or missing > len(untold):
            self._violated(
                f"between rounds {last} and {event.number}, {taken} sums were taken in "
                f"where {completed} rounds were complete and {len(untold)} untold"
            )
        for number in untold:
            fate = Fate.COMPLETE if missing > 0 else Fate.ABANDONED
            missing -= 1
            self.endings[number] = Ending(fate, told=False)

    def _violated(self, text: str) -> None:
        self.violations.append(text)
