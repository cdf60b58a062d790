"""What is sealed on its way, and to what each box is bound: shares and answers, chunk by chunk."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from protocols.messages import AnswerChunk, ShareChunk
from protocols.round_config import RoundConfig
from protocols.trust.errors import Untrusted
from protocols.trust.sealing import Binding, SealingKey

Purpose = Literal["share", "answer"]


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
    purpose: Purpose = "share" if isinstance(chunk, ShareChunk) else "answer"
    header = chunk.header
    contents = purpose, header.cid, header.digest(), chunk.index
    return _bound(federation, sender, recipient, contents)


@lru_cache(maxsize=1024)  # whoever sends a chunk again, opens it or looks on asks for the same
def _bound(
    federation: str, sender: str, recipient: str, contents: tuple[Purpose, bytes, bytes, int]
) -> bytes:
    purpose, cid, header_digest, index = contents
    return Binding(
        purpose=purpose,
        federation=federation,
        round_id=cid,
        sender=sender,
        recipient=recipient,
        header_digest=header_digest,
        index=index,
    ).to_bytes()
