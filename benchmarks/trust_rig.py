"""The federation that `cost_of_trust.py` measures, with and without what trust costs.

What is left out is left out whole: without signatures no message is hashed for one, without
sealing no key is looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from trust_ports import (
    NOTHING,
    MemoryJournal,
    MemorySpool,
    Meter,
    MeteredOffload,
    MeteredRing,
    MeteredSealing,
    Owner,
    Unsealed,
    Unsigned,
)

from actors.actor import Actor, Ports
from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.reading import Reading
from actors.seals import Seals
from actors.shareholder import ShareHolder
from actors.trainer import Trainer, TrainerPorts
from infra.file_spool import FileSpool
from infra.hpke_sealing import HpkeSealing
from infra.memory_bus import MemoryBus
from infra.memory_queue import Sent
from infra.sqlite_journal import SqliteJournal
from infra.system import SystemClock, SystemEntropy, ThreadOffload
from protocols.codec import VERSION, digest_of, seal
from protocols.learning.job import Algorithm, Opened, Verdict
from protocols.learning.layout import Layout
from protocols.learning.state import State
from protocols.messages import Message, RoundOpened, Vote
from protocols.pieces import Pieces
from protocols.reports import JobEnded, PeerFault, RoundAbandoned, RoundComplete
from protocols.round_config import Roster, majority
from protocols.secagg import contributing, gathering, holding
from protocols.secagg.coordinating import Plan
from protocols.secagg.patience import Timing
from protocols.trust import signing
from protocols.trust.key_ring import KeyRing
from protocols.trust.keys import SigningKey
from protocols.trust.sealing import CLASSICAL, SuiteName
from protocols.trust.transcript import Transcript

CHUNK_BYTES = 256 * 1024  # what a job file says that says nothing
HOLDERS, THRESHOLD = 5, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What of trust is there. `sealing` None is to send shares in clear."""

    name: str
    signatures: bool = False
    sealing: SuiteName | None = None
    faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many sum how much over which field, for how many rounds, and on a disk or not."""

    trainers: int
    values: int
    field: Literal["p31", "p61"]
    rounds: int
    disk: Path | None


class Sums(Algorithm[None]):
    """An algorithm that only looks whether the sum is right; its state is a few bytes."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._right = sum(vector_of(number, size.values) for number in range(size.trainers))

    def layout(self, state: State) -> Layout:
        return Layout({"vector": (self._size.values,)})

    def local(self, state: State, data: None) -> NDArray[np.float64]:
        raise SystemExit("each owner has a vector of its own")

    def update(self, state: State, opened: Opened) -> State:
        if not np.array_equal(opened.total, self._right):
            raise SystemExit("the opened sum is wrong: these figures would mean nothing")
        return state.evolved({}, round=state.count("round") + 1)

    def verdict(self, state: State) -> Verdict:
        return Verdict(over=state.count("round") >= self._size.rounds, reason="")

    def metrics(self, state: State) -> dict[str, float]:
        return {}


def vector_of(number: int, values: int) -> NDArray[np.float64]:
    """Return what a trainer adds, the same in every round."""
    return np.arange(values, dtype=np.float64) % 1001 - 500 + number


class Kept:
    """Checkpoints in memory, and transcripts that are signed and dropped."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._states: dict[bytes, bytes] = {}

    async def save(self, completed: int, state: Pieces) -> bytes:
        digest = state.sha256()
        self._states[digest] = bytes(state)
        return digest

    async def load(self, digest: bytes) -> bytes:
        return self._states[digest]

    async def keep(self, transcript: Transcript) -> None:
        transcript.signed_by(self._key).to_text()


@dataclass
class Watch:
    """The processor time of each round from the end of the one before, and bytes on the bus."""

    roster: Roster
    meter: Meter
    cpu_s: list[float] = field(default_factory=list)
    sent_bytes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    _mark_s: float | None = None

    def emit(self, event: object) -> None:
        match event:
            case RoundComplete():
                now_s = time.process_time()
                if self._mark_s is None:  # the first round has the greetings in it
                    self.meter.seconds.clear()
                    self.meter.calls.clear()
                else:
                    self.cpu_s.append(now_s - self._mark_s)
                self._mark_s = now_s
            case PeerFault() | RoundAbandoned():
                raise SystemExit(f"not an undisturbed run: {event}")
            case JobEnded() | _:
                return

    def sent(self, sent: Sent) -> None:
        if self._mark_s is not None and sent.recipient != "*":
            role = self.roster.role(sent.sender) or "stranger"
            self.sent_bytes[role] += len(sent.body)
            self.messages[role] += 1


class Rig:
    """All actors of one variant on a bus in this process."""

    def __init__(self, variant: Variant, size: Size, meter: Meter | None) -> None:
        holders = tuple(f"holder-{number + 1}" for number in range(HOLDERS))
        trainers = tuple(f"site-{number + 1:03}" for number in range(size.trainers))
        self.variant, self.size, self.metered = variant, size, meter is not None
        self.meter = meter or Meter()
        self.roster = Roster(
            federation="trust",
            coordinator="coordinator",
            holders=holders,
            trainers=trainers,
            keys=bytes(32) if variant.signatures else None,
        )
        self.watch = Watch(self.roster, self.meter)
        names = ("coordinator", *holders, *trainers)
        self._keys = {n: SigningKey.from_seed(hashlib.sha256(n.encode()).digest()) for n in names}
        self._public = {name: key.public for name, key in self._keys.items()}
        self._threads = ThreadOffload(workers=2)
        self._bus = MemoryBus(observer=self.watch.sent)

    async def run(self) -> None:
        """Run all rounds."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._threads.close)
            for name in self._keys:
                self._bus.declare(name)
            coordinator = await self._coordinator(stack)
            others: list[Actor] = [
                ShareHolder(name, self.roster, await self._ports(name, stack))
                for name in self.roster.holders
            ]
            others += [await self._trainer(i, stack) for i in range(self.size.trainers)]
            tasks = [asyncio.create_task(actor.run()) for actor in others]
            with self._left_out():
                await coordinator.run()
                for actor in others:
                    actor.stop()
                await asyncio.gather(*tasks)

    async def _coordinator(self, stack: AsyncExitStack) -> Coordinator:
        name, kept = self.roster.coordinator, Kept(self._keys[self.roster.coordinator])
        assignment = Assignment(
            plan=self._plan(),
            algorithm=Sums(self.size),
            initial=State(facts={"round": 0}),
            transcripts=kept if self.variant.signatures else None,
        )
        own = CoordinatorPorts(self._bus.blobs(name), kept)
        return Coordinator(self.roster, await self._ports(name, stack), assignment, own)

    async def _trainer(self, number: int, stack: AsyncExitStack) -> Trainer:
        name = self.roster.trainers[number]
        own = TrainerPorts(self._bus.blobs(name), Owner(vector_of(number, self.size.values)))
        return Trainer(name, self.roster, await self._ports(name, stack), own)

    def _plan(self) -> Plan:
        faults = self.variant.faults
        return Plan(
            job="trust",
            suite="shamir",
            field=self.size.field,
            fraction_bits=8,
            threshold=THRESHOLD,
            faults=faults,
            vote=True,
            quorum=majority(HOLDERS, faults),
            minimum=3,
            chunk_bytes=CHUNK_BYTES,
            sealing=self.variant.sealing or CLASSICAL,
            abandoned_rounds=1,
            timing=Timing(grace_s=600, patience_s=1800, round_s=3600, resend_s=600),
            epoch=1 if self.variant.signatures else 0,
        )

    async def _ports(self, name: str, stack: AsyncExitStack) -> Ports:
        ports = Ports(
            transport=self._bus.connect(name),
            clock=SystemClock(),
            journal=MemoryJournal(),
            spool=MemorySpool(),
            offload=self._threads,
            monitor=self.watch,
            signatures=self._signatures(name),
            entropy=SystemEntropy(),
            sealing=self._sealing(),
        )
        if self.metered:
            ports = replace(ports, offload=MeteredOffload(self._threads, self.meter))
        if self.size.disk is None:
            return ports
        journal = await SqliteJournal.open(self.size.disk / name / "journal.sqlite")
        stack.push_async_callback(journal.close)
        spool = FileSpool(self.size.disk / name / "spool")
        stack.push_async_callback(spool.close)
        return replace(ports, journal=journal, spool=spool)

    def _signatures(self, name: str) -> KeyRing | MeteredRing | Unsigned:
        if not self.variant.signatures:
            return Unsigned()
        ring = KeyRing(self._keys[name], self._public)
        return MeteredRing(ring, self.meter) if self.metered else ring

    def _sealing(self) -> HpkeSealing | MeteredSealing | Unsealed:
        if self.variant.sealing is None:
            return Unsealed()
        return MeteredSealing(self.meter) if self.metered else HpkeSealing()

    @contextmanager
    def _left_out(self) -> Iterator[None]:
        """Leave out what is done around the ports for the sake of what this variant lacks."""
        with ExitStack() as stack:
            if not self.variant.signatures:
                stack.enter_context(patch.object(Actor, "_signed", _unsigned))
                stack.enter_context(patch.object(Reading, "_require_said", _nothing))
                stack.enter_context(patch.object(Seals, "_signature", lambda *_: b""))
                stack.enter_context(patch.object(Seals, "_require_signed", _nothing))
                stack.enter_context(patch.object(signing, "digest_of", lambda _: bytes(32)))
            if self.variant.sealing is None:
                stack.enter_context(patch("actors.seals.binding_of", lambda *_: b""))
                for module in (contributing, gathering, holding):
                    stack.enter_context(patch.object(module, "key_fault", _nothing))
            if self.metered:
                self._meter_the_rest(stack)
            yield

    def _meter_the_rest(self, stack: ExitStack) -> None:
        timed = self.meter.timed
        for module in (contributing, gathering, holding):
            checked = timed("looking at keys", module.key_fault)
            stack.enter_context(patch.object(module, "key_fault", checked))
        hashed = timed("hashing messages", digest_of)
        stack.enter_context(patch.object(signing, "digest_of", hashed))


def _nothing(*_: object) -> None:
    return None


def _unsigned(self: Actor, message: Message, version: int = VERSION) -> bytes:
    # These two are passed on as part of other messages, which have room for them only.
    said = NOTHING if isinstance(message, RoundOpened | Vote) else b""
    return seal(self.name, message, version=version, signature=said)
