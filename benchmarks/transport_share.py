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
from msgspec.structs import replace

from actors.actor import Ports
from actors.ports import StorageFailed
from actors.shareholder import ShareHolder
from infra.file_spool import FileSpool
from infra.hpke_sealing import HpkeSealing
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.link import RabbitLink
from infra.rabbitmq.transport import RabbitTransport
from infra.sqlite_journal import SqliteJournal
from infra.system import SystemClock, SystemEntropy, ThreadOffload
from protocols.codec import canonical, seal
from protocols.effects import Effect
from protocols.messages import ContributionHeader, ShareChunk, Wire
from protocols.records import HeldConfig, HeldKey
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.salts import SALT_BYTES
from protocols.secagg.sealed import binding_of
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

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        self._meter.arrived()
        return super().decide(sender, message, signature)

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


def signed(message: ShareChunk) -> bytes:
    """Return what the sender's process puts on the wire."""
    said = Statement.of(ROSTER.federation, SENDER, message)
    return seal(SENDER, message, signature=_RINGS[SENDER].sign(said.to_bytes()))


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
    return Ports(
        transport=transport,
        clock=SystemClock(),
        journal=journal,
        spool=spool,
        offload=offload,
        monitor=Silence(),
        signatures=_RINGS[RECEIVER],
        entropy=SystemEntropy(),
        sealing=HpkeSealing(),
    )


def open_round(config: RoundConfig) -> list[tuple[str, bytes]]:
    """Return the records of a share-holder that has opened a round."""
    prefix, key = f"round/{config.cid().hex()}", SEED.key(config.sealing).sealing_key
    return [
        (f"{prefix}/config", canonical(HeldConfig(config=config, sealing_key=key))),
        (f"{prefix}/key", canonical(HeldKey(seed=SEED))),
    ]


def in_a_box(chunk: ShareChunk) -> ShareChunk:
    """Return a chunk of the sender's as it travels."""
    key = SEED.key(suites()[0]).sealing_key
    info = binding_of(ROSTER.federation, SENDER, RECEIVER, chunk)
    said = Statement.of_header(ROSTER.federation, SENDER, chunk.header).to_bytes()
    return replace(
        chunk,
        payload=HpkeSealing().seal(key, info, chunk.payload),
        header_signature=_RINGS[SENDER].sign(said),
    )
