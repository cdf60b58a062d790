"""The answers of one round as they come in at the coordinator, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.effects import CheckStream, Effect, StoreChunk
from protocols.errors import PeerViolation
from protocols.messages import AnswerChunk, AnswerHeader
from protocols.round_config import RoundConfig

from .chunks import answer_fault, answer_stream, chunk_count


@dataclass(slots=True)
class _Parts:
    header: AnswerHeader
    signature: bytes
    stored: dict[int, None] = field(default_factory=dict)


class Answers:
    """Shares of the sum over one set.

    `complete` holds the headers of those that are what their header says, `failed` names the
    holders whose last one was not.
    """

    def __init__(self, config: RoundConfig) -> None:
        self.complete: dict[str, AnswerHeader] = {}
        self.failed: dict[str, None] = {}
        self.signatures: dict[str, bytes] = {}
        self._config = config
        self._cid = config.cid()
        self._parts: dict[str, _Parts] = {}

    def receive(self, holder: str, message: AnswerChunk, set_digest: bytes) -> list[Effect] | None:
        """Store a chunk of an answer for this set; None if it is not new."""
        header = message.header
        if holder in self.complete:
            return None
        if header.set_digest != set_digest:
            raise PeerViolation(holder, "answered for a set that was never proposed")
        fault = answer_fault(self._config, header.answer_bytes, message.index, message.payload)
        if fault is not None:
            raise PeerViolation(holder, f"sent an answer of the wrong shape: {fault}")
        parts = self._parts.setdefault(holder, _Parts(header, message.header_signature))
        if parts.header != header:
            raise PeerViolation(holder, "sent two different answers")
        if message.index in parts.stored:
            return None
        return self._store(holder, parts, message)

    def _store(self, holder: str, parts: _Parts, message: AnswerChunk) -> list[Effect]:
        parts.stored[message.index] = None
        stream = answer_stream(self._cid, holder)
        effects: list[Effect] = [StoreChunk(self._config, stream, message.index, message.payload)]
        if len(parts.stored) == chunk_count(self._config):
            effects.append(CheckStream(self._config, stream, parts.header.answer_digest))
        return effects

    def checked(self, holder: str, *, ok: bool) -> bool:
        """Take the result of a `CheckStream`; say whether one more answer is complete."""
        parts = self._parts.pop(holder, None)
        if parts is None:
            return False
        if not ok:
            self.failed[holder] = None
            return False
        self.failed.pop(holder, None)
        self.complete[holder] = parts.header
        self.signatures[holder] = parts.signature
        return True
