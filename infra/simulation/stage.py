"""What all parts of one simulated world share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from .draws import mixed
from .faults import ANYBODY, Point, Rates
from .hosts import Life
from .loop import SimLoop
from .trace import Trace

# Told when a host reaches a point with something; may end its life.
Reached = Callable[[Life, Point, str], None]


def _nobody(_life: Life, _point: Point, _what: str) -> None:
    """Take no note."""


@dataclass(slots=True)
class Stage:
    """The loop, the trace, the seed, the counters, and who wants to know of points."""

    seed: int
    loop: SimLoop
    trace: Trace
    rates: Rates
    fired: Counter[str] = field(default_factory=Counter)
    reached: Reached = _nobody
    awaited: Mapping[str, object] = field(default_factory=dict)  # hosts at whose points one waits

    def tell(self, text: str) -> None:
        """Write a line of the trace."""
        self.trace.add(self.loop.now_s, text)

    def draw(self, name: str, number: int = 0) -> int:
        """Return 64 bits that belong to this name and number in this history."""
        return mixed(self.seed, name, number)

    def awaits(self, host: str) -> bool:
        """Return whether somebody waits for a point of this host."""
        return bool(self.awaited) and (host in self.awaited or ANYBODY in self.awaited)

    async def passed(self, life: Life, point: Point, what: str) -> None:
        """Let a host pass a point; if its life ends here, the call never returns."""
        self.reached(life, point, what)
        if not life.alive:
            await never(self.loop)


async def never(loop: SimLoop) -> NoReturn:
    """Wait until the history is over."""
    waiting: asyncio.Future[NoReturn] = loop.create_future()
    await waiting
    raise AssertionError("what never comes has come")
