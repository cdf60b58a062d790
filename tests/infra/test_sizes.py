"""What the largest message of a job needs beside its chunk, and what the doctor asks for."""

from __future__ import annotations

from fakes.round_parts import config_of

from infra.doctor.rights import _FRAME_BYTES
from protocols.codec import seal
from protocols.messages import MAX_HOLDERS, ContributionHeader, ShareChunk
from protocols.trust.sealing import MAX_OVERHEAD_BYTES


def test_the_doctor_tries_no_less_than_the_largest_message() -> None:
    config = config_of(chunk_bytes=4 * 2**20)
    header = ContributionHeader(
        cid=bytes(32),
        trainer="t" * 63,
        share_bytes=2**39,
        share_digests=(bytes(32),) * MAX_HOLDERS,
    )
    box = bytes(config.chunk_bytes + MAX_OVERHEAD_BYTES)

    chunk = ShareChunk(header=header, index=2**30, payload=box, header_signature=bytes(64))
    largest = seal("t" * 63, chunk, signature=bytes(64))

    assert len(largest) <= config.chunk_bytes + _FRAME_BYTES
