"""All machines of a federation joined by a network that is a list: no loop, no clock, no files.

Every message in flight may be taken in any order, doubled or lost; every actor may crash between
any two messages and comes back from what it had recorded and stored.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fakes.signatures import ANYBODY, Means, signed
from numpy.typing import NDArray

from protocols.codec import Envelope
from protocols.effects import (
    Answer,
    CheckStream,
    Effect,
    Erase,
    Forget,
    OpenSum,
    Prepare,
    Record,
    Report,
    Send,
    StoreChunk,
    SumShares,
    Upload,
)
from protocols.errors import PeerViolation
from protocols.messages import AnswerChunk, AnswerHeader, ContributionHeader, ShareChunk, received
from protocols.round_config import Roster, RoundConfig, majority
from protocols.secagg.chunks import (
    answer_stream,
    chosen_streams,
    chunk_count,
    share_size,
    upload_stream,
    with_salts,
    words_of,
)
from protocols.secagg.contributing import Contributing
from protocols.secagg.coordinating import Coordinating, JobStep, Plan
from protocols.secagg.credit import Credit
from protocols.secagg.holding import Holding
from protocols.secagg.patience import Timing
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES
from protocols.secagg.terms import Terms
from protocols.trust.sealing import CLASSICAL

TIMING = Timing(grace_s=2.0, patience_s=30.0, round_s=300.0, resend_s=5.0)
Machine = Coordinating | Holding | Contributing


def state_digest(completed: int) -> bytes:
    return hashlib.sha256(b"state %d" % completed).digest()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a rig is made of."""

    holders: int = 5
    threshold: int = 3
    trainers: int = 5
    dimension: int = 4
    rounds: int = 1
    minimum: int = 3
    vote: bool = True
    field: str = "p61"
    chunk_bytes: int = 1024
    abandoned_rounds: int = 3
    limit: int = 1000
    credit_chunks: int = 8
    pool_chunks: int = 256


@dataclass
class Node:
    machine: Machine
    journal: dict[str, bytes] = field(default_factory=dict)
    spool: dict[str, dict[int, bytes]] = field(default_factory=dict)
    alive: bool = True


class Rig:
    def __init__(self, shape: Shape, seed: int = 0) -> None:
        self.shape = shape
        self.random = random.Random(seed)
        self.roster = Roster(
            federation="test",
            coordinator="coordinator",
            holders=tuple(f"holder-{i}" for i in range(1, shape.holders + 1)),
            trainers=tuple(f"trainer-{i:02}" for i in range(1, shape.trainers + 1)),
        )
        self.now_s = 0.0
        self.flying: list[tuple[str, bytes]] = []
        self.events: list[Any] = []
        self.violations: list[PeerViolation] = []
        self.refusals: list[tuple[str, str]] = []
        self.values: dict[tuple[str, bytes], NDArray[np.int64]] = {}
        self.opened: dict[int, tuple[tuple[str, ...], NDArray[np.int64]]] = {}
        self.answered: dict[tuple[str, bytes], set[bytes]] = defaultdict(set)
        self.sent: list[tuple[str, str, Any]] = []
        self.nodes: dict[str, Node] = {}
        for name in (self.roster.coordinator, *self.roster.holders, *self.roster.trainers):
            self.nodes[name] = Node(self._build(name))

    # --- life and death ---------------------------------------------------------------

    def _build(self, name: str) -> Machine:
        match self.roster.role(name):
            case "coordinator":
                return Coordinating(self.roster, self.plan(), Means(self.random.randbytes, ANYBODY))
            case "holder":
                credit = Credit(self.shape.credit_chunks, self.shape.pool_chunks)
                return Holding(
                    name,
                    self.roster,
                    ANYBODY,
                    entropy=self.random.randbytes,
                    terms=Terms(credit=credit),
                )
            case _:
                return Contributing(name, self.roster, ANYBODY)

    def plan(self) -> Plan:
        shape = self.shape
        return Plan(
            job="sum",
            suite="shamir",
            field=shape.field,
            fraction_bits=0,
            threshold=shape.threshold,
            vote=shape.vote,
            quorum=majority(shape.holders),
            minimum=shape.minimum,
            chunk_bytes=shape.chunk_bytes,
            sealing=CLASSICAL,
            abandoned_rounds=shape.abandoned_rounds,
            timing=TIMING,
        )

    def step_of(self, completed: int) -> JobStep:
        return JobStep(
            state=state_digest(completed),
            dimension=self.shape.dimension,
            over=completed >= self.shape.rounds,
            reason="max rounds" if completed >= self.shape.rounds else "",
            metrics={},
        )

    @property
    def coordinator(self) -> Coordinating:
        machine = self.nodes[self.roster.coordinator].machine
        assert isinstance(machine, Coordinating)
        return machine

    def start(self) -> None:
        for name in self.nodes:
            self.boot(name)

    def boot(self, name: str) -> None:
        node = self.nodes[name]
        node.alive = True
        node.machine = machine = self._build(name)
        if isinstance(machine, Coordinating):
            machine.restore(node.journal)
            initial = None if node.journal else self.step_of(0)
            self.perform(name, machine.start(self.now_s, initial))
        elif isinstance(machine, Holding):
            machine.restore(node.journal, {s: frozenset(c) for s, c in node.spool.items()})
            self.perform(name, machine.start())
        else:
            machine.restore(node.journal)
            self.perform(name, machine.start())

    def kill(self, name: str) -> None:
        self.nodes[name].alive = False

    def crash(self, name: str) -> None:
        self.kill(name)
        self.boot(name)

    # --- the network ------------------------------------------------------------------

    def send(self, sender: str, to: str, message: Any) -> None:
        self.sent.append((sender, to, message))
        self.flying.append((to, signed(self.roster.federation, sender, message)))

    def deliver(self, place: int) -> None:
        to, body = self.flying.pop(place)
        node = self.nodes[to]
        if not node.alive:
            self.flying.append((to, body))  # its queue keeps it
            return
        try:
            envelope, message = received(body)
            self.perform(to, self._receive(node, envelope, message))
        except PeerViolation as violation:
            self.violations.append(violation)

    def _receive(self, node: Node, envelope: Envelope, message: Any) -> list[Effect]:
        said = envelope.sender, message, envelope.signature
        if isinstance(node.machine, Coordinating):
            return node.machine.receive(self.now_s, *said)
        return node.machine.receive(*said)

    def deliverable(self) -> list[int]:
        return [i for i, (to, _) in enumerate(self.flying) if self.nodes[to].alive]

    def run(self, *, steps: int = 20_000) -> None:
        """Deliver in random order, letting time pass when nothing can, until the job ends."""
        for _ in range(steps):
            if self.coordinator.ended is not None and not self.deliverable():
                return
            places = self.deliverable()
            if places:
                self.deliver(self.random.choice(places))
            elif not self.let_time_pass():
                return
        raise AssertionError("the job did not end")

    def let_time_pass(self) -> bool:
        wake_s = self.coordinator.next_wake_s()
        if wake_s is None or not self.nodes[self.roster.coordinator].alive:
            return False
        self.now_s = max(self.now_s, wake_s)
        self.perform(self.roster.coordinator, self.coordinator.advance(self.now_s))
        return True

    # --- effects ----------------------------------------------------------------------

    def perform(self, name: str, effects: list[Effect]) -> None:
        node = self.nodes[name]
        for effect in effects:
            if isinstance(effect, StoreChunk):
                node.spool.setdefault(effect.stream, {})[effect.index] = effect.payload
        for effect in effects:
            self._record(node, effect)
        for effect in effects:
            self._perform_one(name, node, effect)

    def _record(self, node: Node, effect: Effect) -> None:
        if isinstance(effect, Record) and effect.value is not None:
            node.journal[effect.key] = effect.value
        elif isinstance(effect, Record):
            node.journal.pop(effect.key, None)
        elif isinstance(effect, Forget):
            for key in [k for k in node.journal if k.startswith(effect.prefix)]:
                del node.journal[key]

    def _perform_one(self, name: str, node: Node, effect: Effect) -> None:
        match effect:
            case Send():
                self.send(name, effect.to, effect.message)
            case Report():
                self.events.append(effect.event)
            case Erase():
                for stream in [s for s in node.spool if (s + "/").startswith(effect.prefix + "/")]:
                    del node.spool[stream]
            case _:
                self._work(name, node, effect)

    def _work(self, name: str, node: Node, effect: Effect) -> None:
        match effect:
            case CheckStream():
                self._check(name, node, effect)
            case Prepare():
                self._prepare(name, node, effect)
            case Upload():
                self._upload(name, node, effect)
            case SumShares():
                self._sum(name, node, effect)
            case Answer():
                self._answer(name, node, effect)
            case OpenSum():
                self._open(effect)

    def _check(self, name: str, node: Node, effect: CheckStream) -> None:
        stream = node.spool[effect.stream]
        whole = b"".join(stream[index] for index in range(chunk_count(effect.config)))
        ok = hashlib.sha256(whole).digest() == effect.digest
        if isinstance(node.machine, Coordinating):
            self.perform(name, node.machine.checked(self.now_s, effect.stream, ok=ok))
        elif isinstance(node.machine, Holding):
            self.perform(name, node.machine.checked(effect.stream, ok=ok))

    def _prepare(self, name: str, node: Node, effect: Prepare) -> None:
        config = effect.announce.config
        limit = self.shape.limit
        values = np.array(
            [self.random.randint(-limit, limit) for _ in range(config.dimension)], dtype=np.int64
        )
        assert (name, config.cid()) not in self.values, "computed twice for one round"
        self.values[name, config.cid()] = values
        header = self.protect(name, node, config, values)
        assert isinstance(node.machine, Contributing)
        self.perform(name, node.machine.prepared(header))

    def protect(
        self, name: str, node: Node, config: RoundConfig, values: NDArray[np.int64]
    ) -> ContributionHeader:
        suite, seed = SUITES[config.suite], self.random.randbytes(32)
        digests = [hashlib.sha256() for _ in self.roster.holders]
        step = suite.chunk_values(config)
        for chunk in range(suite.chunks(config)):
            piece = values[chunk * step : (chunk + 1) * step]
            payloads = with_salts(config, chunk, seed, suite.protect(config, piece, seed, chunk))
            for holder, digest, payload in zip(self.roster.holders, digests, payloads, strict=True):
                digest.update(payload)
                stream = upload_stream(config.cid(), holder)
                node.spool.setdefault(stream, {})[chunk] = payload
        return ContributionHeader(
            cid=config.cid(),
            trainer=name,
            share_bytes=share_size(config),
            share_digests=tuple(digest.digest() for digest in digests),
        )

    def _upload(self, name: str, node: Node, effect: Upload) -> None:
        for index in effect.indices:
            payload = node.spool[upload_stream(effect.header.cid, effect.to)][index]
            chunk = ShareChunk(header=effect.header, index=index, payload=payload)
            self.send(name, effect.to, chunk)
        assert isinstance(node.machine, Contributing)
        self.perform(name, node.machine.uploaded(effect.header.cid, effect.to))

    def _sum(self, name: str, node: Node, effect: SumShares) -> None:
        config, cid = effect.config, effect.config.cid()
        suite, digest = SUITES[config.suite], hashlib.sha256()
        for index in range(suite.chunks(config)):
            total = None
            for stream in chosen_streams(cid, effect.chosen):
                share = words_of(config, index, node.spool[stream][index])
                total = suite.add(config, total, share)
            assert total is not None
            answer = suite.answer(config, total)
            digest.update(answer)
            node.spool.setdefault(effect.stream, {})[index] = answer
        header = AnswerHeader(
            cid=cid,
            set_digest=set_digest(cid, effect.chosen),
            answer_bytes=suite.share_bytes(config),
            answer_digest=digest.digest(),
        )
        assert isinstance(node.machine, Holding)
        self.perform(name, node.machine.summed(header))

    def _answer(self, name: str, node: Node, effect: Answer) -> None:
        header = effect.header
        assert f"round/{header.cid.hex()}/answer" in node.journal, "answered before the journal"
        self.answered[name, header.cid].add(header.set_digest)
        for index, payload in sorted(node.spool[answer_stream(header.cid, name)].items()):
            chunk = AnswerChunk(header=header, index=index, payload=payload)
            self.send(name, self.roster.coordinator, chunk)

    def _open(self, effect: OpenSum) -> None:
        config, cid = effect.config, effect.config.cid()
        suite, pieces = SUITES[config.suite], []
        spool = self.nodes[self.roster.coordinator].spool
        for index in range(suite.chunks(config)):
            answers = {
                self.roster.holders.index(h): spool[answer_stream(cid, h)][index]
                for h in effect.answers
            }
            pieces.append(suite.open(config, answers))
        names = tuple(contribution.trainer for contribution in effect.chosen)
        assert config.number not in self.opened, "a round was opened twice"
        self.opened[config.number] = (names, np.concatenate(pieces))
        run = self.coordinator.run
        assert run is not None
        step = self.step_of(run.completed + 1)
        self.perform(self.roster.coordinator, self.coordinator.opened(self.now_s, step))

    # --- what must hold ---------------------------------------------------------------

    def check(self) -> None:
        """Every opened sum is exactly the sum of its survivors, who are enough; see S1-S5."""
        for number, (names, total) in self.opened.items():
            assert len(names) >= self.shape.minimum
            assert len(set(names)) == len(names)
            expected = sum(self._contributed(name, number) for name in names)
            assert np.array_equal(total, expected)
        for sets in self.answered.values():
            assert len(sets) == 1, "a holder answered for two sets of one round"

    def _contributed(self, name: str, number: int) -> NDArray[np.int64]:
        vectors = [
            v for (who, cid), v in self.values.items() if who == name and cid in self._cids(number)
        ]
        assert len(vectors) == 1, "a trainer contributed twice to a round"
        return vectors[0]

    def _cids(self, number: int) -> set[bytes]:
        return {m.config.cid() for _, _, m in self.sent if _is_round(m, number)}


def _is_round(message: Any, number: int) -> bool:
    config = getattr(message, "config", None)
    return isinstance(config, RoundConfig) and config.number == number
