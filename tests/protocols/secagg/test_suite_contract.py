"""What every suite must do, in one lane or in two: whatever the machines and actors rely on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from msgspec.structs import replace

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.secagg.coin import Coin
from protocols.secagg.field import FIELDS
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.judging import Status
from protocols.secagg.suite import Garbled
from protocols.secagg.suites import SUITES
from protocols.secagg.vouching import Vouching

ROUNDS = {
    "shamir p31": {"dimension": 600},
    "shamir p61": {"field": "p61", "dimension": 600},
    "masked A": {
        "suite": "masked",
        "parameters": "A",
        "slots": 3,
        "chunk_bytes": 16_384,
        "dimension": 9000,
    },
    "masked B": {
        "suite": "masked",
        "parameters": "B",
        "slots": 6,
        "chunk_bytes": 32_768,
        "dimension": 9000,
    },
}
MASKED = ["masked A", "masked B"]


@pytest.fixture(params=ROUNDS)
def config(round_of, request):
    return round_of(**ROUNDS[request.param])


@pytest.fixture(params=MASKED)
def masked(round_of, request):
    return round_of(**ROUNDS[request.param])


def seed_of(trainer: int) -> bytes:
    return trainer.to_bytes(32, "big")


def vector_of(config, trainer: int) -> np.ndarray:
    limit = FixedPoint.of(config).limit
    rng = np.random.default_rng(trainer)
    values = rng.integers(-limit, limit, endpoint=True, size=config.dimension)
    values[0], values[-1] = limit, -limit  # the sum of all is at the edge of what fits
    return values


def contribution(config, trainer: int, values=None):
    """A trainer's shares by chunk and place, and its bulk by chunk."""
    suite, seed = SUITES[config.suite], seed_of(trainer)
    values = vector_of(config, trainer) if values is None else values
    shares = [
        suite.protect(config, values[suite.covers(config, chunk)], seed, chunk)
        for chunk in range(suite.chunks(config))
    ]
    if suite.bulk is None:
        return shares, []
    hiding = suite.bulk.hiding(config, seed)
    bulk = [
        hiding.protect(chunk, values[suite.bulk.covers(config, chunk)])
        for chunk in range(suite.bulk.chunks(config))
    ]
    return shares, bulk


def answers_of(config, contributions):
    """What each holder answers, by chunk and place."""
    suite, answers = SUITES[config.suite], []
    for chunk in range(suite.chunks(config)):
        sums = [None] * config.holders
        for shares, _ in contributions:
            sums = [suite.add(config, s, p) for s, p in zip(sums, shares[chunk], strict=True)]
        answers.append({place: suite.answer(config, s) for place, s in enumerate(sums)})
    return answers


def opened_of(config, contributions, answers=None, *, bulk_of=None):
    """The sum, and what is remarked about it."""
    suite = SUITES[config.suite]
    answers = answers_of(config, contributions) if answers is None else answers
    shared = np.concatenate([suite.open(config, each) for each in answers])
    if suite.bulk is None:
        return shared, ""
    unhiding = suite.bulk.unhiding(config, shared, len(contributions))
    pieces = []
    for chunk in range(suite.bulk.chunks(config)):
        total = None
        for _, bulk in contributions if bulk_of is None else bulk_of:
            total = suite.bulk.add(config, chunk, total, bulk[chunk])
        pieces.append(unhiding.open(chunk, total))
    return np.concatenate(pieces), unhiding.remark()


def test_the_opened_sum_is_the_plain_sum_of_any_survivors(config) -> None:
    for survivors in ((0, 1, 2), (1, 2), (2,)):
        everybody = [contribution(config, trainer) for trainer in survivors]

        total, remark = opened_of(config, everybody)

        assert np.array_equal(total, sum(vector_of(config, trainer) for trainer in survivors))
        assert not remark


def test_every_value_is_in_one_chunk_of_one_lane_and_chunks_are_as_long_as_announced(
    config,
) -> None:
    suite = SUITES[config.suite]
    shares, bulk = contribution(config, 1)

    counted = np.zeros(config.dimension, dtype=int)
    for chunk, payloads in enumerate(shares):
        counted[suite.covers(config, chunk)] += 1
        assert {len(each) for each in payloads} == {suite.payload_bytes(config, chunk)}
    assert sum(len(payloads[0]) for payloads in shares) == suite.share_bytes(config)
    for chunk, payload in enumerate(bulk):
        counted[suite.bulk.covers(config, chunk)] += 1
        assert len(payload) == suite.bulk.payload_bytes(config, chunk) <= config.chunk_bytes
    assert sum(map(len, bulk)) == (suite.bulk.total_bytes(config) if suite.bulk else 0)
    assert (counted == 1).all()
    assert len(shares) + len(bulk) > 1, "a contribution of one chunk shows little"


def test_a_retry_sends_the_same_bytes_and_another_seed_or_round_others(config) -> None:
    def digest(of, trainer: int, values) -> bytes:
        shares, bulk = contribution(of, trainer, values)
        return hashlib.sha256(b"".join(b"".join(each) for each in shares) + b"".join(bulk)).digest()

    values = np.zeros(config.dimension, dtype=np.int64)
    same, later = replace(config), replace(config, number=9)

    once = digest(config, 1, values)

    assert digest(same, 1, values) == once
    assert digest(config, 2, values) != once
    assert digest(later, 1, values) != once


def test_what_does_not_fit_is_refused(config) -> None:
    suite, limit = SUITES[config.suite], FixedPoint.of(config).limit
    lane = suite.covers(config, 0) if suite.bulk is None else suite.bulk.covers(config, 0)
    count = lane.stop - lane.start

    def give(values, seed=bytes(32)):
        if suite.bulk is None:
            suite.protect(config, values, seed, 0)
        else:
            suite.bulk.hiding(config, seed).protect(0, values)

    give(np.full(count, limit))
    for values in (np.full(count, 2**62), np.zeros(count + 1, np.int64)):
        with pytest.raises(Misuse):
            give(values)
    with pytest.raises(Misuse):
        give(np.zeros(count, np.int64), bytes(31))
    with pytest.raises(Misuse):
        suite.covers(config, suite.chunks(config))


def test_a_lying_holder_is_named_whatever_the_suite(config) -> None:
    config = replace(config, faults=1, quorum=4)
    suite = SUITES[config.suite]
    answers = answers_of(config, [contribution(config, trainer) for trainer in (0, 1, 2)])
    word = bytearray(answers[-1][3])
    word[5] ^= 1
    answers[-1][3] = bytes(word)
    coin = Coin(field=FIELDS[config.field], seed=bytes(32), context=b"test")
    vouching = Vouching(coin, range(5), suite.chunks(config))

    for chunk, each in enumerate(answers):
        for place, values in suite.vouch(config, coin, chunk, each).items():
            vouching.receive(place, chunk, values)
    judgement = vouching.judgement(suite.committee(config))

    assert judgement.status is Status.CORRECTED
    assert judgement.wrong == (3,)
    found = (0,) * coin.repetitions
    for chunk, each in enumerate(answers):
        honest = {place: answer for place, answer in each.items() if place != 3}
        found = coin.plus(
            found, suite.vouch_opened(config, coin, chunk, suite.open(config, honest))
        )
    assert found == judgement.at_zero


# --- suites with a lane to the coordinator ----------------------------------------------


def test_bulk_without_its_secret_is_no_sum(masked) -> None:
    everybody = [contribution(masked, trainer) for trainer in (0, 1, 2)]
    strange = contribution(masked, 7)

    with pytest.raises(Garbled, match="block 0 opens to noise"):
        opened_of(masked, everybody, bulk_of=[*everybody, strange])
    with pytest.raises(Garbled):
        opened_of(masked, everybody, bulk_of=everybody[:2])
    with pytest.raises(Garbled):
        opened_of(masked, everybody, bulk_of=[*everybody[:2], strange])


def test_false_answers_that_nobody_held_against_each_other_are_no_sum(masked) -> None:
    everybody = [contribution(masked, trainer) for trainer in (0, 1, 2)]
    answers = answers_of(masked, everybody)
    answers[0][1] = answers[0][2]

    with pytest.raises(Garbled, match="the answers open to no sum of 3 secrets"):
        opened_of(masked, everybody, answers)


def test_a_chunk_of_another_length_or_of_no_residues_is_refused_and_the_sum_stays(masked) -> None:
    bulk = SUITES[masked.suite].bulk
    good = contribution(masked, 0)[1]
    total = bulk.add(masked, 0, None, good[0])
    before = total.copy()

    for payload in (b"", good[0][:-4], good[-1], b"\xff" * len(good[0])):
        with pytest.raises(Undecodable):
            bulk.add(masked, 0, total, payload)
        with pytest.raises(Undecodable):
            bulk.add(masked, 0, None, payload)

    assert np.array_equal(total, before)


def test_shares_of_secrets_carry_no_values(masked) -> None:
    with pytest.raises(Misuse, match="carries no values"):
        SUITES["masked"].protect(masked, np.zeros(1, np.int64), bytes(32), 0)


def test_a_round_of_another_suite_masks_nothing(round_of) -> None:
    with pytest.raises(Misuse, match="masks nothing"):
        SUITES["masked"].chunks(round_of())
