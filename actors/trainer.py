"""The trainer: computes on its owner's data, protects the vector, sends it once."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from protocols.effects import Compute, Effect, Prepare, Upload, carried_by
from protocols.errors import Misuse, Unfit
from protocols.messages import Announce, ContributionHeader, ShareChunk, Wire
from protocols.reports import OwnerTrouble
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.carrying import Given, aged
from protocols.secagg.chunks import chunk_count, share_size, upload_stream, with_salts
from protocols.secagg.contributing import Contributing
from protocols.secagg.field import Residues
from protocols.secagg.salts import salts_of
from protocols.secagg.suites import SUITES
from protocols.secagg.tail_dealing import deal_tails
from protocols.secagg.tails import cut

from .actor import Actor, Decide, Ports
from .carried import Results
from .ports import Blobs, StorageFailed, Worker, WorkFailed
from .preparing import Shortness, digests_of, encoded_by, integers
from .seals import Seals
from .software import Setup
from .together import together

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainerPorts:
    """What a trainer needs beyond what every actor needs."""

    blobs: Blobs
    worker: Worker


class Trainer(Actor):
    """Runs `Contributing`. The owner's code runs in the worker, never here."""

    def __init__(
        self,
        name: str,
        roster: Roster,
        ports: Ports,
        own: TrainerPorts,
        setup: Setup = Setup(),  # noqa: B008 - it is frozen
    ) -> None:
        super().__init__(name, roster, ports)
        self._software = setup.software
        self._machine = Contributing(name, roster, ports.signatures, terms=setup.terms)
        self._own = own
        self._results = Results(ports.spool)
        self._seals = Seals(name, roster.federation, ports.sealing, ports.signatures)

    async def restore(self, records: dict[str, bytes]) -> list[Effect]:
        """Rebuild the machine; drop spooled uploads that were never recorded, so never sent."""
        self._machine.restore(records)
        await self.keep_streams_of(self._machine.live_rounds(), self._machine.keeps)
        return self._machine.start(self._software)

    def decide(self, sender: str, message: Wire, signature: bytes) -> list[Effect]:
        """Let the machine decide."""
        return self._machine.receive(sender, message, signature)

    def next_wake_s(self) -> float | None:
        """Return when the machine wants to say that it is at work."""
        return self._machine.next_wake_s()

    def advance(self) -> list[Effect]:
        """Let the machine say that it is at work."""
        return self._machine.advance(self.ports.clock.now_s())

    def chunk_sent(self, stream: str, to: str) -> Decide | None:
        """Let the machine know that an upload moves, where that is news."""
        cid = bytes.fromhex(stream.split("/", maxsplit=1)[0])
        return None if self._machine.moves(cid) else partial(self._machine.sent, cid, to)

    def asked_to_stop(self) -> list[Effect]:
        """Say goodbye, so that nobody waits."""
        return self._machine.leave()

    def perform(self, effect: Effect) -> None:
        """Begin computing or uploading."""
        match effect:
            case Prepare():
                cid = effect.announce.config.cid()
                self.begin(f"{cid.hex()}/prepare", self._prepare(effect))
            case Compute(config=config):
                self._results.drop(config.job)
                self.begin(f"{carried_by(config.job)}/fetch", self._fetch(config))
            case Upload():
                stream = upload_stream(effect.header.cid, effect.to)
                self.begin(f"{stream}/send", self._upload(effect))
            case _:
                raise Misuse(f"a trainer can't perform {type(effect).__name__}")

    async def _prepare(self, effect: Prepare) -> Decide:
        cid = effect.announce.config.cid()
        try:
            header = await self._protected(effect)
        except (WorkFailed, Unfit) as error:
            kind = self._troubled(error)
            return lambda: self._machine.failed(cid, kind)
        return lambda: self._machine.prepared(header)

    def _troubled(self, error: WorkFailed | Unfit) -> str:
        kind, text = error.kind, str(error)
        log.warning("%s: declined a round: %s: %s", self.name, kind, text)
        self.ports.monitor.emit(OwnerTrouble(actor=self.name, kind=kind, text=text))
        return kind

    async def _fetch(self, config: RoundConfig) -> Decide:
        state = await self._own.blobs.fetch(config.state)
        return lambda: self._fetched(config, state)

    def _fetched(self, config: RoundConfig, state: bytes) -> list[Effect]:
        if not self._machine.wants(config):
            return []
        self.begin(f"{carried_by(config.job)}/compute", self._compute(config, state))
        return self._machine.fetched(config)

    async def _compute(self, config: RoundConfig, state: bytes) -> Decide:
        try:
            vector = await self._own.worker.compute(state, config.number)
            _require_shape(config, vector)
        except WorkFailed as error:
            kind = self._troubled(error)
            return lambda: self._not_computed(config, kind)
        return lambda: self._computed(config, vector)

    def _not_computed(self, config: RoundConfig, kind: str) -> list[Effect]:
        wanted = self._machine.wants(config)
        return self._machine.not_computed(config, kind) if wanted else []

    def _computed(self, config: RoundConfig, vector: NDArray[np.float64]) -> list[Effect]:
        if not self._machine.wants(config):
            return []
        self._results.add(config, vector)
        return self._machine.computed(config)

    async def _protected(self, effect: Prepare) -> ContributionHeader:
        """Compute; encode, protect and spool chunk by chunk; return the header."""
        announce = effect.announce
        config, offload = announce.config, self.ports.offload
        given = effect.given
        vector = await (self._vector(config) if given is None else self._aged(config, given))
        encoded = encoded_by(config, vector)
        shortness = Shortness(config, self.name, encoded) if config.norm_bound else None
        if shortness is not None:
            await self._require_short(shortness)
        seed = self.ports.entropy.bytes(32)
        bulk_digest = await self._bulk(config, vector, seed)
        digests = [hashlib.sha256() for _ in self.roster.holders]
        for chunk in range(chunk_count(config)):
            values = await offload.run(encoded, chunk)
            shares = await self._shares(config, values, seed, chunk)
            payloads = with_salts(config, chunk, seed, shares)
            await offload.run(_update, digests, payloads)
            await self._spool(announce, chunk, payloads)
        tails = None
        if shortness is not None:
            _update(digests, salts_of(config, seed))
            salt, dealt = await self._witness(shortness, _digests(digests), seed)
            tailed = await offload.run(self._tails, config, seed, dealt)
            tails = digests_of(salt, tailed)
            await self._spool_tails(announce, tailed)
        elif config.checks:
            masks = SUITES[config.suite].deal_masks(config, seed)
            _update(digests, masks)
            await self._spool_tails(announce, masks)
        return ContributionHeader(
            cid=config.cid(),
            trainer=self.name,
            share_bytes=share_size(config),
            share_digests=_digests(digests),
            tails=tails,
            bulk_digest=bulk_digest,
        )

    async def _require_short(self, shortness: Shortness) -> None:
        await shortness.require(self.ports.offload)

    async def _witness(
        self, shortness: Shortness, digests: tuple[bytes, ...], seed: bytes
    ) -> tuple[bytes, Residues]:
        return await shortness.witness(digests, seed, self.ports.offload)

    def _tails(self, config: RoundConfig, seed: bytes, dealt: Residues) -> tuple[bytes, ...]:
        return tuple(tail.to_bytes() for tail in deal_tails(config, seed, dealt))

    async def _spool_tails(self, announce: Announce, tails: tuple[bytes, ...]) -> None:
        config = announce.config
        pieces = zip(*(cut(config, tail) for tail in tails), strict=True)
        for index, payloads in enumerate(pieces, start=chunk_count(config)):
            await self._spool(announce, index, payloads)

    async def _bulk(
        self, config: RoundConfig, vector: NDArray[np.float64], seed: bytes
    ) -> bytes | None:
        """Hide and spool what goes to the coordinator, a chunk at a time; return its digest."""
        bulk, offload = SUITES[config.suite].bulk, self.ports.offload
        if bulk is None:
            return None
        hiding, digest = bulk.hiding(config, seed), hashlib.sha256()
        stream = upload_stream(config.cid(), self.roster.coordinator)
        for chunk in range(bulk.chunks(config)):
            values = await offload.run(integers, config, vector, bulk.covers(config, chunk))
            payload = await offload.run(hiding.protect, chunk, values)
            await offload.run(digest.update, payload)
            await self.ports.spool.put(stream, chunk, payload)
        return digest.digest()

    async def _shares(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        protect = SUITES[config.suite].protect
        return await self.ports.offload.run(protect, config, values, seed, chunk)

    async def _vector(self, config: RoundConfig) -> NDArray[np.float64]:
        own = self._own
        # Nothing here holds on to the state: it may be as large as the vector.
        vector = await own.worker.compute(await own.blobs.fetch(config.state), config.number)
        _require_shape(config, vector)
        return vector

    async def _aged(self, config: RoundConfig, given: Given) -> NDArray[np.float64]:
        vector = await self._results.of(config, given.base)
        if given.base != config.state:
            # Over this state it is this result for good, and nobody can compute it again.
            await self._results.keep(config, given.base)
        _require_shape(config, vector)
        return aged(config, vector, given.staleness)

    async def _spool(self, announce: Announce, chunk: int, payloads: tuple[bytes, ...]) -> None:
        cid = announce.config.cid()
        announced = {one.holder for one in announce.opened}
        await together(
            self.ports.spool.put(upload_stream(cid, holder), chunk, payload)
            for holder, payload in zip(self.roster.holders, payloads, strict=True)
            if holder in announced
        )

    async def _upload(self, effect: Upload) -> Decide:
        header, to = effect.header, effect.to
        stream = upload_stream(header.cid, to)

        async def wrap(index: int, payload: bytes) -> ShareChunk:
            chunk = ShareChunk(header=header, index=index, payload=payload)
            return await self._seals.sealed(chunk, to, effect.sealing_key)

        try:
            await self.send_stream(effect.config, stream, to, wrap, effect.indices)
        except StorageFailed:
            log.exception("%s: %s can't be read", self.name, stream)
            return lambda: self._machine.unreadable(header.cid, to)
        return lambda: self._machine.uploaded(header.cid, to)


def _require_shape(config: RoundConfig, vector: NDArray[np.float64]) -> None:
    if vector.shape != (config.dimension,):
        raise WorkFailed(
            "bad result",
            f"the vector has shape {vector.shape}, the round sums {config.dimension} values",
        )


def _digests(digests: list[hashlib._Hash]) -> tuple[bytes, ...]:
    return tuple(digest.digest() for digest in digests)


def _update(digests: list[hashlib._Hash], payloads: tuple[bytes, ...]) -> None:
    for digest, payload in zip(digests, payloads, strict=True):
        digest.update(payload)
