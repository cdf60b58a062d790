"""Where a scenario is played: in virtual time here, by real processes in `infra.chaos.real`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from infra.chaos.scenario import Script, plan_of
from infra.chaos.scenario.compiling import drawn
from infra.simulation.runner import run

from .chronicle import Chronicle
from .story import Story
from .venue import VIRTUAL, Venue


class Theatre(Protocol):
    """Plays a script. What it leaves to chance follows from the seed alone."""

    @property
    def venue(self) -> Venue:
        """What a report says of it, after the first play."""
        ...

    def obstacles(self, script: Script) -> tuple[str, ...]:
        """Return what of a script can't be done here, each with the reason."""
        ...

    def fitted(self, script: Script) -> Script:
        """Return the script as it is played here: its times and bounds may be others."""
        ...

    def play(self, script: Script, seed: int) -> Story:
        """Return what became of a script that is fitted and has no obstacles."""
        ...

    def played(self, script: Script, seeds: range) -> Iterator[Story]:
        """Play one history a seed, in this order."""
        ...


@dataclass(frozen=True, slots=True)
class VirtualTime:
    """The simulator: the same script and seed give the same story, on every machine.

    It plays several histories on so many processes.
    """

    jobs: int = 1

    @property
    def venue(self) -> Venue:
        """What a report says of it."""
        return VIRTUAL

    def obstacles(self, script: Script) -> tuple[str, ...]:
        """Return nothing: scenarios are written for it."""
        return ()

    def fitted(self, script: Script) -> Script:
        """Return the script as it is."""
        return script

    def play(self, script: Script, seed: int) -> Story:
        """Return what became of it."""
        chronicle = Chronicle(script.people)
        history = run(plan_of(script, seed), seed, onlooker=chronicle)
        chronicle.over(history.simulated_s)
        story = chronicle.story(seed, drawn(script, seed))
        violations = (*map(str, history.violations), *story.violations)
        return replace(story, violations=violations, digest=history.digest)

    def played(self, script: Script, seeds: range) -> Iterator[Story]:
        """Play one history a seed, in this order."""
        play = partial(self.play, script)
        if self.jobs == 1:
            yield from map(play, seeds)
            return
        # A fork would inherit threads of the kernels' compiler in the midst of something.
        spawned = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.jobs, mp_context=spawned) as pool:
            yield from pool.map(play, seeds, chunksize=max(1, min(8, len(seeds) // self.jobs)))


def play_all(
    theatre: Theatre, script: Script, seeds: range, tell: Callable[[Story], None]
) -> tuple[Story, ...]:
    """Play one history a seed; `tell` hears of each in its order."""
    stories = []
    for story in theatre.played(script, seeds):
        tell(story)
        stories.append(story)
    return tuple(stories)
