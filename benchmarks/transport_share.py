"""The share that `transport.py` sends, and the share-holder that takes it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actors.actor import Ports
from actors.ports import StorageFailed
from actors.shareholder import ShareHolder
from infra.file_spool import FileSpool
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.transport import RabbitTransport
from infra.sqlite_journal import SqliteJournal
from infra.system import SystemClock, ThreadOffload
from protocols.codec import canonical
from protocols.effects import Effect
from protocols.messages import ContributionHeader, Wire
from protocols.records import HeldConfig
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.held_round import HeldRound

SENDER, RECEIVER = "ann", "holder-1"
ROSTER = Roster(
    federation="rate",
    coordinator="coordinator",
    holders=("holder-1", "holder-2", "holder-3"),
    trainers=("ann", "bob", "cid"),
)
PREFETCH = 32
WORD_BYTES = 8


@dataclass(frozen=True)
class Load:
    """What is sent: a share of `count` chunks, all of them `payload`, to the broker at `url`."""

    url: str
    payload: bytes
    count: int
    digest: bytes
    folder: Path
    durable: bool

    @property
    def config(self) -> RoundConfig:
        """The round that the share is for."""
        size = len(self.payload)
        return RoundConfig(
            job="rate",
            number=1,
            suite="shamir",
            field="p61",
            dimension=size * self.count // WORD_BYTES,
            fraction_bits=0,
            holders=3,
            trainers=3,
            threshold=2,
            faults=0,
            vote=True,
            quorum=2,
            minimum=3,
            chunk_bytes=size,
            beat_ms=1000,
            state=bytes(32),
            roster=ROSTER.digest(),
        )

    @property
    def header(self) -> ContributionHeader:
        """What each chunk says of the share."""
        return ContributionHeader(
            cid=self.config.cid(),
            trainer=SENDER,
            share_bytes=len(self.payload) * self.count,
            share_digests=(self.digest,) * 3,
        )


def load_of(url: str, folder: Path, size: int, count: int) -> Load:
    """Return a share of residues, drawn anew."""
    words = np.random.default_rng().integers(0, 2**60, size // WORD_BYTES, dtype="<u8")
    payload = words.tobytes()
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(payload)
    return Load(url, payload, count, digest.digest(), folder, durable=True)


class Meter:
    """Counts at the receiver; the rate is in bytes per second, the time that of this process."""

    def __init__(self, load: Load) -> None:
        self._bytes = len(load.payload) * load.count
        self._missing = load.count
        self._began: tuple[float, float] | None = None
        self.rate = self.cpu_s = 0.0
        self.done = asyncio.Event()

    def arrived(self) -> None:
        self._began = self._began or (time.perf_counter(), time.process_time())

    def acknowledged(self) -> None:
        self._missing -= 1
        if not self._missing:
            self.finished()

    def finished(self) -> None:
        if self._began is None:
            raise RuntimeError("nothing arrived")
        began_s, cpu_s = self._began
        self.rate = self._bytes / (time.perf_counter() - began_s)
        self.cpu_s = time.process_time() - cpu_s
        self.done.set()


class Keeper(ShareHolder):
    """A share-holder that tells the meter of its first message, and when the share is checked."""

    def __init__(self, ports: Ports, meter: Meter) -> None:
        super().__init__(RECEIVER, ROSTER, ports)
        self._meter = meter

    def decide(self, sender: str, message: Wire) -> list[Effect]:
        self._meter.arrived()
        return super().decide(sender, message)

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        if not ok:
            raise ValueError(f"{stream} is not what was sent")
        self._meter.finished()
        return super().stream_checked(stream, ok=ok)


class NoSpool:
    """Keeps nothing: chunks that come in their order are never asked for."""

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        pass

    async def get(self, stream: str, index: int) -> bytes:
        raise StorageFailed(f"chunk {index} of {stream} was not kept")

    async def indices(self, stream: str) -> frozenset[int]:
        return frozenset()

    async def erase(self, prefix: str) -> None:
        pass

    async def streams(self) -> tuple[str, ...]:
        return ()

    async def close(self) -> None:
        pass


class Silence:
    """A monitor that nobody reads."""

    def emit(self, event: Any) -> None:
        pass


async def ports_of(load: Load, folder: Path, stack: AsyncExitStack) -> Ports:
    """Open what a share-holder needs, as its process does."""
    journal = await SqliteJournal.open(folder / "journal.sqlite")
    stack.push_async_callback(journal.close)
    spool = FileSpool(folder / "spool") if load.durable else NoSpool()
    stack.push_async_callback(spool.close)
    offload = ThreadOffload(workers=2)
    stack.push_async_callback(offload.close)
    link = RabbitLink(RECEIVER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(RECEIVER, link, prefetch=PREFETCH)
    stack.push_async_callback(transport.close)
    link.start()
    return Ports(transport, SystemClock(), journal, spool, offload, Silence())


def open_round(config: RoundConfig) -> tuple[str, bytes]:
    """Return the record of a share-holder that has opened a round."""
    return HeldRound(config).prefix + "config", canonical(HeldConfig(config=config))
