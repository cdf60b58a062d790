"""Streams of chunks: how long a share is, how it is cut, and where it is kept."""

from __future__ import annotations

from protocols.messages import Contribution
from protocols.round_config import RoundConfig

_WORD_BYTES = {"p31": 4, "p61": 8}


def share_bytes(config: RoundConfig) -> int:
    """Return the bytes of one holder's share, which are those of an answer too."""
    return config.dimension * _WORD_BYTES[config.field]


def chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks that a share is cut into."""
    return -(-share_bytes(config) // _whole_chunk(config))


def chunk_size(config: RoundConfig, index: int) -> int:
    """Return the bytes of chunk `index`; all but the last are of one size."""
    whole = _whole_chunk(config)
    return min(whole, share_bytes(config) - index * whole)


def _whole_chunk(config: RoundConfig) -> int:
    word = _WORD_BYTES[config.field]
    return config.chunk_bytes // word * word


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
