"""The coordinator's lane of uploads, where a suite has one: received as holders receive shares.

A chunk is durable before it is acknowledged, a contribution's first header before anything is
granted; after a crash uploads go on where they stood. What comes in is only kept here: it is
added up once a set is voted for, and erased with the round.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocols.codec import canonical, parse
from protocols.effects import CancelWork, CheckStream, Effect, Erase, Record, Send, StoreChunk
from protocols.errors import PeerViolation
from protocols.messages import Contribution, Grant, Have, ShareChunk
from protocols.records import HeldShare
from protocols.round_config import RoundConfig
from protocols.trust.evidence import Evidence

from .chunks import bulk_chunk_count, bulk_fault, bulk_stream, header_fault
from .claims import two_contributions
from .credit import Credit, fair_share
from .held_round import Partial
from .sets import contribution_digest

BULK_KEYS = "bulk/"
"""What the journal keys of all bulk begin with."""


def bulk_prefix(cid: bytes) -> str:
    """Return what those of one round begin with."""
    return f"{BULK_KEYS}{cid.hex()}/"


class Intake:
    """The bulk of one round: `complete` has the digests of the contributions that are all here.

    Chunks come in opened, their headers' signatures checked.
    """

    def __init__(
        self,
        config: RoundConfig,
        federation: str,
        credit: Credit = Credit(),  # noqa: B008 - it is frozen
    ) -> None:
        self.complete: dict[str, bytes] = {}
        self.signatures: dict[str, bytes] = {}  # of the first header of each
        self._config = config
        self._cid = config.cid()
        self._federation = federation
        self._credit = credit
        self._partial: dict[str, Partial] = {}

    def restore(self, records: Mapping[str, bytes], stored: Mapping[str, frozenset[int]]) -> None:
        """Take up what the journal and the spool remember of this round."""
        prefix = bulk_prefix(self._cid)
        for key, value in records.items():
            if not key.startswith(prefix):
                continue
            trainer, share = key.removeprefix(prefix), parse(value, HeldShare)
            digest = contribution_digest(share.header)
            self.signatures[trainer] = share.signature
            if share.complete:
                self.complete[trainer] = digest
                continue
            partial = Partial(share.header, digest, share.signature)
            for index in sorted(stored.get(bulk_stream(self._cid, trainer), ())):
                partial.chunks.store(index)
            self._partial[trainer] = partial

    def resume(self) -> list[Effect]:
        """Go on with what was coming in: check what is whole, ask for the rest of the others."""
        effects: list[Effect] = []
        for trainer, partial in self._partial.items():
            effects += self._check_or_grant(trainer, partial, offered=True)
        return effects

    def contradicts(self, message: ShareChunk) -> bool:
        """Return whether its trainer sent another contribution before this one."""
        known = self._digest_of(message.header.trainer)
        return known is not None and known != contribution_digest(message.header)

    def evidence(self, message: ShareChunk) -> Evidence | None:
        """Return what shows to all that a trainer sent two, None where it signed but one."""
        trainer = message.header.trainer
        known = self._digest_of(trainer)
        if known is None:
            return None
        signature = self.signatures.get(trainer, b"")
        return two_contributions(self._federation, known, signature, message)

    def _digest_of(self, trainer: str) -> bytes | None:
        partial = self._partial.get(trainer)
        return self.complete.get(trainer) if partial is None else partial.digest

    def require_shape(self, sender: str, message: ShareChunk) -> None:
        """Raise `PeerViolation` unless a chunk is one of this round's, in its sender's name."""
        header, config = message.header, self._config
        if header.trainer != sender:
            raise PeerViolation(sender, f"sent bulk in the name of {header.trainer}")
        fault = header_fault(config, header) or bulk_fault(config, message.index, message.payload)
        if fault is not None:
            raise PeerViolation(sender, f"sent bulk of the wrong shape: {fault}")

    def receive(self, message: ShareChunk) -> list[Effect]:
        """Store a chunk that is in order, and contradicts nothing; grant what may come next."""
        header = message.header
        trainer = header.trainer
        if trainer in self.complete:
            # Once for each offer, not once for each chunk.
            return [self._receipt(trainer)] if message.index == 0 else []
        effects: list[Effect] = []
        partial = self._partial.get(trainer)
        if partial is None:
            signature = self.signatures[trainer] = message.header_signature
            digest = contribution_digest(header)
            partial = self._partial[trainer] = Partial(header, digest, signature)
            effects.append(self._record(partial, complete=False))
        if partial.chunks.store(message.index):
            stream = bulk_stream(self._cid, trainer)
            effects.append(StoreChunk(self._config, stream, message.index, message.payload))
        elif partial.chunks.whole(bulk_chunk_count(self._config)):
            return effects  # it is being checked
        return effects + self._check_or_grant(trainer, partial, offered=message.index == 0)

    def _check_or_grant(self, trainer: str, partial: Partial, *, offered: bool) -> list[Effect]:
        chunks = bulk_chunk_count(self._config)
        if partial.chunks.whole(chunks):
            digest = partial.header.bulk_digest or b""
            return [CheckStream(self._config, bulk_stream(self._cid, trainer), digest)]
        credit = fair_share(self._credit.pool, len(self._partial), most=self._credit.chunks)
        spans = partial.chunks.grant(chunks, credit, offered=offered)
        return [Send(trainer, Grant(cid=self._cid, spans=spans))] if spans else []

    def checked(self, trainer: str, *, ok: bool) -> list[Effect] | None:
        """Take the result of a `CheckStream`: complete, or not what the trainer announced.

        None where it is of bulk that is not waited for any more.
        """
        partial = self._partial.get(trainer)
        if partial is None:
            return None
        if not ok:
            return self.drop(trainer)
        del self._partial[trainer]
        self.complete[trainer] = partial.digest
        return [self._record(partial, complete=True), self._receipt(trainer)]

    def drop(self, trainer: str) -> list[Effect]:
        """Give up the bulk of a trainer that is out of the round."""
        self._partial.pop(trainer, None)
        self.complete.pop(trainer, None)
        stream = bulk_stream(self._cid, trainer)
        return [Record(self._key(trainer), None), CancelWork(stream), Erase(stream)]

    def _receipt(self, trainer: str) -> Send:
        mine = Contribution(trainer=trainer, digest=self.complete[trainer])
        return Send(trainer, Have(cid=self._cid, contributions=(mine,)))

    def _record(self, partial: Partial, *, complete: bool) -> Record:
        share = HeldShare(header=partial.header, complete=complete, signature=partial.signature)
        return Record(self._key(partial.header.trainer), canonical(share))

    def _key(self, trainer: str) -> str:
        return bulk_prefix(self._cid) + trainer
