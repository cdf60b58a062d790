"""Streams of chunks: how many a share has, and under which names they are kept."""

from __future__ import annotations

from protocols.messages import Contribution
from protocols.round_config import RoundConfig

from .field import FIELDS
from .seeds import expanded, is_seed
from .suites import SUITES


def chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a vector: all of an answer, and of a share but its masks."""
    return SUITES[config.suite].chunks(config)


def share_chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a share; where there are checks, the last is its masks."""
    return chunk_count(config) + config.checks


def share_size(config: RoundConfig) -> int:
    """Return the bytes of one holder's share as words, the masks among them."""
    suite = SUITES[config.suite]
    return suite.share_bytes(config) + (suite.mask_bytes(config) if config.checks else 0)


def written_out(config: RoundConfig, index: int, payload: bytes) -> bytes:
    """Return a chunk of a share as words, whether it travelled as words or as a seed.

    Args:
        config: of the round.
        index: number of the chunk; not that of the masks, which always travel as words.
        payload: as it is stored.

    Raises `Misuse` for a chunk that the round does not have. Memory O(chunk).
    """
    size = SUITES[config.suite].payload_bytes(config, index)
    if not is_seed(config, payload, size):
        return payload
    field = FIELDS[config.field]
    return field.to_bytes(expanded(config, payload, index, size // field.word_bytes))


def upload_stream(cid: bytes, holder: str) -> str:
    """Name the trainer's spooled share for one holder."""
    return f"{cid.hex()}/upload/{holder}"


def share_stream(cid: bytes, trainer: str) -> str:
    """Name a holder's stored share of one trainer."""
    return f"{cid.hex()}/share/{trainer}"


def answer_stream(cid: bytes, holder: str) -> str:
    """Name a holder's share of the sum, at the holder and at the coordinator."""
    return f"{cid.hex()}/answer/{holder}"


def chosen_streams(cid: bytes, chosen: tuple[Contribution, ...]) -> list[str]:
    """Name the stored shares of a set, in its order."""
    return [share_stream(cid, contribution.trainer) for contribution in chosen]


def answer_fault(config: RoundConfig, total_bytes: int, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of an answer, None if it fits the round."""
    suite = SUITES[config.suite]
    sizes = _sizes(config, index, chunk_count(config))
    return _fault((total_bytes, suite.share_bytes(config)), index, payload, sizes)


def share_fault(config: RoundConfig, total_bytes: int, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of a share, None if it fits the round."""
    chunks, size = _sizes(config, index, share_chunk_count(config))
    if index < chunk_count(config) and is_seed(config, payload, size):
        size = len(payload)
    return _fault((total_bytes, share_size(config)), index, payload, (chunks, size))


def _sizes(config: RoundConfig, index: int, chunks: int) -> tuple[int, int]:
    """Return how many chunks there are, and the bytes of one of them, 0 where there is none."""
    if index >= chunks:
        return chunks, 0
    suite = SUITES[config.suite]
    masks = index == chunk_count(config)
    return chunks, suite.mask_bytes(config) if masks else suite.payload_bytes(config, index)


def _fault(
    total: tuple[int, int], index: int, payload: bytes, sizes: tuple[int, int]
) -> str | None:
    (claimed, right), (chunks, size) = total, sizes
    if claimed != right:
        return f"{claimed} bytes where {right} belong"
    if index >= chunks:
        return f"chunk {index} of {chunks}"
    return None if len(payload) == size else f"chunk {index} is {len(payload)} bytes long"
