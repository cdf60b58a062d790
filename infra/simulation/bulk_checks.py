"""What the coordinator must have on its disk when it speaks of bulk, or of a set."""

from __future__ import annotations

import hashlib

from protocols.messages import Contribution, Grant, Have
from protocols.records import HeldShare, RoundRecord
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import bulk_chunk_count, bulk_stream
from protocols.secagg.sets import contribution_digest

from .ghost import Ghost, Rule


class BulkChecks:
    """Looks at what the coordinator says as a recipient of uploads."""

    def __init__(self, ghost: Ghost) -> None:
        self._ghost = ghost
        self._name = ghost.roster.coordinator

    def sending(self, trainer: str, message: Grant | Have) -> None:
        """Look at a message to a trainer before it leaves."""
        config = self._current(message.cid)
        if isinstance(message, Have):
            self._ghost.bulk.setdefault(message.cid, {})[trainer] = None
        if config is None:
            return  # decided on before the end of its round
        if isinstance(message, Grant):
            self._on_grant(trainer, config, message)
            return
        for contribution in message.contributions:
            if contribution.trainer != trainer:
                text = f"told {trainer} of the bulk of {contribution.trainer}"
                self._ghost.violated(Rule.HONEST, self._name, text)
            self._require(config, contribution, "has the bulk of")

    def asked_for(self, cid: bytes, chosen: tuple[Contribution, ...]) -> None:
        """See that a set that holders are asked to go along with can be opened here."""
        config = self._current(cid)
        if config is not None and bulk_chunk_count(config):
            for contribution in chosen:
                self._require(config, contribution, "asked for a set with")

    def _current(self, cid: bytes) -> RoundConfig | None:
        record = self._ghost.durable(self._name, "round", RoundRecord)
        same = record is not None and record.config.cid() == cid
        return record.config if record is not None and same else None

    def _share(self, cid: bytes, trainer: str) -> HeldShare | None:
        return self._ghost.durable(self._name, f"bulk/{cid.hex()}/{trainer}", HeldShare)

    def _on_grant(self, trainer: str, config: RoundConfig, message: Grant) -> None:
        """See that nothing is asked for before what came is on the disk."""
        if self._share(message.cid, trainer) is None:
            # One that was decided on may leave after its trainer was left out.
            return
        kept = self._ghost.disks[self._name].chunks.get(bulk_stream(message.cid, trainer), {})
        missing = [index for index in range(message.spans[0][0]) if index not in kept]
        if missing or message.spans[-1][0] >= bulk_chunk_count(config):
            text = f"granted {trainer} chunks from {message.spans[0][0]} on and lacks {missing}"
            self._ghost.violated(Rule.DURABLE, self._name, text)

    def _require(self, config: RoundConfig, contribution: Contribution, what: str) -> None:
        ghost, cid, trainer = self._ghost, config.cid(), contribution.trainer
        share = self._share(cid, trainer)
        if share is None and what.startswith("has"):
            return  # left out since
        fits = (
            share is not None
            and share.complete
            and contribution_digest(share.header) == contribution.digest
        )
        kept = ghost.disks[self._name].chunks.get(bulk_stream(cid, trainer), {})
        if not fits or len(kept) != bulk_chunk_count(config):
            ghost.violated(Rule.DURABLE, self._name, f"{what} {trainer}")
            return
        whole = hashlib.sha256(b"".join(kept[index] for index in sorted(kept))).digest()
        if share is not None and share.header.bulk_digest != whole:
            text = f"{what} {trainer}, whose bulk has another digest"
            ghost.violated(Rule.GENUINE, self._name, text)
