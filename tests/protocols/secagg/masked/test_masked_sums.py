"""Whole masked sums are exact, and what does not belong together never passes for a sum."""

from __future__ import annotations

import hashlib
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.masked_round import MaskedRound
from protocols.secagg.masked.masking import mask, secret_of
from protocols.secagg.masked.noise import Garbled, Verdict
from protocols.secagg.masked.opening import add, open_block
from protocols.secagg.masked.parameters import A, B
from protocols.secagg.masked.sharing import add_share, open_secrets, share_bytes, shares_of

LAYOUTS = [(A, 1), (A, 2), (A, 3), (A, 4), (B, 1), (B, 3), (B, 5), (B, 6), (B, 8)]


def random_values(of, seed: int) -> np.ndarray:
    limit = of.layout.limit
    return np.random.default_rng(seed).integers(-limit, limit, of.dimension, endpoint=True)


def drawn_values(data, of) -> np.ndarray:
    limit = of.layout.limit
    some = data.draw(st.lists(st.integers(-limit, limit), min_size=1, max_size=20))
    return np.resize(np.array(some, dtype=np.int64), of.dimension)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_sum_over_any_survivors_is_exact_for_any_holders(data, round_with, everybody, seed_of):
    trainers = data.draw(st.integers(1, 4))
    of = round_with(
        dimension=data.draw(st.integers(1, 1200)),
        slots=data.draw(st.integers(1, 8)),
        number=data.draw(st.integers(0, 99)),
    )
    vectors = [drawn_values(data, of) for _ in range(trainers)]
    places = data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=5, unique=True))

    parties = everybody(of)
    contributions = [
        parties.contribution(seed_of(number), vector) for number, vector in enumerate(vectors)
    ]

    assert parties.sum(contributions, places) == sum(vectors).tolist()


@pytest.mark.parametrize(("parameters", "slots"), LAYOUTS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_extremes_do_not_run_into_each_other(
    round_with, everybody, seed_of, parameters, slots, sign
):
    of = round_with(parameters, dimension=700 * slots, slots=slots, trainers=3)
    signs = np.where(np.arange(of.dimension) % 2, sign, -sign) if slots % 2 else sign
    values = np.full(of.dimension, of.layout.limit, dtype=np.int64) * signs

    parties = everybody(of)
    contributions = [parties.contribution(seed_of(number), values) for number in range(3)]
    opened = parties.opener(contributions)(0)

    assert opened.values.tolist() == (3 * values).tolist()
    assert opened.noise.verdict(3) is Verdict.SOUND


@pytest.mark.parametrize(("parameters", "slots"), [(A, 3), (B, 6)])
def test_a_vector_of_several_blocks_with_a_short_last_one(
    round_with, everybody, seed_of, parameters, slots
):
    of = round_with(parameters, dimension=2 * 196_608 + 1_234, slots=slots, trainers=3)
    assert (of.blocks, of.spans) == (3, 1)
    assert of.coefficients(2) == -(-1_234 // slots)
    vectors = [random_values(of, number) for number in range(2)]

    parties = everybody(of)
    contributions = [
        parties.contribution(seed_of(number), vector) for number, vector in enumerate(vectors)
    ]

    assert parties.sum(contributions, (4, 1, 2)) == sum(vectors).tolist()


def test_each_span_has_a_secret_of_its_own(round_with, seed_of):
    of = round_with()
    assert (of.blocks, of.spans, of.span_of(1), of.span_of(2)) == (3, 2, 0, 1)

    first, second = (secret_of(of, seed_of(0), span) for span in range(2))

    assert first.values.tolist() != second.values.tolist()


def test_spans_hold_no_more_than_sixteen_million_values(round_with):
    of = round_with(A, dimension=10**8)

    assert of.span_blocks * of.block_values <= 2**24 < (of.span_blocks + 1) * of.block_values
    assert (of.blocks, of.spans) == (509, 6)
    assert [of.span_of(block) for block in (0, 84, 85, 508)] == [0, 0, 1, 5]


@pytest.mark.parametrize(("parameters", "slots"), [(A, 3), (A, 1), (B, 6)])
@pytest.mark.parametrize("dimension", [1, 300, 10_000, 400_001])
def test_payloads_are_as_long_as_they_are_said_to_be(
    round_with, seed_of, parameters, slots, dimension
):
    of = round_with(parameters, dimension=dimension, slots=slots, trainers=3)
    secret, sizes = secret_of(of, seed_of(0), 0), []
    for block in range(of.blocks):
        values = np.zeros(of.length(block), dtype=np.int64)
        sizes.append(len(mask(of, seed_of(0), block, values, secret)))

    assert sizes == [of.payload_bytes(block) for block in range(of.blocks)]
    assert sum(sizes) == of.upload_bytes()
    assert sum(of.length(block) for block in range(of.blocks)) == dimension


def test_a_million_values_take_little_more_than_those_of_the_design(round_with):
    of = round_with(A, dimension=10**6, trainers=1_000)

    assert of.upload_bytes() == pytest.approx(3.75e6, rel=1e-3)
    assert share_bytes(A.degree) == 16_384
    assert max(of.payload_bytes(block) for block in range(of.blocks)) < 2**20


def test_equal_arguments_give_equal_bytes(round_with, everybody, seed_of):
    of = round_with()
    values = random_values(of, 0)

    assert everybody(of).contribution(seed_of(0), values) == everybody(of).contribution(
        seed_of(0), values
    )


def test_blocks_may_be_masked_in_threads(round_with, seed_of):
    of = round_with(A, dimension=4 * 196_608, trainers=3)
    values, secret = random_values(of, 0), secret_of(of, seed_of(0), 0)

    def masked(block: int) -> bytes:
        part = values[of.start(block) : of.start(block) + of.length(block)]
        return mask(of, seed_of(0), block, part, secret)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(masked, range(of.blocks))) == [masked(b) for b in range(of.blocks)]


@pytest.mark.parametrize(("parameters", "slots"), [(A, 3), (B, 6)])
def test_nobody_needs_more_memory_than_for_a_block_beside_sums_in_place(
    round_with, seed_of, parameters, slots
):
    of = round_with(parameters, dimension=5 * 196_608, slots=slots, trainers=3)
    values, secret = np.zeros(of.block_values, dtype=np.int64), secret_of(of, seed_of(0), 0)
    totals = [
        add(of, block, None, mask(of, seed_of(0), block, values, secret))
        for block in range(of.blocks)
    ]
    sizes = sum(total.nbytes for total in totals)
    assert sizes == 4 * len(parameters.primes) * of.dimension / slots

    tracemalloc.start()
    try:
        for block, total in enumerate(totals):
            assert add(of, block, total, mask(of, seed_of(1), block, values, secret)) is total
            open_block(of, block, total, secret.evaluations)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 6e6


# --- what is refused ------------------------------------------------------------------


def test_values_that_do_not_fit_are_never_masked(round_with, seed_of):
    of = round_with(dimension=10)
    secret = secret_of(of, seed_of(0), 0)
    for wrong in (of.layout.limit + 1, -of.layout.limit - 1):
        with pytest.raises(Misuse, match="does not fit set toy with 3 slots"):
            mask(of, seed_of(0), 0, np.array([0] * 9 + [wrong]), secret)
    with pytest.raises(Misuse, match="block 0 has 10 int64 values"):
        mask(of, seed_of(0), 0, np.zeros(9, dtype=np.int64), secret)
    with pytest.raises(Misuse, match="block 0 has 10 int64 values"):
        mask(of, seed_of(0), 0, np.zeros(10), secret)


def test_what_is_not_there_is_misuse(round_with, seed_of):
    of = round_with()
    with pytest.raises(Misuse, match="block 3 of 3"):
        of.length(3)
    with pytest.raises(Misuse, match="span 2 of 2"):
        secret_of(of, seed_of(0), 2)
    with pytest.raises(Misuse, match="seed has 32 bytes"):
        secret_of(of, b"short", 0)
    with pytest.raises(Misuse, match="threshold 1 of 5"):
        shares_of(of, seed_of(0), 0, secret_of(of, seed_of(0), 0), (1, 5))
    with pytest.raises(ValueError, match="id has 32 bytes"):
        round_with().__class__(b"short", of.layout, 1)
    with pytest.raises(ValueError, match="at least one value"):
        round_with(dimension=0)


def test_a_payload_that_is_none_leaves_the_sum_as_it_was(round_with, everybody, seed_of):
    of = round_with()
    good = everybody(of).contribution(seed_of(0), random_values(of, 0)).blocks[0]
    total = add(of, 0, None, good)
    before = total.copy()
    size = len(good) // 3
    # The last residue of the last prime: all but this have been read by then.
    spoilt = good[:-4] + (2**30 - 1).to_bytes(4, "little")

    for payload in (good[:-1], good + bytes(60), b"", spoilt, good[:size] * 2):
        with pytest.raises(Undecodable):
            add(of, 0, total, payload)
        assert (total == before).all()
    with pytest.raises(Misuse, match="not one of block 2"):
        add(of, 2, total[:, :5], bytes(of.payload_bytes(2)))
    with pytest.raises(Misuse, match="not one of block 2"):
        open_block(of, 2, total[:2], np.zeros((3, 16), dtype=np.uint64))


def test_sums_of_residues_stay_residues(round_with, everybody, seed_of):
    of = round_with()
    contribution = everybody(of).contribution(seed_of(0), random_values(of, 0))
    total = None
    for _ in range(5):
        total = add(of, 0, total, contribution.blocks[0])
        for row, prime in zip(total, of.layout.parameters.primes, strict=True):
            assert row.max() < prime


def test_shares_that_are_none_are_refused(round_with, everybody, seed_of):
    of = round_with()
    share = everybody(of).contribution(seed_of(0), random_values(of, 0)).shares[0][0]
    total = add_share(16, None, share)
    before = total.copy()

    for payload in (share[:-1], share + share, bytes([255]) * 64):
        with pytest.raises(Undecodable):
            add_share(16, total, payload)
        assert (total == before).all()
    with pytest.raises(Undecodable, match="holder at place 1"):
        open_secrets(16, 2, 1, {0: share, 1: share[:-4]})
    with pytest.raises(Misuse, match="1 answers do not open; 2 are needed"):
        open_secrets(16, 2, 1, {0: share})


# --- what is noticed ------------------------------------------------------------------


def contributions_of(parties, seed_of, count: int):
    return [
        parties.contribution(seed_of(number), random_values(parties.of, number))
        for number in range(count)
    ]


@pytest.mark.parametrize("dimension", [1, 100, 5_000])
def test_secrets_of_other_trainers_open_garbage_and_it_is_seen(
    round_with, everybody, seed_of, dimension
):
    parties = everybody(round_with(A, dimension=dimension))
    contributions = contributions_of(parties, seed_of, 4)

    for others in (contributions[:2], contributions[1:]):
        opened = parties.opener(contributions[:3], secrets_of=others)(0)
        assert opened.noise.verdict(3) is Verdict.GARBLED
    assert parties.opener(contributions[:3])(0).noise.verdict(3) is Verdict.SOUND


def test_another_round_opens_garbage(round_with, everybody, seed_of):
    parties, other = (everybody(round_with(A, dimension=100, number=n)) for n in (0, 1))
    contributions = contributions_of(parties, seed_of, 3)

    opened = other.opener(contributions)(0)

    assert opened.noise.verdict(3) is Verdict.GARBLED


def test_one_changed_residue_is_seen(round_with, everybody, seed_of):
    parties = everybody(round_with(A, dimension=3_000))
    contributions = contributions_of(parties, seed_of, 3)
    blocks = contributions[0].blocks
    blocks[0] = bytes([blocks[0][0] ^ 1]) + blocks[0][1:]

    opened = parties.opener(contributions)(0)

    assert opened.noise.verdict(3) is Verdict.GARBLED
    assert opened.noise.strays == 1 or opened.noise.largest > 400


def test_a_false_share_opens_no_sum_of_secrets(round_with, everybody, seed_of):
    parties = everybody(round_with(A, dimension=10))
    contributions = contributions_of(parties, seed_of, 3)
    first = contributions[0].shares[0]
    contributions[0].shares[0] = (first[1], *first[1:])

    with pytest.raises(Garbled, match=r"places \[0, 1, 2\] open to no sum of 3 secrets"):
        parties.opener(contributions)(0)
    assert parties.opener(contributions, places=(1, 2, 3))(0).noise.verdict(3) is Verdict.SOUND


def test_fewer_holders_than_the_threshold_see_nothing_that_opens(round_with, everybody, seed_of):
    parties = everybody(round_with(A, dimension=10))
    contributions = contributions_of(parties, seed_of, 3)
    answers = parties.answers(contributions, 0)

    with pytest.raises(Garbled):
        open_secrets(A.degree, 2, 3, {0: answers[0], 1: answers[1]})


def test_the_noise_of_a_sum_is_that_of_its_contributors(round_with, everybody, seed_of):
    parties = everybody(round_with(A, dimension=60_000, trainers=8))
    contributions = contributions_of(parties, seed_of, 8)

    noise = parties.opener(contributions)(0).noise

    assert noise.count == 20_000
    assert noise.spread(8) == pytest.approx(1, abs=0.05)
    # As if it were of fewer or of more: somebody's noise would be too wide or too narrow.
    assert noise.verdict(8) is Verdict.SOUND
    assert noise.verdict(6) is Verdict.WRONG_WIDTH
    assert noise.verdict(10) is Verdict.WRONG_WIDTH


def test_the_sum_of_as_many_as_there_may_be_is_exact(round_with, everybody):
    of = round_with(A, dimension=384, trainers=300)
    seeds = [hashlib.sha256(b"many %d" % number).digest() for number in range(300)]
    values = np.where(np.arange(384) % 2, of.layout.limit, -of.layout.limit)

    parties = everybody(of)
    contributions = [parties.contribution(seed, values) for seed in seeds]
    opened = parties.opener(contributions)(0)

    assert opened.values.tolist() == (300 * values).tolist()
    assert opened.noise.verdict(300) is Verdict.SOUND
    assert opened.noise.largest < 2 ** (of.layout.noise_bits - 2)


def test_nothing_secret_is_shown(round_with, seed_of):
    secret = secret_of(round_with(), seed_of(0), 0)

    assert "array" not in repr(secret)
    assert isinstance(round_with().layout, Layout)


@pytest.mark.parametrize(
    ("block_bytes", "coefficients"),
    [
        (1, 128),  # never fewer: garbage would pass for a sum
        (1440, 128),
        (16_384, 1456),
        (46_080, 4096),
        (100_000, 8192),  # whole polynomials from the first on
        (2**22, 65_536),  # never more than the set has
        (0, 65_536),
    ],
)
def test_a_full_block_fits_into_the_bytes_that_it_may_have(block_bytes, coefficients):
    layout = Layout(parameters=A, trainers=100, slots=3)
    of = MaskedRound(bytes(32), layout, 10**6, block_bytes)

    assert of.block_coefficients == coefficients
    assert sum(of.length(block) for block in range(of.blocks)) == 10**6
    if block_bytes >= 1440:
        assert of.payload_bytes(0) <= block_bytes
