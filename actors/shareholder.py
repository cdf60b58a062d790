"""The share-holder: keeps shares, votes once a round, answers for that set only."""

from __future__ import annotations

import hashlib
import logging

import numpy as np
from numpy.typing import NDArray

from protocols.effects import Answer, CombineShares, Effect, SumShares
from protocols.errors import Misuse
from protocols.messages import AnswerChunk, AnswerHeader, ShareChunk, Wire
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.chunks import answer_stream, chosen_streams, chunk_count, words_of
from protocols.secagg.coin import Values
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_digest
from protocols.secagg.suites import SUITES
from protocols.trust.evidence import Evidence

from .actor import Actor, Decide, Ports
from .combining import combinations_of
from .ports import EvidenceKeeper, StorageFailed
from .seals import Seals
from .software import Setup
from .together import together

log = logging.getLogger(__name__)

_AT_ONCE = 16  # shares that are read and added together


class ShareHolder(Actor):
    """Runs `Holding`; what that finds against others is kept as `evidence`, too, where it can."""

    def __init__(
        self,
        name: str,
        roster: Roster,
        ports: Ports,
        setup: Setup = Setup(),  # noqa: B008 - it is frozen
        evidence: EvidenceKeeper | None = None,
    ) -> None:
        super().__init__(name, roster, ports)
        self._evidence = evidence
        self._software = setup.software
        self._machine = Holding(
            name, roster, ports.signatures, terms=setup.terms, entropy=ports.entropy.bytes
        )
        self._seals = Seals(name, roster.federation, ports.sealing, ports.signatures)

    async def restore(self, records: dict[str, bytes]) -> list[Effect]:
        """Rebuild the machine; drop stored chunks of rounds that are over."""
        spool = self.ports.spool
        stored = {stream: await spool.indices(stream) for stream in await spool.streams()}
        self._machine.restore(records, stored)
        await self.keep_streams_of(self._machine.live_rounds())
        return self._machine.start(self._software)

    def unboxed(self, sender: str, message: Wire) -> Wire | None:
        """Open the box of a share."""
        if not isinstance(message, ShareChunk) or self.roster.role(sender) != "trainer":
            return message
        key = self._machine.box_key(message.header.cid)
        return None if key is None else self._seals.opened(sender, message, key)

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        """Let the machine decide."""
        return self._machine.receive(sender, message, signature)

    async def keep_evidence(self, evidence: Evidence) -> None:
        """Make a file of what is in the journal, if there is a place for files."""
        if self._evidence is not None:
            await self._evidence.keep(evidence)

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        """Tell the machine whether a share is what its trainer announced."""
        return self._machine.checked(stream, ok=ok)

    def next_wake_s(self) -> float | None:
        """Return when the machine wants to say that it is at work."""
        return self._machine.next_wake_s()

    def advance(self) -> list[Effect]:
        """Let the machine say that it is at work."""
        return self._machine.advance(self.ports.clock.now_s())

    def asked_to_stop(self) -> list[Effect]:
        """Say goodbye, so that nobody waits."""
        return self._machine.leave()

    def perform(self, effect: Effect) -> None:
        """Begin summing or answering."""
        match effect:
            case SumShares():
                self.begin(f"{effect.stream}/sum", self._sum(effect))
            case CombineShares():
                self.begin(f"{effect.config.cid().hex()}/combine", self._combine(effect))
            case Answer():
                stream = answer_stream(effect.header.cid, self.name)
                self.begin(f"{stream}/send", self._answer(effect))
            case _:
                raise Misuse(f"a share-holder can't perform {type(effect).__name__}")

    async def _sum(self, effect: SumShares) -> Decide:
        """Sum, or stay silent in this round if a share can't be read: others will answer."""
        try:
            header = await self._summed(effect)
        except StorageFailed:
            log.exception("%s: can't answer in round %d", self.name, effect.config.number)
            return lambda: self._machine.unable(effect.config.cid())
        return lambda: self._machine.summed(header)

    async def _combine(self, effect: CombineShares) -> Decide:
        """Combine the shares, or stay silent in this round's check if one can't be read."""
        cid = effect.config.cid()
        values: dict[str, Values] | None = None
        try:
            values = await self._combinations(effect)
        except StorageFailed:
            log.exception("%s: can't check shares in round %d", self.name, effect.config.number)
        return lambda: self._machine.combined(cid, values)

    async def _combinations(self, effect: CombineShares) -> dict[str, Values]:
        return await combinations_of(effect, self.ports.spool, self.ports.offload)

    async def _summed(self, effect: SumShares) -> AnswerHeader:
        """Add the shares chunk by chunk: a chunk of a few shares is in memory at a time."""
        config, cid = effect.config, effect.config.cid()
        suite, digest = SUITES[config.suite], hashlib.sha256()
        for index in range(chunk_count(config)):
            total = await self._sum_chunk(config, chosen_streams(cid, effect.chosen), index)
            answer = await self.ports.offload.run(suite.answer, config, total)
            digest.update(answer)
            await self.ports.spool.put(effect.stream, index, answer)
        return AnswerHeader(
            cid=cid,
            set_digest=set_digest(cid, effect.chosen),
            answer_bytes=suite.share_bytes(config),
            answer_digest=digest.digest(),
        )

    async def _sum_chunk(
        self, config: RoundConfig, streams: list[str], index: int
    ) -> NDArray[np.uint64]:
        """Add chunk `index` of all streams, a few in memory at a time."""
        spool, offload = self.ports.spool, self.ports.offload
        total: NDArray[np.uint64] | None = None
        for first in range(0, len(streams), _AT_ONCE):
            some = streams[first : first + _AT_ONCE]
            chunks = await together(spool.get(stream, index) for stream in some)
            shares = await offload.run(_words, config, index, chunks)
            total = await offload.run(_add_all, config, total, shares)
        if total is None:
            raise Misuse("summed an empty set")
        return total

    async def _answer(self, effect: Answer) -> Decide:
        header, coordinator = effect.header, self.roster.coordinator

        async def wrap(index: int, payload: bytes) -> AnswerChunk:
            chunk = AnswerChunk(header=header, index=index, payload=payload)
            return await self._seals.sealed(chunk, coordinator, effect.sealing_key)

        stream = answer_stream(header.cid, self.name)
        try:
            await self.send_stream(effect.config, stream, coordinator, wrap)
        except StorageFailed:
            log.exception("%s: can't answer in round %d", self.name, effect.config.number)
        return list


def _words(config: RoundConfig, index: int, chunks: list[bytes]) -> list[bytes]:
    return [words_of(config, index, chunk) for chunk in chunks]


def _add_all(
    config: RoundConfig, total: NDArray[np.uint64] | None, shares: list[bytes]
) -> NDArray[np.uint64] | None:
    for share in shares:
        total = SUITES[config.suite].add(config, total, share)
    return total
