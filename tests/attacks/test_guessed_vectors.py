"""Holders that pool their shares, and a header that everybody has, test no guess of a vector."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from fakes.actor_rig import Stage, in_virtual_time, vector_of

from protocols.messages import OpenRound, ShareChunk
from protocols.secagg.chunks import share_stream
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.salts import SALT_BYTES

pytestmark = pytest.mark.attack


def test_two_holders_that_guess_the_vector_cannot_see_that_they_are_right() -> None:
    stage = Stage()
    in_virtual_time(stage.run())
    stage.check()
    config = stage.messages_of(OpenRound)[0].config
    field, first = FIELDS[config.field], config.chunk_bytes // 8
    header = next(
        message.header
        for sent, message in stage.messages
        if isinstance(message, ShareChunk) and sent.sender == "ann"
    )
    shares = [kept_of_ann(stage, name, config.cid()) for name in stage.roster.holders]
    assert (config.threshold, len(shares)) == (3, 5)

    # What the attackers have: t - 1 shares, and the very vector as their guess.
    guess = field.encode(FixedPoint.of(config).encode(vector_of(0, config.number)))
    pooled = [field.from_bytes(share[:-SALT_BYTES]) for share in shares[:2]]
    third = field.to_bytes(share_at(3, np.stack([guess, *pooled])))

    assert first < config.dimension, "salts are at the end of all chunks, not of each"
    assert third == shares[2][:-SALT_BYTES], "the guess is right, and the share follows from it"
    assert sha256(shares[2]).digest() == header.share_digests[2]
    known = [share[-SALT_BYTES:] for share in shares[:2]]
    tried = {sha256(third + end).digest() for end in (b"", bytes(SALT_BYTES), *known)}
    assert tried.isdisjoint(header.share_digests)


def kept_of_ann(stage: Stage, holder: str, cid: bytes) -> bytes:
    """Return all that a holder ever kept of one trainer's share, its chunks in order."""
    stream = share_stream(cid, "ann")
    chunks = {i: data for name, i, data in stage.homes[holder].spool.ever if name == stream}
    return b"".join(chunks[index] for index in sorted(chunks))


def share_at(point: int, rows: np.ndarray) -> np.ndarray:
    """Return the share at a point of the polynomials through those at 0, 1 and 2."""
    field = FIELDS["p61"]
    p = field.modulus
    found = np.zeros(rows.shape[1], dtype=object)
    for i, row in enumerate(rows):
        weight = 1
        for j in range(3):
            if j != i:
                weight = weight * (point - j) * pow(i - j, -1, p) % p
        found = (found + weight * row.astype(object)) % p
    return found.astype(np.uint64)
