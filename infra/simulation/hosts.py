"""Hosts and their lives: what runs belongs to one life of a host, and ends or stands with it."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loop import SimHandle

_SWEEP = 256  # tasks that are begun before those that are done are forgotten

# A clock must never tell a time before the one that was waited for.
_NUDGE_S = 1e-6


class Condition(Enum):
    """What has become of a life."""

    RUNNING = "running"
    PAUSED = "paused"
    DEAD = "dead"
    BURIED = "buried"


@dataclass(slots=True)
class HostClock:
    """The monotonic clock of one host: it begins anywhere, may drift, and may jump ahead.

    `rate` is its seconds per second of the world.
    """

    offset_s: float
    rate: float = 1.0
    since_s: float = 0.0

    def read(self, world_s: float) -> float:
        """Return what this clock shows at a time of the world."""
        return self.offset_s + (world_s - self.since_s) * self.rate

    def world_s(self, local_s: float) -> float:
        """Return when this clock will have reached a time of its own."""
        return self.since_s + (local_s - self.offset_s) / self.rate + _NUDGE_S

    def change(self, world_s: float, *, rate: float, ahead_s: float = 0.0) -> None:
        """Run at another rate from now on, after a jump ahead."""
        self.offset_s = self.read(world_s) + ahead_s
        self.since_s, self.rate = world_s, rate


@dataclass(slots=True, eq=False)
class Life:
    """One life of a host, from its start to its end.

    A crash is a power cut: nothing of this life ever runs again, and no `finally` of it, as its
    tasks are kept. What falls due while it is paused waits for its resumption.
    """

    host: str
    number: int
    clock: HostClock
    condition: Condition = Condition.RUNNING
    held: list[SimHandle] | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _sweep_at: int = _SWEEP

    @property
    def alive(self) -> bool:
        """Whether it runs or will run on."""
        return self.condition in (Condition.RUNNING, Condition.PAUSED)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Keep a task of this life while it is under way."""
        self.tasks.append(task)
        if len(self.tasks) >= self._sweep_at:
            self.tasks = [known for known in self.tasks if not known.done()]
            self._sweep_at = 2 * len(self.tasks) + _SWEEP

    def crash(self) -> None:
        """End it at once."""
        self.condition = Condition.DEAD
        self.held = [] if self.held is None else self.held

    def pause(self) -> None:
        """Let nothing run until it is resumed; of no effect on one that does not run."""
        if self.condition is Condition.RUNNING:
            self.condition, self.held = Condition.PAUSED, []

    def resume(self) -> list[SimHandle]:
        """Go on; return what has fallen due meanwhile."""
        if self.condition is not Condition.PAUSED:
            return []
        due, self.held = self.held or [], None
        self.condition = Condition.RUNNING
        return due

    def bury(self) -> list[SimHandle]:
        """Let what is left of it come to an end; return what waits to run."""
        due, self.held = self.held or [], None
        self.condition = Condition.BURIED
        return due


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)


def current_life() -> Life | None:
    """Return the life whose code runs now, None in the world outside all hosts."""
    return LIFE.get()
