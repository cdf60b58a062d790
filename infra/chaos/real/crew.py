"""What those who hurt real processes have in common: the stage, the books, an end to it all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.chaos.real_stage import RealStage
from infra.simulation.faults import Fault, Kind

log = logging.getLogger(__name__)

Act = Callable[[Fault], Coroutine[Any, Any, None]]
Acts = dict[Kind, Act]


@dataclass(slots=True)
class Crew:
    """Hands on the stage. An act hurts, says so, waits, and undoes it even if it is cancelled.

    Attributes:
        struck: hears of each fault at the moment at which it really struck.
        down: who has no process now, because of a fault.
        dead: who gets none any more.
        ailing: whose files or roster were hurt, so that its process may well end by itself.
    """

    stage: RealStage
    seed: int
    struck: Callable[[Fault], None]
    down: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    ailing: set[str] = field(default_factory=set)

    @property
    def everybody(self) -> tuple[str, ...]:
        """All actors."""
        roster = self.stage.roster
        return (roster.coordinator, *roster.holders, *roster.trainers)

    def draws(self, fault: Fault) -> Random:
        """Return where a fault takes its chances from: the same ones for the same seed."""
        text = f"{self.seed} {fault.kind.value} {fault.target} {fault.round} {fault.at_s}"
        return Random(text)  # noqa: S311 - a schedule, no secret

    @asynccontextmanager
    async def without(self, name: str) -> AsyncIterator[None]:
        """Keep an actor from running while inside: its process is killed, and started again."""
        self.down.add(name)
        try:
            await self.stage.kill(name)
            yield
        finally:
            self.back(name)

    def back(self, name: str) -> None:
        """Start an actor that was down."""
        self.down.discard(name)
        if name not in self.dead:
            self.stage.federation.start(name)

    @asynccontextmanager
    async def still(self, name: str) -> AsyncIterator[None]:
        """Keep an actor's process stopped while inside, so that its files stay as they are."""
        self.stage.pause(name)
        try:
            yield
        finally:
            self.stage.resume(name)


class Performance:
    """Runs the acts of a history beside each other, until all of it is healed."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[asyncio.Task[None]] = []

    def strike(self, fault: Fault) -> None:
        """Begin the act that a fault stands for."""
        log.info("fault: %s %s", fault.kind.value, fault.target)
        act = asyncio.create_task(self._acts[fault.kind](fault), name=fault.kind.value)
        self._under_way.add(act)
        act.add_done_callback(self._done)

    async def heal(self) -> None:
        """End all acts that still last; raise what one of them could not do."""
        under_way = tuple(self._under_way)
        for act in under_way:
            act.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for act in self._ended:
            if not act.cancelled():
                act.result()

    def _done(self, act: asyncio.Task[None]) -> None:
        self._under_way.discard(act)
        self._ended.append(act)
