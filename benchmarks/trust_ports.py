"""What benchmarks put in the place of ports: nothing, a meter, or memory instead of a disk."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from actors.ports import StorageFailed
from infra.hpke_sealing import HpkeSealing
from infra.system import ThreadOffload
from protocols.trust.key_ring import KeyRing
from protocols.trust.sealing import BoxKey, SealingKey

P = ParamSpec("P")
R = TypeVar("R")

NOTHING = bytes(64)
# What the actors give to other threads, by the kind of work.
_OFFLOADED = {
    "_update": "share digests",
    "_Course.take": "share digests",
    "FixedPoint.encode": "arithmetic",
    "ShamirSuite.protect": "arithmetic",
    "ShamirSuite.answer": "arithmetic",
    "ShamirSuite.open": "arithmetic",
    "_add_all": "arithmetic",
    "ShamirSuite.vouch": "decoding",
    "ShamirSuite.vouch_opened": "decoding",
    "Vouching.judgement": "decoding",
}


class Meter:
    """Seconds of processor time and calls, by part; threads may add at the same time."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def timed(self, part: str, work: Callable[P, R]) -> Callable[P, R]:
        """Return the same work, whose time counts for a part."""

        def measured(*args: P.args, **kwargs: P.kwargs) -> R:
            begun = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                spent = time.thread_time() - begun
                with self._lock:
                    self.seconds[part] += spent
                    self.calls[part] += 1

        return measured


class Unsealed:
    """Boxes that are what is in them."""

    def seal(self, key: SealingKey, info: bytes, content: bytes) -> bytes:
        return content

    def open(self, key: BoxKey, info: bytes, box: bytes) -> bytes:
        return box


class Unsigned:
    """Signatures that say nothing and that nobody checks."""

    def sign(self, statement: bytes) -> bytes:
        return NOTHING

    def require(self, member: str, statement: bytes, signature: bytes) -> None:
        return


class MeteredSealing:
    """Boxes of HPKE, with a meter."""

    def __init__(self, meter: Meter) -> None:
        real = HpkeSealing()
        self.seal = meter.timed("sealing", real.seal)
        self.open = meter.timed("opening boxes", real.open)


class MeteredRing:
    """Signatures, with a meter."""

    def __init__(self, ring: KeyRing, meter: Meter) -> None:
        self.sign = meter.timed("signing", ring.sign)
        self.require = meter.timed("verifying", ring.require)


class MeteredOffload:
    """Threads, with a meter for what is known."""

    def __init__(self, inner: ThreadOffload, meter: Meter) -> None:
        self._inner, self._meter = inner, meter

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        named: Any = work.func if isinstance(work, partial) else work
        part = _OFFLOADED.get(getattr(named, "__qualname__", ""))
        return await self._inner.run(
            work if part is None else self._meter.timed(part, work), *args, **kwargs
        )


class MemoryJournal:
    """A journal without a disk."""

    def __init__(self) -> None:
        self._values: dict[str, bytes | None] = {}

    async def commit(self, writes: Any) -> None:
        await asyncio.sleep(0)
        self._values |= dict(writes)

    async def load(self) -> dict[str, bytes]:
        return {key: value for key, value in self._values.items() if value is not None}

    async def close(self) -> None:
        return


class MemorySpool:
    """A spool without a disk."""

    def __init__(self) -> None:
        self._streams: dict[str, dict[int, bytes]] = {}

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self._streams.setdefault(stream, {})[index] = bytes(chunk)

    async def get(self, stream: str, index: int) -> bytes:
        try:
            return self._streams[stream][index]
        except KeyError:
            raise StorageFailed(f"chunk {index} of {stream} is not there") from None

    async def indices(self, stream: str) -> frozenset[int]:
        return frozenset(self._streams.get(stream, {}))

    async def erase(self, prefix: str) -> None:
        for stream in [s for s in self._streams if s == prefix or s.startswith(prefix + "/")]:
            del self._streams[stream]

    async def streams(self) -> tuple[str, ...]:
        return tuple(self._streams)


class Owner:
    """A worker that has its vector at hand: what training takes is no part of this."""

    def __init__(self, vector: NDArray[np.float64]) -> None:
        self._vector = vector

    async def compute(self, state: bytes, number: int) -> NDArray[np.float64]:
        return self._vector

    async def close(self) -> None:
        return
