"""Plays a scenario with a process for every actor and a RabbitMQ of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.chaos.drill_job import DrillJob
from infra.chaos.real_stage import real_stage, remains
from infra.chaos.scenario import Script
from infra.chaos.scenario.compiling import drawn
from infra.chaos.survival.chronicle import Chronicle
from infra.chaos.survival.story import Story
from infra.chaos.survival.venue import Venue
from infra.rabbitmq.policy import TRAINERS
from infra.simulation.faults import Kind

from .crew import Crew
from .history import Books, History
from .pace import paced
from .possible import obstacles

PACE = 4.0
MINUTES = 10.0

_VALUES = 10_000
_CHUNK_KB = 16
_PATIENCE_S, _HANGING_S, _ROUND_S = 12.0, 40.0, 600.0  # as the simulator has them, in its time
_LEAST_PATIENCE_S = 4.0
_AWAY = (Kind.BROKER_RESTART, Kind.BROKER_LOSES_UNCONFIRMED, Kind.BROKER_WIPED)


@dataclass(slots=True)
class RealBroker:
    """A theatre of real processes, each with a line of its own to a private RabbitMQ.

    `pace` divides all times of a scenario, no history has more than so many `minutes`; each has a
    folder of its own below `folder`. `root` names a chroot with another RabbitMQ.
    """

    folder: Path
    pace: float = PACE
    minutes: float = MINUTES
    root: Path | None = None
    version: str = field(default="", init=False)

    @property
    def venue(self) -> Venue:
        """What a report says of it; the version of RabbitMQ is known after a play."""
        return Venue(
            text=(
                f"by real processes on {' '.join(filter(None, ('RabbitMQ', self.version)))}, "
                f"{self.pace:g} times as fast as written"
            ),
            options=f" --real --pace {self.pace:g}",
            repeatable=False,
        )

    def obstacles(self, script: Script) -> tuple[str, ...]:
        """Return what can't be done to real processes, each with the reason."""
        return obstacles(self.fitted(script))

    def fitted(self, script: Script) -> Script:
        """Return the script with its times divided, and the bounds that hold for real."""
        return paced(script, self.pace, self.minutes * 60)

    def play(self, script: Script, seed: int) -> Story:
        """Play it. What can't be started raises `BrokerMissing`, `NodeFailed`, `ConfigError`."""
        return asyncio.run(self._play(script, seed))

    def played(self, script: Script, seeds: range) -> Iterator[Story]:
        """Play one history a seed, one after the other."""
        return (self.play(script, seed) for seed in seeds)

    async def _play(self, script: Script, seed: int) -> Story:
        folder = self.folder / f"{script.name}-{seed}"
        folder.mkdir(parents=True)
        books = Books(Chronicle(script.people))
        wanted = job_of(script, self.pace)
        async with real_stage(folder, books, wanted, root=self.root) as stage:
            self.version = stage.node.version
            planned = drawn(script, seed)
            crew = Crew(stage, seed, books.struck)
            history = History(script, crew, books)
            await history.run(planned)
            story = books.chronicle.story(seed, planned)
            left = await remains(stage.node.url, stage.roster, folder, dead=crew.dead)
        return replace(
            story, violations=(*books.wrong(crew.ailing), *history.wrong, *left.problems())
        )


def job_of(script: Script, pace: float) -> DrillJob:
    """Return the job of a script that has its pace already."""
    size = script.size
    slow = max((b.amount for b in script.blows if b.action.kind is Kind.SLOW), default=1.0)
    return DrillJob(
        owners=script.people.groups["trainers"],
        holders=size.holders,
        threshold=size.threshold,
        faults=size.faults,
        minimum=size.minimum,
        vote=size.vote,
        values=_VALUES,
        chunk_kb=_CHUNK_KB,
        delay_s=size.training_s,
        patience_s=_patience_s(script, pace),
        opening_s=2.0,
        round_s=_ROUND_S / pace + slow * size.training_s,
        compute_s=_HANGING_S / pace + slow * size.training_s,
        manners=True,
    )


def _patience_s(script: Script, pace: float) -> float:
    # Where the broker goes away, trainers are back when their wait for the next attempt is over.
    away = any(blow.action.kind in _AWAY for blow in script.blows)
    return max(_PATIENCE_S / pace, TRAINERS.longest_wait_s if away else _LEAST_PATIENCE_S)
