"""Public polynomials follow from the round alone, and every stream is one of its own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from vectors.make_shamir import hkdf_sha256, key_stream

from protocols.secagg.masked.parameters import A, B
from protocols.secagg.masked.streams import below, private_words, public_residues
from protocols.secagg.prg import stream_info

CID = bytes(range(32))


def by_hand(cid: bytes, prime: int, block: int, count: int) -> list[int]:
    info = stream_info(suite="masked", cid=cid, purpose=f"public {prime}", index=block)
    stream, accepted = key_stream(hkdf_sha256(cid, info)), []
    while len(accepted) < count:
        word = int.from_bytes(bytes(next(stream) for _ in range(4)), "little") % 2**30
        if word < prime:
            accepted.append(word)
    return accepted


@pytest.mark.parametrize("prime", [A.primes[0], B.primes[-1]])
@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_public_residues_come_from_the_id_by_hkdf_counter_mode_and_rejection(prime, count):
    assert public_residues(CID, prime, 3, count).tolist() == by_hand(CID, prime, 3, count)


def test_a_longer_draw_continues_a_shorter_one():
    longer = public_residues(CID, A.primes[2], 0, 70_000)

    for count in (1, 4096, 69_999):
        assert (public_residues(CID, A.primes[2], 0, count) == longer[:count]).all()


def test_words_at_and_above_the_prime_are_dropped_never_folded():
    p = A.primes[0]
    words = np.array([0, p - 1, p, 2**30 - 1, 2**30, 2**31 + 5, 2**32 - 1, 7], dtype=np.uint32)

    assert below(p, words).tolist() == [0, p - 1, 0, 5, 7]


@pytest.mark.parametrize("prime", B.primes)
def test_public_residues_are_uniform(prime):
    values = public_residues(CID, prime, 0, 200_000)

    bins = values.astype(np.int64) * 64 // prime

    assert values.max() < prime
    assert stats.chisquare(np.bincount(bins, minlength=64)).pvalue > 1e-4
    assert stats.chisquare(np.bincount(values % 64, minlength=64)).pvalue > 1e-4


def test_rounds_primes_and_blocks_have_polynomials_of_their_own():
    cases = [
        (cid, prime, block)
        for cid in (bytes(32), CID)
        for prime in A.primes
        for block in (0, 1, 2**32)
    ]
    drawn = {public_residues(*case, 64).tobytes() for case in cases}

    assert len(drawn) == len(cases)


def test_private_streams_differ_by_round_seed_purpose_and_index():
    cases = [
        (cid, seed, purpose, index)
        for cid in (bytes(32), CID)
        for seed in (bytes(32), CID)
        for purpose in ("secret", "noise")
        for index in (0, 1)
    ]
    drawn = {private_words(*case, 8).tobytes() for case in cases}

    assert len(drawn) == len(cases)
