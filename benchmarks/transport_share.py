"""The share that `transport.py` sends, and the share-holder that takes it, in whole or in parts."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from trust_ports import Unsealed, Unsigned

from actors.actor import Ports
from actors.ports import Sealing, Signatures, StorageFailed
from actors.seals import Seals
from actors.shareholder import ShareHolder
from actors.stream_checks import StreamChecks
from infra.file_spool import FileSpool
from infra.hpke_sealing import HpkeSealing
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.transport import RabbitTransport
from infra.sqlite_journal import SqliteJournal
from infra.system import SystemClock, SystemEntropy, ThreadOffload
from protocols.codec import canonical, seal
from protocols.effects import CheckStream, Effect, StoreChunk
from protocols.messages import ContributionHeader, ShareChunk, Wire
from protocols.records import HeldConfig, HeldKey
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.salts import SALT_BYTES
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import SigningKey
from protocols.trust.sealing import BoxSeed, suites
from protocols.trust.signing import Statement

SENDER, RECEIVER = "ann", "holder-1"
SEED = BoxSeed(entropy=bytes(range(32)))  # of both keys: here they only have to be the same
_KEYS = {
    name: SigningKey.from_seed(hashlib.sha256(name.encode()).digest())
    for name in (SENDER, RECEIVER)
}
_PUBLIC = {name: key.public for name, key in _KEYS.items()}
_RINGS = {name: KeyRing(key, _PUBLIC) for name, key in _KEYS.items()}
ROSTER = Roster(
    federation="rate",
    coordinator="coordinator",
    holders=("holder-1", "holder-2", "holder-3"),
    trainers=("ann", "bob", "cid"),
)
PREFETCH = 32
WORD_BYTES = 8


@dataclass(frozen=True)
class Parts:
    """What is done of all that belongs to a share on its way.

    Attributes:
        hashed: the share is hashed and looked through, and compared with its announced digest.
        durable: a chunk is on the disk before it is acknowledged.
        signed: chunks and their header are signed and checked.
        boxed: chunks travel in sealed boxes.
    """

    hashed: bool = True
    durable: bool = True
    signed: bool = True
    boxed: bool = True


@dataclass(frozen=True)
class Load:
    """What is sent: a share of `count` chunks, all of them `payload`, to the broker at `url`."""

    url: str
    payload: bytes
    count: int
    digest: bytes
    folder: Path
    parts: Parts

    @property
    def config(self) -> RoundConfig:
        """The round that the share is for."""
        size = len(self.payload)
        return RoundConfig(
            job="rate",
            number=1,
            suite="shamir",
            field="p61",
            dimension=(size * self.count - SALT_BYTES) // WORD_BYTES,
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
            sealing=suites()[0],
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
    return Load(url, payload, count, digest.digest(), folder, Parts())


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


class NoChecks(StreamChecks):
    """Takes any stream for what was announced."""

    async def take(self, chunks: Iterable[StoreChunk]) -> None:
        pass

    async def matches(self, effect: CheckStream) -> bool:
        return True


class Keeper(ShareHolder):
    """A share-holder that tells the meter of its first message, and when the share is checked."""

    def __init__(self, ports: Ports, meter: Meter, parts: Parts) -> None:
        super().__init__(RECEIVER, ROSTER, ports)
        self._meter = meter
        if not parts.hashed:
            self._checks = NoChecks(ports.spool, ports.offload)

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        self._meter.arrived()
        return super().decide(sender, message, signature)

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        if not ok:
            raise ValueError(f"{stream} is not what was sent")
        self._meter.finished()
        return super().stream_checked(stream, ok=ok)


class NoSpool:
    """Keeps the last few chunks: those that come before their turn are asked for soon."""

    def __init__(self) -> None:
        self._last: dict[int, bytes] = {}

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        self._last[index] = chunk
        if len(self._last) > PREFETCH:
            del self._last[next(iter(self._last))]

    async def get(self, stream: str, index: int) -> bytes:
        if index not in self._last:
            raise StorageFailed(f"chunk {index} of {stream} was not kept")
        return self._last[index]

    async def indices(self, stream: str) -> frozenset[int]:
        return frozenset()

    async def erase(self, prefix: str) -> None:
        pass

    async def streams(self) -> tuple[str, ...]:
        return ()

    async def close(self) -> None:
        pass


class Writer:
    """Makes of chunks what the sender's process puts on the wire, as a trainer's does."""

    def __init__(self, parts: Parts) -> None:
        self._signatures = signatures_of(SENDER, parts)
        self._seals = Seals(SENDER, ROSTER.federation, sealing_of(parts), self._signatures)
        self._key = SEED.key(suites()[0]).sealing_key

    async def written(self, chunk: ShareChunk) -> bytes:
        sealed = await self._seals.sealed(chunk, RECEIVER, self._key)
        said = Statement.of(ROSTER.federation, SENDER, sealed)
        return seal(SENDER, sealed, signature=self._signatures.sign(said.to_bytes()))


def signatures_of(name: str, parts: Parts) -> Signatures:
    return _RINGS[name] if parts.signed else Unsigned()


def sealing_of(parts: Parts) -> Sealing:
    return HpkeSealing() if parts.boxed else Unsealed()


class Silence:
    """A monitor that nobody reads."""

    def emit(self, event: Any) -> None:
        pass


async def ports_of(load: Load, folder: Path, stack: AsyncExitStack) -> Ports:
    """Open what a share-holder needs, as its process does."""
    journal = await SqliteJournal.open(folder / "journal.sqlite")
    stack.push_async_callback(journal.close)
    spool = FileSpool(folder / "spool") if load.parts.durable else NoSpool()
    stack.push_async_callback(spool.close)
    offload = ThreadOffload(workers=2)
    stack.push_async_callback(offload.close)
    link = RabbitLink(RECEIVER, BrokerAddress.parse(load.url))
    transport = RabbitTransport(RECEIVER, link, prefetch=PREFETCH)
    stack.push_async_callback(transport.close)
    link.start()
    return Ports(
        transport=transport,
        clock=SystemClock(),
        journal=journal,
        spool=spool,
        offload=offload,
        monitor=Silence(),
        signatures=signatures_of(RECEIVER, load.parts),
        entropy=SystemEntropy(),
        sealing=sealing_of(load.parts),
    )


def open_round(config: RoundConfig) -> list[tuple[str, bytes]]:
    """Return the records of a share-holder that has opened a round."""
    prefix, key = f"round/{config.cid().hex()}", SEED.key(config.sealing).sealing_key
    return [
        (f"{prefix}/config", canonical(HeldConfig(config=config, sealing_key=key))),
        (f"{prefix}/key", canonical(HeldKey(seed=SEED))),
    ]
