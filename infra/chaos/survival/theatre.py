"""Where a scenario is played: in virtual time, or one day by real processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Protocol

from infra.chaos.scenario import Script, plan_of
from infra.chaos.scenario.compiling import drawn
from infra.simulation.runner import run

from .chronicle import Chronicle
from .story import Story


class Theatre(Protocol):
    """Plays a script. What it leaves to chance follows from the seed alone."""

    def play(self, script: Script, seed: int) -> Story:
        """Return what became of it."""
        ...


class VirtualTime:
    """The simulator: the same script and seed give the same story, on every machine."""

    def play(self, script: Script, seed: int) -> Story:
        """Return what became of it."""
        chronicle = Chronicle(script.people)
        history = run(plan_of(script, seed), seed, onlooker=chronicle)
        places = drawn(script, seed)
        strikes = chronicle.strikes(places)
        struck = {strike.place for strike in strikes}
        return Story(
            seed=seed,
            rounds=chronicle.rounds(),
            strikes=strikes,
            missed=tuple(sorted(set(places.values()) - struck)),
            end_s=history.simulated_s if chronicle.end_s is None else chronicle.end_s,
            violations=(*map(str, history.violations), *chronicle.ledger.violations),
            digest=history.digest,
        )


def play_all(
    script: Script, seeds: range, jobs: int, tell: Callable[[Story], None]
) -> tuple[Story, ...]:
    """Play one history a seed on so many processes; `tell` hears of each in its order."""
    stories = []
    for story in _played(script, seeds, jobs):
        tell(story)
        stories.append(story)
    return tuple(stories)


def _played(script: Script, seeds: range, jobs: int) -> Iterator[Story]:
    play = partial(VirtualTime().play, script)
    if jobs == 1:
        yield from map(play, seeds)
        return
    # A fork would inherit threads of the kernels' compiler in the midst of something.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawned) as pool:
        yield from pool.map(play, seeds, chunksize=max(1, min(8, len(seeds) // jobs)))
