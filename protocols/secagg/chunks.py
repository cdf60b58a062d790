"""Streams of chunks: how many a share has, and under which names they are kept."""

from __future__ import annotations

from protocols.messages import Contribution
from protocols.round_config import RoundConfig

from .suites import SUITES


def chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a share, which is that of an answer too."""
    return SUITES[config.suite].chunks(config)


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


def shape_fault(config: RoundConfig, total_bytes: int, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of a share or an answer, None if it fits the round."""
    suite = SUITES[config.suite]
    if total_bytes != suite.share_bytes(config):
        return f"{total_bytes} bytes where {suite.share_bytes(config)} belong"
    if index >= suite.chunks(config):
        return f"chunk {index} of {suite.chunks(config)}"
    if len(payload) != suite.payload_bytes(config, index):
        return f"chunk {index} is {len(payload)} bytes long"
    return None
