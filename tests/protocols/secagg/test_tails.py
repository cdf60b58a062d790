"""What a share has behind the vector: its form, and what a trainer deals there."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from fakes.round_parts import chunks_of, config_of, header_of
from msgspec.structs import replace

from protocols.codec import Undecodable, canonical
from protocols.errors import Misuse
from protocols.messages import ContributionHeader, TailDigests
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import chunk_count, share_chunk_count, share_fault, share_size
from protocols.secagg.field import P61
from protocols.secagg.norm_bound import NormBound
from protocols.secagg.salts import salts_of
from protocols.secagg.sets import contribution_digest
from protocols.secagg.shamir import reconstruct
from protocols.secagg.suites import SUITES
from protocols.secagg.tail_dealing import deal_tails, salt_of_tests
from protocols.secagg.tails import (
    cut,
    hashed,
    holds_residues,
    read_tail,
    seed_of_tests,
    tail_bytes,
    tail_chunk_bytes,
    tail_chunks,
    tails_fault,
)

T, N = 2, 5
BOUND = config_of(checks=True, threshold=T, norm_bound=1000)
PLAIN = config_of(checks=True)
SEED = bytes(range(32))
LENGTH = NormBound(squared=1000).witness_length


def bits() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, size=LENGTH, dtype=np.uint64)


@pytest.mark.parametrize("chunk_bytes", [1024, 1025, 4096, 2**20])
def test_a_tail_is_cut_into_chunks_that_are_put_together_again(chunk_bytes: int) -> None:
    config = config_of(checks=True, threshold=T, norm_bound=1000, chunk_bytes=chunk_bytes)
    tail = deal_tails(config, SEED, bits())[2]

    pieces = cut(config, tail.to_bytes())

    assert len(tail.to_bytes()) == tail_bytes(config) == 32 + 8 * (4 + LENGTH)
    assert len(pieces) == tail_chunks(config) == share_chunk_count(config) - chunk_count(config)
    assert [len(p) for p in pieces] == [tail_chunk_bytes(config, i) for i in range(len(pieces))]
    assert share_size(config) == SUITES["shamir"].share_bytes(config) + tail_bytes(config)
    again = read_tail(config, pieces)
    assert again.salt == tail.salt
    assert again.to_bytes() == tail.to_bytes()
    first = chunk_count(config)
    for number, piece in enumerate(pieces):
        assert share_fault(config, share_size(config), first + number, piece) is None
        assert share_fault(config, share_size(config), first + number, piece + b"8 bytes.")
        assert holds_residues(config, number, piece)


def test_without_a_bound_a_tail_is_the_masks_and_without_checks_nothing() -> None:
    assert (tail_bytes(PLAIN), tail_chunks(PLAIN)) == (16, 1)
    assert (tail_bytes(config_of()), tail_chunks(config_of())) == (0, 0)
    assert hashed(PLAIN, 0, b"masks") == (b"masks", b"")


def test_a_salt_is_in_both_digests_and_nothing_else_of_the_tail_in_that_of_the_share() -> None:
    pieces = cut(BOUND, deal_tails(BOUND, SEED, bits())[0].to_bytes())
    parts = [hashed(BOUND, number, piece) for number, piece in enumerate(pieces)]

    assert len(pieces) > 2
    assert b"".join(whole for whole, _ in parts) == salts_of(BOUND, SEED)[0]
    assert b"".join(tail for _, tail in parts) == b"".join(pieces)


@pytest.mark.parametrize("place", [32, 40, 1016])
def test_what_is_no_residue_is_found_anywhere_but_in_the_salt(place: int) -> None:
    piece = cut(BOUND, deal_tails(BOUND, SEED, bits())[0].to_bytes())[0]
    salted = b"\xff" * 32 + piece[32:]
    spoilt = piece[:place] + b"\xff" * 8 + piece[place + 8 :]

    assert holds_residues(BOUND, 0, salted)
    assert not holds_residues(BOUND, 0, spoilt)
    assert not holds_residues(BOUND, 1, salted)


def test_what_is_dealt_opens_to_the_bits_and_to_masks_of_their_degrees() -> None:
    dealt, tails = bits(), deal_tails(BOUND, SEED, bits())

    for places in ((0, 1), (2, 4), (3, 1)):
        points = [place + 1 for place in places]
        rows = np.stack([tails[place].witness for place in places])
        assert np.array_equal(reconstruct(P61, points, rows), dealt)
        masks = reconstruct(P61, points, np.stack([tails[place].masks for place in places]))
        assert masks.tolist() == first_masks(tails)
    for places in ((0, 1, 2), (1, 3, 4)):  # 2t - 1 of them
        points = [place + 1 for place in places]
        zeros = reconstruct(P61, points, np.stack([tails[place].vanishing for place in places]))
        assert zeros.tolist() == [0, 0]
    two = reconstruct(P61, [1, 2], np.stack([tails[0].vanishing, tails[1].vanishing]))
    assert all(two.tolist()), "the masks of squares have less than the doubled degree"


def first_masks(tails: tuple) -> list[int]:
    rows = np.stack([tail.masks for tail in tails[:T]])
    return list(reconstruct(P61, [1, 2], rows).tolist())


def test_all_that_hides_follows_from_the_seed_and_the_round_and_nothing_is_drawn_twice() -> None:
    other_round = config_of(checks=True, threshold=T, norm_bound=1000, number=2)
    other_seed = bytes(reversed(SEED))
    tails = deal_tails(BOUND, SEED, bits())

    assert [t.to_bytes() for t in tails] == [t.to_bytes() for t in deal_tails(BOUND, SEED, bits())]
    everybody = [
        *tails,
        *deal_tails(other_round, SEED, bits()),
        *deal_tails(BOUND, other_seed, bits()),
    ]
    assert len({tail.salt for tail in everybody}) == 3 * N
    for part in ("masks", "vanishing", "witness"):
        assert len({getattr(tail, part).tobytes() for tail in everybody}) == 3 * N
    salts = {
        salt_of_tests(c, s, k) for c, s in ((BOUND, SEED), (other_round, SEED)) for k in range(3)
    }
    assert len(salts) == 6
    assert not salts & {tail.salt for tail in everybody}


def test_a_share_of_the_bits_says_nothing_of_them() -> None:
    # Each of one holder's words has each of its bits set half of the time.
    words = np.concatenate(
        [deal_tails(BOUND, bytes([k]) * 32, bits())[0].witness for k in range(4)]
    )

    for bit in range(61):
        ones = int((words >> np.uint64(bit) & np.uint64(1)).sum())
        assert abs(ones - words.size / 2) < 5 * math.sqrt(words.size) / 2


def test_a_tail_of_another_round_or_without_a_bound_is_refused() -> None:
    tail = deal_tails(BOUND, SEED, bits())[0].to_bytes()

    with pytest.raises(Undecodable, match="no tail"):
        read_tail(BOUND, [tail[:-8]])
    with pytest.raises(Undecodable, match="no tail"):
        read_tail(PLAIN, [tail])
    with pytest.raises(Misuse, match="where norms are bound"):
        deal_tails(PLAIN, SEED, bits())


# --- headers --------------------------------------------------------------------------


def test_headers_without_a_bound_have_the_bytes_that_they_had_before_there_was_one() -> None:
    header = ContributionHeader(
        cid=bytes(32), trainer="ann", share_bytes=8, share_digests=(bytes(32), b"\x01" * 32)
    )

    assert canonical(header) == (
        b"\x85\xa4type\xb2ContributionHeader\xa3cid\xc4\x20" + bytes(32) + b"\xa7trainer\xa3ann"
        b"\xabshare_bytes\x08\xadshare_digests\x92\xc4\x20" + bytes(32) + b"\xc4\x20" + b"\x01" * 32
    )


@pytest.mark.parametrize("config", [BOUND, PLAIN, config_of()])
def test_a_header_has_tails_where_norms_are_bound_and_only_there(config: RoundConfig) -> None:
    header = header_of(config, "ann")
    tails = TailDigests(salt=bytes(32), digests=(bytes(32),) * N)

    assert tails_fault(config, header) is None
    if config.norm_bound:
        few = replace(header, tails=replace(tails, digests=tails.digests[1:]))
        assert tails_fault(config, few) == "4 digests of tails for 5 holders"
        assert tails_fault(config, replace(header, tails=None)) == "no digests of tails"
    else:
        assert tails_fault(config, replace(header, tails=tails)) == "digests of tails"


def test_the_tests_follow_from_all_that_a_header_says_of_the_vector() -> None:
    header = header_of(BOUND, "ann")
    assert header.tails is not None
    changed = [
        replace(header, trainer="bob"),
        replace(header, cid=bytes(32)),
        replace(header, share_digests=(*header.share_digests[:-1], bytes(32))),
        replace(header, tails=replace(header.tails, salt=b"s" * 32)),
    ]
    other_tails = replace(header, tails=replace(header.tails, digests=(bytes(32),) * N))

    assert len({seed_of_tests(one) for one in (header, *changed)}) == 5
    assert seed_of_tests(other_tails) == seed_of_tests(header)
    assert contribution_digest(other_tails) != contribution_digest(header)
    assert seed_of_tests(header_of(PLAIN, "ann")) == b""


def test_the_parts_of_these_tests_have_the_digests_that_they_announce() -> None:
    payloads = [chunk.payload for chunk in chunks_of(BOUND, "ann")]
    header, count = header_of(BOUND, "ann"), chunk_count(BOUND)
    vector, tail = b"".join(payloads[:count]), b"".join(payloads[count:])

    assert hashlib.sha256(vector + tail[:32]).digest() == header.share_digests[0]
    assert header.tails is not None
    assert hashlib.sha256(tail).digest() == header.tails.digests[0]
