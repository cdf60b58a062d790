"""What all actors do: receive, decide, make durable, send, acknowledge, in this order."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from protocols.codec import VERSION, Undecodable, seal
from protocols.effects import (
    CancelWork,
    CheckStream,
    Effect,
    Erase,
    Forget,
    KeepEvidence,
    KeepTranscript,
    Record,
    Report,
    Send,
    StoreChunk,
)
from protocols.errors import Misuse, PeerViolation
from protocols.messages import Message, Wire
from protocols.reports import EvidenceKept, Incompatible, PeerFault
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.chunks import chunk_count
from protocols.trust.evidence import Evidence
from protocols.trust.signing import Statement
from protocols.trust.transcript import Transcript
from protocols.versions import Versions, advice

from .inbox import Inbox
from .letter import Letter
from .outbox import Outbox
from .ports import (
    Clock,
    Delivery,
    Entropy,
    Journal,
    Lane,
    LinkLost,
    Monitor,
    Offload,
    Sealing,
    Signatures,
    Spool,
    StorageFailed,
    Transport,
)
from .reading import Reading
from .stream_checks import StreamChecks
from .together import together
from .window import in_window

log = logging.getLogger(__name__)

_WINDOW_CHUNKS = 8  # of one stream that are on their way at a time, and
_WINDOW_BYTES = 8 * 2**20
_BATCH = 64  # decisions that share one commit
_RETRY_S = 0.5
_TURN_S = 0.005  # of decisions and their effects, after which others get their turn

Decide = Callable[[], list[Effect]]
Acknowledge = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ports:
    """What every actor needs."""

    transport: Transport
    clock: Clock
    journal: Journal
    spool: Spool
    offload: Offload
    monitor: Monitor
    signatures: Signatures
    entropy: Entropy
    sealing: Sealing


@dataclass(frozen=True, slots=True)
class _Item:
    """Something to decide on, and what to acknowledge once the decision is durable."""

    decide: Decide
    ack: Acknowledge | None = None  # and not the delivery, whose body may have been read


class Actor(ABC):
    """Runs one machine. Subclasses say how to restore it and how to perform its own effects."""

    def __init__(self, name: str, roster: Roster, ports: Ports) -> None:
        self.name = name
        self.roster = roster
        self.ports = ports
        self._checks = StreamChecks(ports.spool, ports.offload)
        self._outbox = Outbox(ports.transport, ports.clock, failed=self._fail)
        self._inbox: Inbox[_Item] = Inbox()
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._keys: dict[str, None] = {}
        self._reading = Reading(self, roster, ports.signatures, Versions(name))
        self._last: Letter | None = None
        self._stopping = False
        self._stopped = False

    # --- what subclasses say ----------------------------------------------------------

    @abstractmethod
    async def restore(self, records: dict[str, bytes]) -> list[Effect]:
        """Rebuild the machine from the journal; return what to do first."""

    @abstractmethod
    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        """Let the machine decide on a message, whose signature is its sender's.

        Its box is open where there was a key to it; the machine refuses what has none.
        """

    def unboxed(self, sender: str, message: Wire) -> Wire | None:
        """Return a message as `decide` wants it; None where no key opens what it has, yet.

        Raises `PeerViolation` where it is not what its sender may have sent.
        """
        return message

    @abstractmethod
    def perform(self, effect: Effect) -> None:
        """Begin an effect of this kind of actor."""

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        """Tell the machine the result of a `CheckStream`, if it asks for any."""
        raise Misuse(f"{self.name} checks no streams, and {stream} was: {ok}")

    def chunk_sent(self, _stream: str, _to: str) -> Decide | None:
        """Return what to decide now that one more chunk is in its recipient's queue."""
        return None

    async def keep_transcript(self, transcript: Transcript) -> None:
        """Return once the transcript of a round is signed and durable, if this actor keeps any."""
        raise Misuse(f"{self.name} keeps no transcripts: round {transcript.config.number}")

    async def keep_evidence(self, evidence: Evidence) -> None:
        """Return once evidence is durable outside of the journal, if this actor keeps any."""
        raise Misuse(f"{self.name} keeps no evidence: {evidence}")

    def asked_to_stop(self) -> list[Effect]:
        """Let the machine know that a clean end is wanted."""
        return []

    def next_wake_s(self) -> float | None:
        """Return when `advance` is due, on this actor's clock."""
        return None

    def advance(self) -> list[Effect]:
        """Let the machine look at the time."""
        return []

    def finished(self) -> bool:
        """Return whether the actor has nothing more to do."""
        return self._stopped

    def stop(self) -> None:
        """Ask for a clean end: what was decided is made durable and sent, nothing new begun."""
        self._stopping = True
        self._inbox.put(_Item(self._stop))

    def _stop(self) -> list[Effect]:
        self._stopped = True
        return self.asked_to_stop()

    # --- the loop ---------------------------------------------------------------------

    async def run(self) -> None:
        """Work until stopped; everything needed to go on after a crash is in the journal.

        Raises whatever is our own fault or the disk's: the supervisor builds the actor anew.
        """
        records = await self.ports.journal.load()
        self._keys = dict.fromkeys(records)
        try:
            await self._perform_all(await self.restore(records))
            self._begin("receive", self._receive())
            while not self.finished():
                await self._turn()
            if not await self._outbox.flush(within_s=5.0):
                log.warning(
                    "%s: ended with unsent messages; their requests are repeated", self.name
                )
        finally:
            self._inbox.close()
            await self._end_tasks()

    async def _turn(self) -> None:
        batch = await self._next_batch()
        effects: list[Effect] = []
        since_s = self.ports.clock.now_s()
        for item in batch:
            effects += item.decide()
            if self.ports.clock.now_s() - since_s >= _TURN_S:
                since_s = await self._shared_loop()
        wake_s = self.next_wake_s()
        if wake_s is not None and self.ports.clock.now_s() >= wake_s:
            effects += self.advance()
        await self._perform_all(effects)
        for item in batch:
            if item.ack is not None:
                await item.ack()

    async def _shared_loop(self) -> float:
        """Let others have their turn; return since when the loop is ours again."""
        await asyncio.sleep(0)
        return self.ports.clock.now_s()

    def _next_batch(self) -> Awaitable[list[_Item]]:
        wake_s = self.next_wake_s()
        delay_s = None if wake_s is None else max(0.0, wake_s - self.ports.clock.now_s())
        return self._inbox.take(_BATCH, within_s=delay_s)

    async def _receive(self) -> None:
        async for delivery in self.ports.transport.deliveries():
            decide = self._reading.ahead(delivery)
            self._inbox.put(_Item(decide or partial(self._read, delivery), delivery.ack))
            if decide is not None:
                await asyncio.sleep(0)  # it took time, and others wait for theirs
        if not self._stopping:
            raise LinkLost(f"{self.name}: the transport was closed")

    def _read(self, delivery: Delivery) -> list[Effect]:
        try:
            return self._reading.read(delivery)
        except PeerViolation as violation:
            fault = PeerFault(actor=self.name, peer=violation.peer, reason=violation.reason)
        except Undecodable as error:
            peer = delivery.sender or "unknown"
            fault = PeerFault(actor=self.name, peer=peer, reason=str(error))
        return [Report(fault)]

    # --- effects ----------------------------------------------------------------------

    async def _perform_all(self, effects: Iterable[Effect]) -> None:
        """Store, then record, then the rest in order. Nothing leaves before it is durable."""
        todo = list(effects)
        if not todo:
            return
        await self._store([effect for effect in todo if isinstance(effect, StoreChunk)])
        todo = await self._checked(todo)
        await self._commit(todo)
        since_s = self.ports.clock.now_s()
        for effect in todo:
            await self._perform_one(effect)
            if self.ports.clock.now_s() - since_s >= _TURN_S:
                since_s = await self._shared_loop()

    async def _store(self, chunks: list[StoreChunk]) -> None:
        if chunks:
            put = self.ports.spool.put
            puts = (put(one.stream, one.index, one.payload) for one in chunks)
            await together([*puts, self._checks.take(chunks)])

    async def _checked(self, effects: list[Effect]) -> list[Effect]:
        """Decide on streams that were looked through while they came in, as nearly all are.

        What is whole with its first chunk takes one commit then. What is decided here is decided
        after all of these effects, and comes after them.
        """
        others: list[Effect] = []
        decided: list[Effect] = []
        since_s = self.ports.clock.now_s()
        for effect in effects:
            ok = self._checks.known(effect) if isinstance(effect, CheckStream) else None
            if ok is None or not isinstance(effect, CheckStream):
                others.append(effect)
            else:
                decided += self.stream_checked(effect.stream, ok=ok)
                if self.ports.clock.now_s() - since_s >= _TURN_S:
                    since_s = await self._shared_loop()
        if any(isinstance(effect, StoreChunk) for effect in decided):
            raise Misuse("chunks are stored before streams are checked, and never after")
        return others + decided

    async def _commit(self, effects: list[Effect]) -> None:
        writes: dict[str, bytes | None] = {}
        for effect in effects:
            if isinstance(effect, Record):
                writes[effect.key] = effect.value
            elif isinstance(effect, Forget):
                known = {**self._keys, **writes}
                writes |= {key: None for key in known if key.startswith(effect.prefix)}
        if not writes:
            return
        await self.ports.journal.commit(list(writes.items()))
        for key, value in writes.items():
            if value is None:
                self._keys.pop(key, None)
            else:
                self._keys[key] = None

    async def _perform_one(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._outbox.post(effect.to, self._letter(effect))
            case Report():
                self._report(effect.event)
            case StoreChunk() | Record() | Forget():
                pass  # done above
            case Erase():
                self._checks.forget(effect.prefix)
                await self.ports.spool.erase(effect.prefix)
            case CheckStream():
                self.begin(f"{effect.stream}/check", self._check(effect))
            case CancelWork():
                self._cancel(effect.prefix)
            case KeepTranscript():
                await self.keep_transcript(effect.transcript)
            case KeepEvidence():
                await self.keep_evidence(effect.evidence)
            case _:
                self.perform(effect)

    def _letter(self, effect: Send) -> Letter:
        """Return what is posted; one message for many recipients is sealed once."""
        message, version, last = effect.message, effect.version, self._last
        if last is None or last.message is not message or last.version != version:
            last = self._last = Letter(message, self._signed, version)
        return last

    def _signed(self, message: Message, version: int = VERSION) -> bytes:
        wire = cast("Wire", message)  # all that is ever sent
        said = Statement.of(self.roster.federation, self.name, wire)
        signature = self.ports.signatures.sign(said.to_bytes())
        return seal(self.name, message, version=version, signature=signature)

    def _report(self, event: object) -> None:
        match event:
            case Incompatible():
                log.warning("%s: %s", self.name, advice(event))
            case PeerFault():
                text = "%s: dropped a message of %s: %s"
                log.warning(text, self.name, event.peer, event.reason)
            case EvidenceKept():
                text = "%s: has evidence that %s %s in round %s"
                log.warning(text, self.name, event.offender, event.what, event.cid[:16])
            case _:
                pass  # whoever it is for looks for it
        self.ports.monitor.emit(event)

    async def _check(self, effect: CheckStream) -> Decide:
        try:
            ok = await self._checks.matches(effect)
        except StorageFailed:
            log.exception("%s: %s can't be read", self.name, effect.stream)
            ok = False
        return lambda: self.stream_checked(effect.stream, ok=ok)

    async def keep_streams_of(
        self, rounds: Iterable[bytes], keeps: Callable[[str], bool] = lambda _: False
    ) -> None:
        """Erase every stream that belongs to no round of these, unless it is kept anyway."""
        live = {cid.hex() for cid in rounds}
        for stream in await self.ports.spool.streams():
            if stream.split("/")[0] not in live and not keeps(stream):
                await self.ports.spool.erase(stream)

    async def send_stream(
        self,
        config: RoundConfig,
        stream: str,
        to: str,
        wrap: Callable[[int, bytes], Awaitable[Message]],
        indices: Sequence[int] | None = None,
    ) -> None:
        """Send these chunks of a spooled stream, or all; return once the last is in the queue.

        At most 8 chunks and 8 MiB, but at least one, are in memory and on their way at a time.
        Each is sent again until the link takes it. Raises what else the ports raise; what was
        on its way then is given up.
        """
        wanted = range(chunk_count(config)) if indices is None else indices

        async def send(index: int) -> None:
            chunk = await wrap(index, await self.ports.spool.get(stream, index))
            body = self._signed(chunk)
            while not await self._sent(to, body):
                await self.ports.clock.sleep(_RETRY_S)
            decide = self.chunk_sent(stream, to)
            if decide is not None:
                self._inbox.put(_Item(decide))

        width = max(1, min(_WINDOW_CHUNKS, _WINDOW_BYTES // config.chunk_bytes))
        await in_window(wanted, width, send)

    async def _sent(self, to: str, body: bytes) -> bool:
        try:
            await self.ports.transport.send(to, body, lane=Lane.BULK)
        except LinkLost:
            return False
        return True

    # --- jobs -------------------------------------------------------------------------

    def begin(self, key: str, work: Coroutine[None, None, Decide]) -> None:
        """Do long work beside the loop; what it returns is decided on in the loop.

        The key is the stream worked on and the kind of work; a second start of the same is
        ignored while the first is under way.
        """
        if key in self._jobs:
            work.close()
            return

        async def finish() -> None:
            decide = await work
            # What is decided next may begin the same work again.
            self._jobs.pop(key, None)
            self._inbox.put(_Item(decide))

        self._begin(key, finish(), work)

    def _begin(
        self,
        key: str,
        job: Coroutine[None, None, None],
        work: Coroutine[None, None, Decide] | None = None,
    ) -> None:
        task = self._jobs[key] = asyncio.create_task(job, name=f"{self.name}: {key}")
        task.add_done_callback(partial(self._job_done, key, work))

    def _job_done(
        self, key: str, work: Coroutine[None, None, Decide] | None, task: asyncio.Task[None]
    ) -> None:
        if work is not None:
            work.close()  # a task that is cancelled before its first step leaves it unstarted
        if self._jobs.get(key) is task:
            del self._jobs[key]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._inbox.put(_Item(partial(_raise, error)))

    def _cancel(self, prefix: str) -> None:
        for key in [key for key in self._jobs if key.startswith(prefix + "/")]:
            self._jobs.pop(key).cancel()

    async def _end_tasks(self) -> None:
        tasks = list(self._jobs.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._outbox.close()


def _raise(error: BaseException) -> list[Effect]:
    raise error
