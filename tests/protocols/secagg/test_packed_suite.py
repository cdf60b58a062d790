"""Sums of packed shares, chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.coin import Coin
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.judging import Status, judge
from protocols.secagg.packed import split_packed
from protocols.secagg.suites import SUITES

SUITE = SUITES["packed"]
each_field = pytest.mark.parametrize("name", FIELDS)


def seed_of(trainer: int) -> bytes:
    return trainer.to_bytes(32, "big")


def packed_round(round_of, **changes):
    usual = {"suite": "packed", "packing": 2, "holders": 5, "threshold": 4}
    return round_of(**(usual | changes))


def chunk_of(suite, config, values, chunk):
    return values[suite.covers(config, chunk)]


def answers_of(config, vectors, chunk):
    """The answers of all holders for the sum of `vectors`, by trainer."""
    suite = SUITES[config.suite]
    sums = [None] * config.holders
    for trainer, values in vectors.items():
        part = chunk_of(suite, config, values, chunk)
        payloads = suite.protect(config, part, seed_of(trainer), chunk)
        sums = [suite.add(config, s, p) for s, p in zip(sums, payloads, strict=True)]
    return {place: suite.answer(config, s) for place, s in enumerate(sums)}


def opened_sum(config, vectors, answering):
    suite, pieces = SUITES[config.suite], []
    for chunk in range(suite.chunks(config)):
        answers = answers_of(config, vectors, chunk)
        pieces += suite.open(config, {place: answers[place] for place in answering}).tolist()
    return pieces[: config.dimension]


def random_vectors(config, survivors, entropy):
    limit = FixedPoint(FIELDS[config.field], 0, config.trainers).limit
    rng = np.random.default_rng(entropy)
    vectors = {
        trainer: rng.integers(-limit, limit, endpoint=True, size=config.dimension)
        for trainer in survivors
    }
    for values in vectors.values():
        values[0] = limit  # the sum at the edge of what fits
        values[-1] = -limit
    return vectors


@st.composite
def rounds(draw, round_of, name):
    holders = draw(st.one_of(st.integers(2, 12), st.just(64)))
    threshold = draw(st.integers(2, holders))
    config = round_of(
        suite="packed",
        packing=draw(st.integers(1, threshold - 1)),
        field=name,
        holders=holders,
        threshold=threshold,
        trainers=draw(st.integers(3, 6)),
        dimension=draw(st.integers(1, 2000)),
        number=draw(st.integers(0, 5)),
    )
    survivors = draw(st.sets(st.integers(0, config.trainers - 1), min_size=1))
    answering = draw(st.permutations(range(holders)))
    count = draw(st.integers(config.threshold, holders))
    return config, survivors, answering[:count], draw(st.integers(0, 2**32 - 1))


@each_field
@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.data())
def test_the_opened_sum_is_the_plain_sum_for_any_survivors_and_holders(round_of, name, data):
    config, survivors, answering, entropy = data.draw(rounds(round_of, name))
    vectors = random_vectors(config, survivors, entropy)

    opened = opened_sum(config, vectors, answering)

    plain = zip(*(values.tolist() for values in vectors.values()), strict=True)
    assert opened == [sum(column) for column in plain]


@each_field
def test_the_sum_is_that_of_shamirs_suite_to_the_last_bit(round_of, name):
    changes = {"field": name, "holders": 7, "threshold": 5, "dimension": 1000, "trainers": 6}
    packed, plain = packed_round(round_of, packing=3, **changes), round_of(**changes)
    vectors = random_vectors(packed, range(6), entropy=3)

    sums = [opened_sum(config, vectors, [6, 0, 5, 2, 3]) for config in (packed, plain)]

    assert sums[0] == sums[1] == sum(vectors.values()).tolist()


@each_field
@pytest.mark.parametrize("packing", [1, 2, 3])
def test_a_share_is_as_many_times_shorter_as_secrets_share_a_polynomial(round_of, name, packing):
    config = packed_round(round_of, field=name, packing=packing, dimension=1800)
    word = FIELDS[name].word_bytes

    pieces = [SUITE.covers(config, chunk) for chunk in range(SUITE.chunks(config))]
    lengths = [piece.stop - piece.start for piece in pieces]

    assert sum(lengths) == 1800
    assert set(lengths[:-1]) <= {1024 // word * packing}
    assert SUITE.share_bytes(config) == 1800 // packing * word
    for chunk, length in enumerate(lengths):
        payloads = SUITE.protect(config, np.zeros(length, np.int64), seed_of(1), chunk)
        assert [len(p) for p in payloads] == [SUITE.payload_bytes(config, chunk)] * 5
        assert len(payloads[0]) <= config.chunk_bytes


@each_field
@pytest.mark.parametrize("dimension", [1, 2, 4, 767, 768, 769])
def test_lengths_that_fill_no_column_are_filled_up_and_cut_again(round_of, name, dimension):
    config = packed_round(round_of, field=name, packing=3, dimension=dimension)
    vectors = random_vectors(config, range(3), entropy=dimension)

    assert opened_sum(config, vectors, [4, 2, 1, 0]) == sum(vectors.values()).tolist()


@each_field
def test_a_filling_that_its_owner_chose_spoils_neither_the_sum_nor_the_check_of_it(round_of, name):
    config, field = packed_round(round_of, field=name, dimension=3), FIELDS[name]
    honest = answers_of(config, {0: np.array([1, 2, 3])}, 0)
    # Three values in rows of two: the fourth place is nobody's, and here it is not zero.
    secrets = np.array([[5, 6], [7, 8]], dtype=field.dtype)
    randoms = np.array([[1, 2], [3, 4]], dtype=field.dtype)
    crooked = split_packed(field, secrets, randoms, 5, [0, 1])

    answers = {}
    for place, answer in honest.items():
        total = SUITE.add(config, None, answer)
        answers[place] = SUITE.answer(config, SUITE.add(config, total, crooked[place].tobytes()))
    opened = SUITE.open(config, answers)
    coin = Coin(field=field, seed=bytes(32), context=b"test")
    judgement = judge(SUITE.committee(config), SUITE.vouch(config, coin, 0, answers))

    assert opened[:3].tolist() == [6, 8, 10]
    assert judgement.status is Status.VERIFIED
    assert SUITE.vouch_opened(config, coin, 0, opened) == judgement.at_zero


@each_field
def test_another_sum_than_the_judged_one_is_seen_in_whatever_row_it_differs(round_of, name):
    config = packed_round(round_of, field=name, packing=2, dimension=10)
    answers = answers_of(config, {0: np.arange(10), 1: -7 * np.arange(10)}, 0)
    coin = Coin(field=FIELDS[name], seed=bytes(32), context=b"test")
    judgement = judge(SUITE.committee(config), SUITE.vouch(config, coin, 0, answers))
    opened = SUITE.open(config, answers)

    assert SUITE.vouch_opened(config, coin, 0, opened) == judgement.at_zero
    for index in range(10):
        moved = opened.copy()
        moved[index] += 1
        assert SUITE.vouch_opened(config, coin, 0, moved) != judgement.at_zero
    # One more in one row and one less in the other would cancel in a plain sum of the rows.
    moved = opened.copy()
    moved[0], moved[5] = moved[0] + 1, moved[5] - 1
    assert SUITE.vouch_opened(config, coin, 0, moved) != judgement.at_zero


@each_field
def test_a_lying_holder_is_named_against_the_threshold_not_the_privacy(round_of, name):
    config = packed_round(round_of, field=name, holders=7, threshold=5, packing=3, faults=1)
    answers = answers_of(config, random_vectors(config, range(3), entropy=1), 0)
    field = FIELDS[name]
    lie = field.from_bytes(answers[4]).copy()
    lie[2] = (int(lie[2]) + 1) % field.modulus
    answers[4] = field.to_bytes(lie)
    coin = Coin(field=field, seed=bytes(32), context=b"test")

    judgement = judge(SUITE.committee(config), SUITE.vouch(config, coin, 0, answers))

    assert (judgement.status, judgement.wrong) == (Status.CORRECTED, (4,))


@each_field
def test_masks_lie_on_polynomials_of_the_threshold_and_differ_with_seed_and_round(round_of, name):
    config = packed_round(round_of, field=name, holders=6, threshold=4, packing=2, checks=True)
    field = FIELDS[name]

    shares = SUITE.deal_masks(config, seed_of(1))

    assert shares == SUITE.deal_masks(config, seed_of(1))
    assert all(len(share) == SUITE.mask_bytes(config) for share in shares)
    words = {place: tuple(int(v) for v in SUITE.masks(config, s)) for place, s in enumerate(shares)}
    assert judge(SUITE.committee(config), words).status is Status.VERIFIED
    shorter = SUITE.committee(packed_round(round_of, field=name, holders=6, threshold=3, packing=2))
    assert judge(shorter, words).status is Status.DETECTED
    other = packed_round(
        round_of, field=name, holders=6, threshold=4, packing=2, checks=True, number=9
    )
    assert set(shares).isdisjoint(SUITE.deal_masks(config, seed_of(2)))
    assert set(shares).isdisjoint(SUITE.deal_masks(other, seed_of(1)))
    with pytest.raises(Undecodable):
        SUITE.masks(config, shares[0] + bytes(field.word_bytes))


def test_seed_chunk_and_round_each_change_the_shares_and_a_retry_does_not(round_of):
    values = np.zeros(512, dtype=np.int64)
    config = packed_round(round_of, dimension=1024)
    other = packed_round(round_of, dimension=1024, number=2)

    payloads = {
        SUITE.protect(config, values, seed_of(1), 0),
        SUITE.protect(config, values, seed_of(2), 0),
        SUITE.protect(config, values, seed_of(1), 1),
        SUITE.protect(other, values, seed_of(1), 0),
    }

    assert len(payloads) == 4
    assert SUITE.protect(config, values, seed_of(1), 0) in payloads


def test_too_few_answers_or_a_strangers_open_nothing(round_of):
    config = packed_round(round_of)
    answers = answers_of(config, {0: np.arange(10)}, 0)

    with pytest.raises(Misuse, match="4 are needed"):
        SUITE.open(config, {place: answers[place] for place in (0, 2, 3)})
    with pytest.raises(Misuse, match="place"):
        SUITE.open(config, answers | {5: answers[0]})


@pytest.mark.parametrize("chunk", [-1, 1])
def test_a_chunk_that_the_round_does_not_have_is_refused(round_of, chunk):
    with pytest.raises(Misuse, match="chunk"):
        SUITE.protect(packed_round(round_of), np.zeros(10, np.int64), seed_of(1), chunk)


def test_values_of_a_wrong_length_or_size_are_refused(round_of):
    config = packed_round(round_of)
    with pytest.raises(Misuse, match="10 values"):
        SUITE.protect(config, np.zeros(9, np.int64), seed_of(1), 0)
    with pytest.raises(Misuse, match="does not fit"):
        SUITE.protect(config, np.full(10, 2**30), seed_of(1), 0)


@pytest.mark.parametrize("payload", [b"", bytes(19), bytes(24), bytes(40), b"\xff" * 20])
def test_a_bad_payload_is_refused_and_leaves_the_sum_alone(round_of, payload):
    config = packed_round(round_of)
    good = SUITE.protect(config, np.arange(10), seed_of(1), 0)[0]
    accumulator = SUITE.add(config, None, good)

    with pytest.raises(Undecodable):
        SUITE.add(config, accumulator, payload)
    with pytest.raises(Undecodable):
        SUITE.add(config, None, payload)

    assert SUITE.answer(config, accumulator) == good


def test_bad_answers_are_refused_with_the_place_of_their_holder(round_of):
    config = packed_round(round_of, dimension=600)
    vectors = {0: np.arange(600)}
    answers = answers_of(config, vectors, 0)

    with pytest.raises(Undecodable, match="place 1"):
        SUITE.open(config, answers | {1: b"\xff" * len(answers[1])})
    with pytest.raises(Undecodable, match="different lengths"):
        SUITE.open(config, answers | {2: answers_of(config, vectors, 1)[2]})
