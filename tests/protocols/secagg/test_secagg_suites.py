from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.shamir import reconstruct
from protocols.secagg.suites import SUITES

SUITE = SUITES["shamir"]
each_field = pytest.mark.parametrize("name", FIELDS)


def seed_of(trainer: int) -> bytes:
    return trainer.to_bytes(32, "big")


def chunk_of(config, values, chunk):
    start = chunk * SUITE.chunk_values(config)
    return values[start : start + SUITE.chunk_length(config, chunk)]


def answers_of(config, vectors, chunk):
    """The answers of all holders for the sum of `vectors`, by trainer."""
    sums = [None] * config.holders
    for trainer, values in vectors.items():
        payloads = SUITE.protect(config, chunk_of(config, values, chunk), seed_of(trainer), chunk)
        sums = [SUITE.add(config, s, p) for s, p in zip(sums, payloads, strict=True)]
    return {place: SUITE.answer(config, s) for place, s in enumerate(sums)}


@st.composite
def rounds(draw, round_of, name):
    holders = draw(st.one_of(st.integers(2, 12), st.just(64)))
    config = round_of(
        field=name,
        holders=holders,
        threshold=draw(st.integers(2, holders)),
        trainers=draw(st.integers(3, 12)),
        dimension=draw(st.integers(1, 600)),
        number=draw(st.integers(0, 5)),
    )
    survivors = draw(st.sets(st.integers(0, config.trainers - 1), min_size=1))
    answering = draw(st.permutations(range(holders)))
    count = draw(st.integers(config.threshold, holders))
    return config, survivors, answering[:count], draw(st.integers(0, 2**32 - 1))


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


@each_field
@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.data())
def test_the_opened_sum_is_the_plain_sum_for_any_survivors_and_holders(round_of, name, data):
    config, survivors, answering, entropy = data.draw(rounds(round_of, name))
    vectors = random_vectors(config, survivors, entropy)

    opened = []
    for chunk in range(SUITE.chunks(config)):
        answers = answers_of(config, vectors, chunk)
        opened += SUITE.open(config, {place: answers[place] for place in answering}).tolist()

    plain = zip(*(values.tolist() for values in vectors.values()), strict=True)
    assert opened == [sum(column) for column in plain]


@each_field
@settings(derandomize=True, deadline=None, max_examples=30)
@given(data=st.data())
def test_fewer_answers_than_the_threshold_never_open(round_of, name, data):
    config, survivors, answering, entropy = data.draw(rounds(round_of, name))
    vectors = random_vectors(config, survivors, entropy)
    answers = answers_of(config, vectors, 0)
    few = sorted(answering)[: config.threshold - 1]

    with pytest.raises(Misuse, match="answers do not open"):
        SUITE.open(config, {place: answers[place] for place in few})

    field = FIELDS[name]
    rows = np.stack([field.from_bytes(answers[place]) for place in few])
    forced = field.decode(reconstruct(field, [place + 1 for place in few], rows))
    plain = sum(chunk_of(config, values, 0) for values in vectors.values())
    assert not (forced == plain).any()


@each_field
def test_the_lowest_places_are_used_when_more_holders_answer(round_of, name):
    config = round_of(field=name)
    answers = answers_of(config, {0: np.arange(10), 1: -np.arange(10)}, 0)

    answers[4] = answers[3] = bytes(len(answers[4]))  # wrong, yet not needed

    assert SUITE.open(config, answers).tolist() == [0] * 10


@each_field
def test_a_share_is_cut_into_full_chunks_and_a_shorter_last_one(round_of, name):
    config = round_of(field=name, dimension=600)
    word = FIELDS[name].word_bytes

    lengths = [SUITE.chunk_length(config, chunk) for chunk in range(SUITE.chunks(config))]

    full = 1024 // word
    assert SUITE.chunk_values(config) == full
    assert lengths == [full] * (600 // full) + [600 % full]
    assert SUITE.share_bytes(config) == 600 * word
    payloads = SUITE.protect(config, np.zeros(lengths[-1], np.int64), seed_of(1), len(lengths) - 1)
    assert [len(payload) for payload in payloads] == [lengths[-1] * word] * 5


def test_a_retry_sends_the_same_bytes(round_of):
    config, values = round_of(), np.arange(10)

    once = SUITE.protect(config, values, seed_of(1), 0)

    assert SUITE.protect(config, values, seed_of(1), 0) == once


def test_seed_chunk_and_round_each_change_the_coefficients(round_of):
    values = np.zeros(256, dtype=np.int64)
    config, other = round_of(dimension=512), round_of(dimension=512, number=2)

    payloads = {
        SUITE.protect(config, values, seed_of(1), 0),
        SUITE.protect(config, values, seed_of(2), 0),
        SUITE.protect(config, values, seed_of(1), 1),
        SUITE.protect(other, values, seed_of(1), 0),
    }

    assert len(payloads) == 4


@pytest.mark.parametrize("chunk", [-1, 1])
def test_a_chunk_that_the_round_does_not_have_is_refused(round_of, chunk):
    with pytest.raises(Misuse, match="chunk"):
        SUITE.protect(round_of(), np.zeros(10, np.int64), seed_of(1), chunk)


def test_values_of_a_wrong_length_or_size_are_refused(round_of):
    with pytest.raises(Misuse, match="10 values"):
        SUITE.protect(round_of(), np.zeros(9, np.int64), seed_of(1), 0)
    with pytest.raises(Misuse, match="does not fit"):
        SUITE.protect(round_of(), np.full(10, 2**30), seed_of(1), 0)


@pytest.mark.parametrize("payload", [b"", bytes(39), bytes(44), b"\xff" * 40])
def test_a_bad_payload_is_refused_and_leaves_the_sum_alone(round_of, payload):
    config = round_of()
    good = SUITE.protect(config, np.arange(10), seed_of(1), 0)[0]
    accumulator = SUITE.add(config, None, good)

    with pytest.raises(Undecodable):
        SUITE.add(config, accumulator, payload)
    with pytest.raises(Undecodable):
        SUITE.add(config, None, payload)

    assert SUITE.answer(config, accumulator) == good


def test_a_bad_answer_is_refused_with_the_place_of_its_holder(round_of):
    config = round_of()
    answers = answers_of(config, {0: np.arange(10)}, 0)

    answers[1] = b"\xff" * 40

    with pytest.raises(Undecodable, match="place 1"):
        SUITE.open(config, answers)


def test_answers_of_different_chunks_are_not_mixed(round_of):
    config = round_of(dimension=300)
    vectors = {0: np.arange(300)}

    answers = answers_of(config, vectors, 0) | {2: answers_of(config, vectors, 1)[2]}

    with pytest.raises(Undecodable, match="different lengths"):
        SUITE.open(config, answers)


def test_an_answer_from_a_place_without_a_holder_is_refused(round_of):
    config = round_of()
    answers = answers_of(config, {0: np.arange(10)}, 0)

    with pytest.raises(Misuse, match="place"):
        SUITE.open(config, answers | {5: answers[0]})


@pytest.mark.parametrize("field", ["p31", "p61"])
def test_masks_are_uniform_shares_of_their_own_seed_and_round(round_of, field):
    suite = SUITES["shamir"]
    one = round_of(field=field, holders=5, threshold=3, checks=True)
    prime = FIELDS[field]

    shares = suite.deal_masks(one, bytes(32))

    assert shares == suite.deal_masks(one, bytes(32))
    others = [
        suite.deal_masks(one, b"\x01" + bytes(31)),
        suite.deal_masks(
            round_of(field=field, holders=5, threshold=3, checks=True, number=9), bytes(32)
        ),
    ]
    assert all(set(shares).isdisjoint(other) for other in others)
    assert all(len(share) == suite.mask_bytes(one) for share in shares)
    rows = np.stack([suite.masks(one, share) for share in shares])
    for places in ((0, 1, 2), (2, 3, 4)):
        points = [place + 1 for place in places]
        found = reconstruct(prime, points, rows[list(places)])
        assert np.array_equal(found, reconstruct(prime, [1, 3, 5], rows[[0, 2, 4]]))
    with pytest.raises(Undecodable):
        suite.masks(one, shares[0] + bytes(prime.word_bytes))
