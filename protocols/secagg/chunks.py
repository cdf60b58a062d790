"""Streams of chunks: how many a share has, and under which names they are kept."""

from __future__ import annotations

from protocols.messages import Contribution
from protocols.round_config import RoundConfig

from .suites import SUITES
from .tails import tail_bytes, tail_chunk_bytes, tail_chunks


def chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a vector: all of an answer, and of a share but its tail."""
    return SUITES[config.suite].chunks(config)


def share_chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a share; where there are checks, a tail ends it."""
    return chunk_count(config) + tail_chunks(config)


def share_size(config: RoundConfig) -> int:
    """Return the bytes of one holder's share, its tail among them."""
    return SUITES[config.suite].share_bytes(config) + tail_bytes(config)


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
    sizes = _sizes(config, index, share_chunk_count(config))
    return _fault((total_bytes, share_size(config)), index, payload, sizes)


def _sizes(config: RoundConfig, index: int, chunks: int) -> tuple[int, int]:
    """Return how many chunks there are, and the bytes of one of them, 0 where there is none."""
    if index >= chunks:
        return chunks, 0
    number = index - chunk_count(config)
    if number >= 0:
        return chunks, tail_chunk_bytes(config, number)
    return chunks, SUITES[config.suite].payload_bytes(config, index)


def _fault(
    total: tuple[int, int], index: int, payload: bytes, sizes: tuple[int, int]
) -> str | None:
    (claimed, right), (chunks, size) = total, sizes
    if claimed != right:
        return f"{claimed} bytes where {right} belong"
    if index >= chunks:
        return f"chunk {index} of {chunks}"
    return None if len(payload) == size else f"chunk {index} is {len(payload)} bytes long"
