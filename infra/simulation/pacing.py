"""A real job in virtual time: real actors and real work, each owner's at a pace of its own.

Nothing is hurt and no rule is looked after: this tells how long a job takes, whoever is how slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.coordinator import Assignment
from actors.ports import Lane
from protocols.learning.state import State
from protocols.reports import Event, StateUpdated
from protocols.round_config import Roster

from .broker import SimBroker
from .faults import Rates
from .hosts import Life
from .loop import SimLoop
from .stage import Stage
from .trace import Trace
from .traps import trapped
from .watch import Watch, Writes
from .world import World

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PacedOwner:
    """An owner's work, and how long it takes. It is done at its end, in no time."""

    work: Callable[[State], Vector]
    takes_s: float


class PacedWorker:
    """The `Worker` of such an owner."""

    def __init__(self, owner: PacedOwner) -> None:
        self._owner = owner

    async def compute(self, state: bytes, number: int) -> Vector:
        """Return the vector for this state."""
        await asyncio.sleep(self._owner.takes_s)
        return self._owner.work(State.from_bytes(state))

    async def close(self) -> None:
        """End; nothing is left behind."""


class _Onlooker:
    """Waits for new states, and for nothing else."""

    def __init__(self, updated: Callable[[], None]) -> None:
        self._updated = updated

    def sending(self, life: Life, to: str, body: bytes, lane: Lane) -> str:
        return "message"

    def acked(self, host: str, body: bytes, kind: str) -> None:
        pass

    def committed(self, host: str, writes: Writes) -> None:
        pass

    def told(self, host: str, event: Event) -> None:
        if isinstance(event, StateUpdated):
            self._updated()

    def logged(self, host: str, text: str) -> None:
        pass

    def drew(self, host: str, secret: bytes) -> None:
        pass


def pace(
    assignment: Assignment,
    roster: Roster,
    owners: Mapping[str, PacedOwner],
    reached: Callable[[float, bytes], bool],
    *,
    limit_s: float,
) -> bool:
    """Run a job until `reached`, which is told of each new state and its time.

    Must not be called inside an event loop.

    Args:
        assignment: its times are those of the world.
        roster: who takes part.
        owners: by trainer.
        reached: takes the seconds since the beginning and the bytes of the state.
        limit_s: of the world, after which it is given up.

    Returns:
        Whether it was reached in time.
    """
    # At run time what is not implemented raises when it is called.
    loop = SimLoop()  # type: ignore[abstract]
    stage = Stage(0, loop, Trace(), Rates())
    over: list[bool] = []

    def updated() -> None:
        states = world.hosts[roster.coordinator].checkpoints
        if reached(loop.now_s, states.newest):
            over.append(True)

    watch: Watch = _Onlooker(updated)
    world = World(stage, watch, assignment, roster, worker=lambda name: PacedWorker(owners[name]))
    world.furnish(SimBroker(stage, 2000), {})
    with trapped():
        try:
            for name in world.names:
                world.start(name)
            loop.run_until(lambda: bool(over) or world.ended is not None, limit_s=limit_s)
        finally:
            failures = list(loop.failures)
            loop.bury()
    if failures:
        raise AssertionError(failures[0])
    return bool(over)
