"""What is sealed on its way, and to what each box is bound: shares and answers, chunk by chunk."""

from __future__ import annotations

from typing import Literal

from protocols.messages import AnswerChunk, ShareChunk
from protocols.round_config import RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import Binding, SealingKey


def key_fault(config: RoundConfig, key: SealingKey) -> str | None:
    """Say why nobody should seal to this key in a round, None if it is in order."""
    if key.suite != config.sealing:
        return f"a key of {key.suite} where the round seals with {config.sealing}"
    try:
        key.public()
    except Untrusted as error:
        return str(error)
    return None


def binding_of(
    federation: str, sender: str, recipient: str, chunk: ShareChunk | AnswerChunk
) -> bytes:
    """Return what the box of a chunk is bound to; sender and recipient both know all of it."""
    purpose: Literal["share", "answer"] = "share" if isinstance(chunk, ShareChunk) else "answer"
    return Binding(
        purpose=purpose,
        federation=federation,
        round_id=chunk.header.cid,
        sender=sender,
        recipient=recipient,
        header_digest=chunk.header.digest(),
        index=chunk.index,
    ).to_bytes()
