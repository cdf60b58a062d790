"""Stand-ins for the ports, in memory and without time; they pass the contract suites."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any, ParamSpec, TypeVar

from actors.actor import Ports
from actors.ports import StorageFailed, Transport
from infra.file_spool import checked_chunk, checked_name
from infra.hpke_sealing import HpkeSealing
from infra.simulation.signatures import IdealSignatures
from infra.sqlite_journal import MAX_VALUE_BYTES
from protocols.trust.evidence import Evidence
from protocols.trust.keys import SigningKey
from protocols.trust.transcript import SignedTranscript, Transcript

P = ParamSpec("P")
R = TypeVar("R")

Writes = tuple[tuple[str, bytes | None], ...]


class FakeJournal:
    """A journal that remembers every commit, so that a test can reboot after any of them."""

    def __init__(self, commits: Iterable[Writes] = ()) -> None:
        self.commits: list[Writes] = list(commits)
        self.closed = False

    def rebooted(self, *, commits: int | None = None) -> FakeJournal:
        """Return the journal as a new process finds it, here after the first `commits` of them."""
        self.closed = True
        return FakeJournal(self.commits[:commits])

    def contents(self) -> dict[str, bytes]:
        """Return everything, sorted by key."""
        merged = {key: value for writes in self.commits for key, value in writes}
        return {key: value for key, value in sorted(merged.items()) if value is not None}

    async def commit(self, writes: Sequence[tuple[str, bytes | None]]) -> None:
        """Write all keys at once."""
        self._require_open()
        for key, value in writes:
            if value is not None and len(value) > MAX_VALUE_BYTES:
                raise StorageFailed(f"the value of {key!r} has {len(value)} bytes: too many")
        taken = tuple(writes)
        await asyncio.sleep(0)
        self._require_open()
        self.commits.append(taken)

    async def load(self) -> dict[str, bytes]:
        """Return everything, sorted by key."""
        self._require_open()
        return self.contents()

    async def close(self) -> None:
        """Make further use fail."""
        self.closed = True

    def _require_open(self) -> None:
        if self.closed:
            raise StorageFailed("the journal is closed: open it again")


class FakeSpool:
    """A spool whose chunks are dictionary entries; `rebooted` is what a new process finds."""

    def __init__(self, chunks: dict[str, dict[int, bytes]] | None = None) -> None:
        self.chunks: dict[str, dict[int, bytes]] = chunks or {}

    def rebooted(self) -> FakeSpool:
        """Return a copy as a new process finds it."""
        return FakeSpool({stream: dict(chunks) for stream, chunks in self.chunks.items()})

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Keep one chunk."""
        checked_chunk(stream, index, chunk)
        await asyncio.sleep(0)
        self.chunks.setdefault(stream, {})[index] = bytes(chunk)

    async def get(self, stream: str, index: int) -> bytes:
        """Return one chunk."""
        checked_chunk(stream, index)
        try:
            return self.chunks[stream][index]
        except KeyError:
            raise StorageFailed(f"chunk {index} of {stream!r} is not in the spool") from None

    def refuse_reads(self) -> list[tuple[str, int]]:
        """Let no chunk be read any more; return where each attempt is noted."""
        refused: list[tuple[str, int]] = []

        async def refuse(stream: str, index: int) -> bytes:
            refused.append((stream, index))
            raise StorageFailed(f"chunk {index} of {stream!r} is not to be read")

        self.get = refuse  # type: ignore[method-assign]  # the port stays the same
        return refused

    async def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        return frozenset(self.chunks.get(checked_name(stream), {}))

    async def erase(self, prefix: str) -> None:
        """Delete the stream and those below."""
        below = f"{checked_name(prefix)}/"
        for stream in list(self.chunks):
            if stream == prefix or stream.startswith(below):
                del self.chunks[stream]

    async def streams(self) -> tuple[str, ...]:
        """Return the names of all streams, sorted."""
        return tuple(sorted(self.chunks))


class FakeTranscripts:
    """Keeps transcripts of rounds, signed with a key."""

    def __init__(self, key: SigningKey) -> None:
        self.kept: dict[int, SignedTranscript] = {}
        self._key = key

    async def keep(self, transcript: Transcript) -> None:
        """Sign and keep one."""
        signed = transcript.signed_by(self._key)
        await asyncio.sleep(0)
        if self.kept.setdefault(transcript.config.number, signed) != signed:
            raise StorageFailed("another transcript of the same round is kept")

    def chain(self) -> list[SignedTranscript]:
        """Return them in the order of rounds."""
        return [self.kept[number] for number in sorted(self.kept)]


class FakeEvidence:
    """Keeps pieces of evidence, each once."""

    def __init__(self) -> None:
        self.kept: list[Evidence] = []

    async def keep(self, evidence: Evidence) -> None:
        """Keep one."""
        await asyncio.sleep(0)
        if evidence not in self.kept:
            self.kept.append(evidence)


class FakeClock:
    """Time that passes only in `advance`."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_s(self) -> float:
        """Return the seconds that were advanced so far."""
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking = asyncio.get_running_loop().create_future()
        self._count += 1
        heappush(self._sleepers, (self._now_s + seconds, self._count, waking))
        await waking

    async def advance(self, seconds: float, *, turns: int = 20) -> None:
        """Let time pass; each sleeper wakes at its own time, the earliest first.

        After each waking, and at the end, the others get `turns` turns of the event loop.
        """
        end_s = self._now_s + seconds
        await yield_turns(turns)
        while self._sleepers and self._sleepers[0][0] <= end_s:
            wake_s, _, waking = heappop(self._sleepers)
            self._now_s = max(self._now_s, wake_s)
            if not waking.done():
                waking.set_result(None)
                await yield_turns(turns)
        self._now_s = end_s
        await yield_turns(turns)


class SeededEntropy:
    """Random bytes that are the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)

    def bytes(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        return self._random.randbytes(count)


class InlineOffload:
    """Runs the work at once, in the event loop."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return `work(...)`."""
        await asyncio.sleep(0)
        return work(*args, **kwargs)


def ports_of(transport: Transport, name: str = "holder-1", **changes: Any) -> Ports:
    """Return the ports of an actor in memory, with these instead of some."""
    usual: dict[str, Any] = {
        "clock": FakeClock(),
        "journal": FakeJournal(),
        "spool": FakeSpool(),
        "offload": InlineOffload(),
        "signatures": IdealSignatures(name),
        "entropy": SeededEntropy(),
        "sealing": HpkeSealing(),
    }
    return Ports(transport=transport, **(usual | changes))


async def yield_turns(turns: int = 20) -> None:
    """Let the other tasks run as far as they get without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)
