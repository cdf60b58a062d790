"""The small ports of a simulated host: clock, entropy, arithmetic, checkpoints, monitor."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from actors.ports import StorageFailed
from protocols.pieces import Pieces
from protocols.reports import Event

from .hosts import Life
from .stage import Stage
from .watch import Watch

P = ParamSpec("P")
R = TypeVar("R")

_KEPT = 3


class SimClock:
    """The host's clock, which is also that of the event loop for whatever runs on the host."""

    def __init__(self, stage: Stage) -> None:
        # The host's monotonic seconds: asked for so often that one call has to do.
        self.now_s = stage.loop.time

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class SimEntropy:
    """Bytes that follow from seed, host and how often it asked; `drawn` is told them all."""

    def __init__(self, host: str, stage: Stage, drawn: Callable[[str, bytes], None]) -> None:
        self._host = host
        self._seed = stage.seed
        self._asked = 0
        self._drawn = drawn

    def bytes(self, count: int) -> bytes:
        """Return the next bytes; nobody in the simulation can predict them."""
        self._asked += 1
        name = f"entropy/{self._seed}/{self._host}/{self._asked}"
        drawn = hashlib.shake_256(name.encode()).digest(count)
        self._drawn(self._host, drawn)
        return drawn


class Inline:
    """Arithmetic at once, in no time."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)`."""
        return work(*args, **kwargs)


class SimCheckpoints:
    """The coordinator's states, as files on its disk: the last few are kept."""

    def __init__(self) -> None:
        self._kept: dict[bytes, bytes] = {}

    async def save(self, completed: int, state: Pieces) -> bytes:
        """Keep a state."""
        await asyncio.sleep(0)
        digest = state.sha256()
        self._kept.pop(digest, None)
        self._kept[digest] = bytes(state)
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return digest

    async def load(self, digest: bytes) -> bytes:
        """Return a state."""
        if digest not in self._kept:
            raise StorageFailed(f"there is no state {digest.hex()[:8]}")
        return self._kept[digest]

    @property
    def newest(self) -> bytes:
        """Return the last state that was kept."""
        return next(reversed(self._kept.values()))


class SimMonitor:
    """Passes events on to whoever looks on."""

    def __init__(self, life: Life, watch: Watch) -> None:
        self._life = life
        self._watch = watch

    def emit(self, event: Event) -> None:
        """Take one event."""
        if self._life.alive:
            self._watch.told(self._life.host, event)
