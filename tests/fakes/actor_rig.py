"""All actors of a federation on the memory bus, in virtual time, on fakes that can fail.

A witness at the bus sees every message at the moment that it leaves, and holds it against what
its sender had made durable by then.
"""

from __future__ import annotations

import asyncio
import dataclasses
import selectors
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from fakes.ports import FakeJournal, FakeSpool, InlineOffload, SeededEntropy, Writes, yield_turns
from fakes.signatures import IdealSignatures
from msgspec.structs import replace
from numpy.typing import NDArray

from actors.actor import Actor, Ports
from actors.coordinator import Assignment, Coordinator, CoordinatorPorts
from actors.ports import Sealing, Signatures, StorageFailed, Transport, WorkFailed
from actors.shareholder import ShareHolder
from actors.supervision import RestartPolicy, Supervisor
from actors.trainer import Trainer, TrainerPorts
from infra.hpke_sealing import HpkeSealing
from infra.memory_bus import MemoryBus
from infra.memory_queue import Sent
from protocols import messages as m
from protocols.codec import canonical, parse
from protocols.learning.job import Opened, Verdict
from protocols.learning.state import State
from protocols.pieces import Pieces
from protocols.records import (
    CheckRecord,
    Contributed,
    HeldAnswer,
    HeldCoin,
    HeldConfig,
    HeldFreeze,
    HeldKey,
    HeldShare,
    HeldVote,
    RoundRecord,
    RunRecord,
)
from protocols.reports import RoundComplete
from protocols.round_config import Roster, RoundConfig, majority
from protocols.secagg.agreed import coin_of, name_of
from protocols.secagg.chunks import (
    answer_stream,
    bulk_stream,
    chunk_count,
    share_chunk_count,
    share_stream,
)
from protocols.secagg.coordinating import Plan
from protocols.secagg.degree_check import opens
from protocols.secagg.patience import Timing
from protocols.secagg.sealed import binding_of
from protocols.secagg.sets import contribution_digest, set_digest
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import BoxKey, suites

R = TypeVar("R")

DIMENSION = 200
TIMING = Timing(grace_s=2.0, patience_s=30.0, round_s=300.0, resend_s=5.0)


# --- virtual time ---------------------------------------------------------------------


class _Instant(selectors.DefaultSelector):
    """Never waits: what a loop would wait for has come as soon as it asks."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen")
        if not ready and timeout is not None:
            self.passed_s += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while nobody has anything to do."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.passed_s


class LoopClock:
    """The time of the running loop."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def in_virtual_time(work: Coroutine[Any, Any, R]) -> R:
    """Run to the end; hours take milliseconds."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


# --- homes that can fail --------------------------------------------------------------


class SlowJournal(FakeJournal):
    """A journal that takes its time, and at one commit fails or never tells that it did."""

    def __init__(self, commits: Sequence[Writes] = ()) -> None:
        super().__init__(commits)
        self.begun = len(self.commits)
        self.fail_at: int | None = None
        self.writes_before_failing = False

    async def commit(self, writes: Sequence[tuple[str, bytes | None]]) -> None:
        number, self.begun = self.begun, self.begun + 1
        await yield_turns(7)
        if number != self.fail_at:
            await super().commit(writes)
            return
        self.fail_at = None
        if self.writes_before_failing:
            await super().commit(writes)
        raise StorageFailed("the disk of a test")

    def ever(self, key: str) -> list[bytes]:
        """Return all values that a key was ever committed with."""
        return [v for writes in self.commits for k, v in writes if k == key and v is not None]


class SlowSpool(FakeSpool):
    """A spool that takes its time and remembers what was ever durable."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: set[tuple[str, int, bytes]] = set()

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        await yield_turns(5)
        await super().put(stream, index, chunk)
        self.ever.add((stream, index, bytes(chunk)))


@dataclass
class Home:
    journal: SlowJournal = field(default_factory=SlowJournal)
    spool: SlowSpool = field(default_factory=SlowSpool)


# --- what is computed -----------------------------------------------------------------


class Sums:
    """An algorithm that only remembers the last total."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def dimension(self, _state: State) -> int:
        return DIMENSION

    def discounted(self, _state: State) -> int:
        return 0

    def update(self, state: State, opened: Opened) -> State:
        return State(
            arrays={"total": opened.total}, facts={"completed": state.count("completed") + 1}
        )

    def verdict(self, state: State) -> Verdict:
        over = state.count("completed") >= self.rounds
        return Verdict(over=over, reason="max rounds" if over else "")

    def metrics(self, _state: State) -> dict[str, float]:
        return {}


class MemoryCheckpoints:
    def __init__(self) -> None:
        self.saved: dict[bytes, bytes] = {}

    async def save(self, _completed: int, state: Pieces) -> bytes:
        await yield_turns(3)
        digest = state.sha256()
        self.saved[digest] = bytes(state)
        return digest

    async def load(self, digest: bytes) -> bytes:
        return self.saved[digest]


class OwnerWorker:
    """Computes the same vector for the same owner and round, or fails as it was told to."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.error: WorkFailed | None = None
        self.result: NDArray[np.float64] | None = None
        self.calls = 0

    async def compute(self, _state: bytes, number: int) -> NDArray[np.float64]:
        self.calls += 1
        await yield_turns(3)
        if self.error is not None:
            raise self.error
        return vector_of(self.place, number) if self.result is None else self.result

    async def close(self) -> None:
        return None


def vector_of(place: int, number: int) -> NDArray[np.float64]:
    """Return an owner's vector; the first coordinate counts it in a digit of its own."""
    vector = np.arange(DIMENSION) * (place + 1) / 256 - number
    vector[0] = 4.0**place
    return vector


# --- the stage ------------------------------------------------------------------------


@dataclass(frozen=True)
class Committee:
    """n, t and f, and who of the holders and trainers is not what it should be."""

    holders: int = 5
    threshold: int = 3
    faults: int = 0
    liars: Mapping[str, type[ShareHolder]] = field(default_factory=dict)
    dealers: Mapping[str, type[Trainer]] = field(default_factory=dict)
    checks: bool = False
    norm_bound: int = 0
    masked: bool = False
    packing: int = 0  # of the suite "packed", 0 for "shamir"
    seeds: bool = False


USUAL = Committee()
MASKED = Committee(masked=True)
# Two values to a coefficient; a chunk holds 2912 of them, and the whole share of a secret.
MASK: dict[str, Any] = {
    "suite": "masked",
    "field": "p31",
    "parameters": "A",
    "slots": 2,
    "chunk_bytes": 16_384,
}
MASKED_DIMENSION = 9000


def plan_of(committee: Committee, *, vote: bool) -> Plan:
    """Return what all rounds of a stage share."""
    plan = Plan(
        job="sum",
        suite="packed" if committee.packing else "shamir",
        packing=committee.packing,
        seeds=committee.seeds,
        field="p61",
        fraction_bits=8,
        threshold=committee.threshold,
        faults=committee.faults,
        vote=vote,
        quorum=majority(committee.holders, committee.faults),
        minimum=3,
        chunk_bytes=1024,
        sealing=suites()[0],
        abandoned_rounds=2,
        checks=committee.checks,
        norm_bound=committee.norm_bound,
        timing=TIMING,
    )
    return dataclasses.replace(plan, **MASK) if committee.masked else plan


def _digests_of(config: RoundConfig, chunks: Mapping[int, bytes]) -> tuple[bytes, bytes]:
    """Return the digests of a stored share, the second empty where norms are not bound."""
    vector = b"".join(chunks[i] for i in range(chunk_count(config)))
    tail = b"".join(chunks[i] for i in range(chunk_count(config), share_chunk_count(config)))
    if not config.norm_bound:
        return sha256(vector + tail).digest(), b""
    return sha256(vector + tail[:32]).digest(), sha256(tail).digest()


class Stage:
    def __init__(
        self,
        *,
        rounds: int = 1,
        trainers: int = 4,
        vote: bool = True,
        duplicate: Callable[[Sent], bool] | None = None,
        committee: Committee = USUAL,
    ) -> None:
        self.committee = committee
        self.roster = Roster(
            federation="test",
            coordinator="coordinator",
            holders=tuple(f"holder-{i}" for i in range(1, committee.holders + 1)),
            trainers=("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida")[:trainers],
        )
        self.names = (*self.roster.holders, *self.roster.trainers, self.roster.coordinator)
        self.assignment = Assignment(
            plan=plan_of(committee, vote=vote),
            algorithm=Sums(rounds),  # type: ignore[arg-type]
            initial=State(facts={"completed": 0}),
        )
        self.bus = MemoryBus(observer=self._observe, duplicate=duplicate)
        self.homes = {name: Home() for name in self.names}
        self.workers = {name: OwnerWorker(i) for i, name in enumerate(self.roster.trainers)}
        self.checkpoints = MemoryCheckpoints()
        self.entropy = SeededEntropy()
        self.sealing: Sealing = HpkeSealing()
        self.clock = LoopClock()
        self.events: list[Any] = []
        self.messages: list[tuple[Sent, m.Message]] = []
        self.faults: list[AssertionError] = []
        self.supervisors: dict[str, Supervisor] = {}
        self.state: State | None = None
        self._completed: dict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._said: dict[tuple[str, bytes, str], set[bytes]] = defaultdict(set)

    def emit(self, event: Any) -> None:
        self.events.append(event)
        if isinstance(event, RoundComplete):
            self._completed[event.number].set()

    async def completed(self, number: int) -> None:
        """Wait until a round is complete, without letting time pass."""
        await self._completed[number].wait()

    def events_of(self, kind: type[R]) -> list[R]:
        return [event for event in self.events if isinstance(event, kind)]

    def messages_of(self, kind: type[R]) -> list[R]:
        return [message for _, message in self.messages if isinstance(message, kind)]

    # --- life -------------------------------------------------------------------------

    async def run(self, *, during: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run the job to its end, then let the others settle, then stop them."""
        for name in self.names:
            self.bus.declare(name)
        tasks = {name: self.start(name) for name in self.names}
        if during is not None:
            await during()
        await tasks[self.roster.coordinator]
        await asyncio.sleep(60)
        for supervisor in self.supervisors.values():
            supervisor.stop()
        await asyncio.gather(*tasks.values())

    def start(self, name: str) -> asyncio.Task[None]:
        supervisor = self.supervisors[name] = Supervisor(
            name,
            lambda: self.build(name),
            clock=self.clock,
            monitor=self,
            policy=RestartPolicy(first_s=0.2, most=4),
        )
        return asyncio.create_task(supervisor.run())

    def connect(self, name: str) -> Transport:
        """Return an actor's link to the bus."""
        return self.bus.connect(name)

    def signatures(self, name: str) -> Signatures:
        """Return what a member signs and checks with."""
        return IdealSignatures(name)

    @asynccontextmanager
    async def build(self, name: str) -> AsyncIterator[Actor]:
        home = self.homes[name]
        transport = self.connect(name)
        ports = Ports(
            transport=transport,
            clock=self.clock,
            journal=home.journal,
            spool=home.spool,
            offload=InlineOffload(),
            monitor=self,
            signatures=self.signatures(name),
            entropy=self.entropy,
            sealing=self.sealing,
        )
        try:
            yield self._actor(name, ports)
        finally:
            await transport.close()

    def _actor(self, name: str, ports: Ports) -> Actor:
        match self.roster.role(name):
            case "coordinator":
                return Coordinator(
                    self.roster,
                    ports,
                    self.assignment,
                    CoordinatorPorts(self.bus.blobs(name), self.checkpoints),
                )
            case "holder":
                return self.committee.liars.get(name, ShareHolder)(name, self.roster, ports)
            case _:
                own = TrainerPorts(self.bus.blobs(name), self.workers[name])
                return self.committee.dealers.get(name, Trainer)(name, self.roster, ports, own)

    # --- the witness ------------------------------------------------------------------

    def _observe(self, sent: Sent) -> None:
        if sent.recipient == "*":
            return
        sender, message = m.read(sent.body)
        assert sender == sent.sender
        self.messages.append((sent, message))
        try:
            if isinstance(message, m.Grant) and sender == self.roster.coordinator:
                self._granted_bulk(message.cid, sent.recipient, message.spans[0][0])
            self._durable(sender, self._unsealed(sent, message))
        except AssertionError as fault:
            # Raised here it would only end the sender's task; `check` raises it.
            self.faults.append(fault)

    def _durable(self, sender: str, message: m.Message) -> None:
        """Fail unless what the message tells was on the sender's disk before it left."""
        if self._over(sender, message):
            return
        match self.roster.role(sender):
            case "coordinator":
                self._told_by_coordinator(sender, message)
            case "holder":
                self._told_by_holder(sender, message)
            case _:
                self._told_by_trainer(sender, message)

    def _unsealed(self, sent: Sent, message: m.Message) -> m.Message:
        """Open a chunk as its recipient does: with a key that is in that one's journal by now."""
        if not isinstance(message, m.ShareChunk | m.AnswerChunk):
            return message
        info = binding_of(self.roster.federation, sent.sender, sent.recipient, message)
        (key,) = {k.sealing_key: k for k in self.keys(sent.recipient, message.header.cid)}.values()
        try:
            return replace(message, payload=self.sealing.open(key, info, message.payload))
        except Untrusted:
            raise AssertionError("sent a box that its recipient can't open") from None

    def keys(self, name: str, cid: bytes) -> list[BoxKey]:
        """Return every key that a holder, or the coordinator, ever recorded for a round."""
        if name == self.roster.coordinator:
            records = [r for r in self._rounds() if r.config.cid() == cid]
            return [r.seed.key(r.config.sealing) for r in records]
        journal = self.homes[name].journal
        seeds = [parse(v, HeldKey).seed for v in journal.ever(f"round/{cid.hex()}/key")]
        configs = [parse(v, HeldConfig) for v in journal.ever(f"round/{cid.hex()}/config")]
        return [seed.key(configs[0].config.sealing) for seed in seeds]

    def _told_by_holder(self, sender: str, message: m.Message) -> None:
        journal, spool = self.homes[sender].journal, self.homes[sender].spool
        match message:
            case m.RoundOpened(cid=cid, sealing_key=key):
                assert journal.ever(f"round/{cid.hex()}/config"), "opened before recorded"
                recorded = [k.sealing_key for k in self.keys(sender, cid)]
                assert recorded == [key], "told of a key before it was recorded"
            case m.Have(cid=cid, contributions=contributions):
                for c in contributions:
                    self._held(sender, cid, c)
            case m.Excluded(cid=cid, trainer=trainer):
                assert journal.ever(f"round/{cid.hex()}/excluded/{trainer}")
            case m.Vote(cid=cid, set_digest=digest):
                votes = [parse(v, HeldVote).chosen for v in journal.ever(f"round/{cid.hex()}/vote")]
                assert digest in {set_digest(cid, v) for v in votes}, "voted before recorded"
                self._once(sender, cid, "vote", digest)
            case m.Frozen() | m.CoinOpening() | m.Tossed() | m.CheckValues():
                self._told_in_check(sender, message)
            case m.AnswerChunk(header=header, index=index, payload=payload):
                key = f"round/{header.cid.hex()}/answer"
                records = [parse(v, HeldAnswer) for v in journal.ever(key)]
                assert header in [r.header for r in records], "answered before recorded"
                assert (answer_stream(header.cid, sender), index, payload) in spool.ever
                self._once(sender, header.cid, "answer", header.set_digest)

    def _told_in_check(
        self, sender: str, message: m.Frozen | m.CoinOpening | m.Tossed | m.CheckValues
    ) -> None:
        journal, prefix = self.homes[sender].journal, f"round/{message.cid.hex()}"
        frozen = [parse(v, HeldFreeze) for v in journal.ever(f"{prefix}/frozen")]
        assert len(frozen) == 1, "froze twice, or before it was recorded"
        context = set_digest(message.cid, frozen[0].chosen)
        match message:
            case m.Frozen(set_digest=digest, commitment=said):
                place = self.roster.holders.index(sender)
                assert digest == context, "froze another set than it recorded"
                assert opens(said, context, place, frozen[0].opening), "committed to other bytes"
            case m.CoinOpening(opening=opening):
                assert len(journal.ever(f"{prefix}/committed")) == 1, "opened before recorded"
                assert opening == frozen[0].opening, "opened other bytes than recorded"
            case m.Tossed(coin=coin) | m.CheckValues(coin=coin):
                coins = [parse(v, HeldCoin) for v in journal.ever(f"{prefix}/coin")]
                assert len(coins) == 1, "tossed twice, or before it was recorded"
                config = parse(journal.ever(f"{prefix}/config")[0], HeldConfig).config
                made = coin_of(config, context, coins[0].shares, self.roster.holders)
                assert coin == name_of(made), "tossed another coin than recorded"
        if isinstance(message, m.CheckValues):
            self._once(sender, message.cid, f"values {message.about}", canonical(message))

    def _told_by_trainer(self, sender: str, message: m.Message) -> None:
        if not isinstance(message, m.ShareChunk):
            return
        header, home = message.header, self.homes[sender]
        contributed = [parse(v, Contributed) for v in home.journal.ever("job/sum")]
        assert header in [r.header for r in contributed], "contributed before recorded"
        uploads = {
            chunk
            for stream, index, chunk in home.spool.ever
            if stream.startswith(header.cid.hex()) and index == message.index
        }
        assert message.payload in uploads, "sent a share that was not spooled"
        self._once(sender, header.cid, "share", contribution_digest(header))

    def _told_by_coordinator(self, sender: str, message: m.Message) -> None:
        match message:
            case m.Have(cid=cid, contributions=contributions):
                for c in contributions:
                    self._has_bulk(cid, c)
            case m.Announce(config=config, opened=opened):
                assert (config.cid(), opened) in {
                    (r.config.cid(), r.announced) for r in self._rounds()
                }, "announced before recorded"
            case m.Propose(cid=cid, chosen=chosen) | m.Release(cid=cid, chosen=chosen):
                assert (cid, chosen) in {(r.config.cid(), r.chosen) for r in self._rounds()}
                self._once(sender, cid, "set", set_digest(cid, chosen))
            case m.Freeze(cid=cid, chosen=chosen):
                assert chosen in [c.frozen for c in self._checks(cid)], "froze before recorded"
            case m.Reveal(cid=cid, committed=committed):
                assert committed in [c.committed for c in self._checks(cid)], "shown too early"
            case m.Toss(cid=cid, shares=shares):
                assert shares in [c.shares for c in self._checks(cid)], "tossed before recorded"
            case m.CloseRound(cid=cid):
                runs = [parse(v, RunRecord) for v in self.homes[sender].journal.ever("run")]
                assert cid in {run.closed for run in runs}, "closed before recorded"

    def _over(self, holder: str, message: m.Message) -> bool:
        """Say whether a holder speaks of a round that it has durably closed already.

        What is decided together is written together: a vote and the round's end in one batch
        leave only the end, and the number that can't be opened again.
        """
        cid = getattr(getattr(message, "header", message), "cid", b"")
        contents = self.homes[holder].journal.contents()
        return "last/sum" in contents and f"round/{cid.hex()}/config" not in contents

    def _rounds(self) -> list[RoundRecord]:
        journal = self.homes[self.roster.coordinator].journal
        return [parse(value, RoundRecord) for value in journal.ever("round")]

    def _checks(self, cid: bytes) -> list[CheckRecord]:
        records = [r.check for r in self._rounds() if r.config.cid() == cid]
        return [record for record in records if record is not None]

    def _held(self, holder: str, cid: bytes, c: m.Contribution) -> None:
        home = self.homes[holder]
        key = f"round/{cid.hex()}/share/{c.trainer}"
        complete = [r for r in (parse(v, HeldShare) for v in home.journal.ever(key)) if r.complete]
        headers = {contribution_digest(r.header): r.header for r in complete}
        assert c.digest in headers, "told of a share before it was recorded as complete"
        stream = share_stream(cid, c.trainer)
        chunks = {i: chunk for s, i, chunk in home.spool.ever if s == stream}
        header, place = headers[c.digest], self.roster.holders.index(holder)
        assert _digests_of(self._config_at(holder, cid), chunks) == (
            header.share_digests[place],
            b"" if header.tails is None else header.tails.digests[place],
        ), "told of a share it does not have"

    def _config_at(self, holder: str, cid: bytes) -> RoundConfig:
        recorded = self.homes[holder].journal.ever(f"round/{cid.hex()}/config")
        return parse(recorded[0], HeldConfig).config

    def _has_bulk(self, cid: bytes, c: m.Contribution) -> None:
        home = self.homes[self.roster.coordinator]
        records = [parse(v, HeldShare) for v in home.journal.ever(f"bulk/{cid.hex()}/{c.trainer}")]
        headers = {contribution_digest(r.header): r.header for r in records if r.complete}
        assert c.digest in headers, "told of bulk before it was recorded as complete"
        chunks = self._stored_bulk(cid, c.trainer)
        whole = sha256(b"".join(chunks[i] for i in sorted(chunks))).digest()
        assert whole == headers[c.digest].bulk_digest, "told of bulk that it does not have"

    def _stored_bulk(self, cid: bytes, trainer: str) -> dict[int, bytes]:
        stream = bulk_stream(cid, trainer)
        home = self.homes[self.roster.coordinator]
        return {i: chunk for s, i, chunk in home.spool.ever if s == stream}

    def _granted_bulk(self, cid: bytes, trainer: str, first: int) -> None:
        """What lies below the lowest chunk that is asked for is there, and so is who sent it."""
        home = self.homes[self.roster.coordinator]
        assert home.journal.ever(f"bulk/{cid.hex()}/{trainer}"), "granted before recorded"
        stored = self._stored_bulk(cid, trainer)
        assert all(index in stored for index in range(first)), "granted before it was durable"

    def _once(self, sender: str, cid: bytes, kind: str, digest: bytes) -> None:
        said = self._said[sender, cid, kind]
        said.add(digest)
        assert len(said) == 1, f"{sender} told two different {kind}s in one round"

    # --- what must hold at the end ----------------------------------------------------

    def check_messages(self) -> None:
        """Nothing was told before it was durable, and nobody told two different things."""
        for fault in self.faults:
            raise fault

    def check(self, *, rounds: int = 1, survivors: tuple[str, ...] | None = None) -> None:
        """Every opened sum is the exact sum of its survivors, and every disk is clean."""
        self.check_messages()
        everybody = self.roster.trainers if survivors is None else survivors
        complete = {e.number: e for e in self.events if isinstance(e, RoundComplete)}
        states = [State.from_bytes(data) for data in self.checkpoints.saved.values()]
        totals = {s.count("completed"): s.floats("total") for s in states if s.arrays}
        assert sorted(totals) == list(range(1, rounds + 1)), "a sum is missing, or there are two"
        for completed, total in totals.items():
            (number,) = [r.number for r in self._round_numbers(completed)]
            places = [self.roster.trainers.index(name) for name in everybody]
            assert np.array_equal(total, sum(vector_of(place, number) for place in places))
        assert all(event.survivors == everybody for event in complete.values())
        for name, home in self.homes.items():
            assert home.spool.chunks == {}, f"{name} kept shares of a round that is over"
            left = [k for k in home.journal.contents() if k.startswith(("round", "bulk"))]
            assert not left, name

    def totals(self) -> list[NDArray[np.float64]]:
        """Return all sums that were opened."""
        states = [State.from_bytes(data) for data in self.checkpoints.saved.values()]
        return [state.floats("total") for state in states if state.arrays]

    def _round_numbers(self, completed: int) -> list[Any]:
        """Return the config of the round that led to the state after so many."""
        runs = [
            parse(value, RunRecord)
            for value in self.homes[self.roster.coordinator].journal.ever("run")
        ]
        closed = next(run.closed for run in runs if run.completed == completed)
        configs = {r.config.cid(): r.config for r in self._rounds()}
        return [configs[closed]]
