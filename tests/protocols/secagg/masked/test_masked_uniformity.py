"""Masked blocks and shares say nothing of what they hide: statistics, and a trained distinguisher.

The seeds are fixed, so a p-value below 1e-4 is a defect and never bad luck. Every check is also
run against a mask that is broken on purpose, which it must see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from protocols.secagg.field import P31
from protocols.secagg.masked.masking import Secret, mask, secret_of
from protocols.secagg.masked.packing import packed_bytes, unpack
from protocols.secagg.masked.parameters import A
from protocols.secagg.masked.sharing import shares_of
from protocols.secagg.masked.streams import private_words

LEAST = 1e-4
Mask = Callable[[object, int, np.ndarray], bytes]

each_value = pytest.mark.parametrize("value", [0, 1, -1, 2**20, "limit", "-limit"])


def seed(number: int) -> bytes:
    return hashlib.sha256(b"uniform %d" % number).digest()


def soundly(of, number: int, values: np.ndarray) -> bytes:
    return mask(of, seed(number), 0, values, secret_of(of, seed(number), 0))


def without_a_secret(of, number: int, values: np.ndarray) -> bytes:
    none = Secret(np.zeros(A.degree, np.int64), np.zeros((len(A.primes), A.degree), np.uint64))
    return mask(of, seed(number), 0, values, none)


def with_one_secret(of, number: int, values: np.ndarray) -> bytes:
    return mask(of, seed(number), 0, values, secret_of(of, seed(0), 0))


def residues_of(of, payload: bytes) -> np.ndarray:
    size = packed_bytes(of.coefficients(0))
    return np.stack(
        [
            unpack(payload[k * size : (k + 1) * size], of.coefficients(0), prime)
            for k, prime in enumerate(A.primes)
        ]
    ).astype(np.int64)


def constant(of, value: int | str) -> np.ndarray:
    chosen = {"limit": of.layout.limit, "-limit": -of.layout.limit}.get(value, value)
    return np.full(of.dimension, chosen, dtype=np.int64)


def p_value(cells: np.ndarray, count: int) -> float:
    return float(stats.chisquare(np.bincount(cells.reshape(-1), minlength=count)).pvalue)


def high(values: np.ndarray, prime: int, bins: int) -> np.ndarray:
    return values * bins // prime


@pytest.fixture(scope="module")
def wide(round_with):
    """65,536 coefficients of one secret."""
    return round_with(A, dimension=196_608, trainers=3)


@pytest.fixture(scope="module")
def short(round_with):
    """128 coefficients: many of them are masked, each under a secret of its own."""
    return round_with(A, dimension=384, trainers=3)


@each_value
def test_residues_under_one_secret_are_uniform(wide, value):
    rows = residues_of(wide, soundly(wide, 1, constant(wide, value)))

    for row, prime in zip(rows, A.primes, strict=True):
        assert p_value(high(row, prime, 256), 256) > LEAST
        assert p_value(row % 64, 64) > LEAST


@each_value
def test_neighbours_and_primes_under_one_secret_are_jointly_uniform(wide, value):
    rows = residues_of(wide, soundly(wide, 2, constant(wide, value)))
    cells = [high(row, prime, 16) for row, prime in zip(rows, A.primes, strict=True)]

    for one, other in combinations(cells, 2):
        assert p_value(one * 16 + other, 256) > LEAST
    for each in cells:
        for lag in (1, 2, 64, 4096):
            assert p_value(each[:-lag] * 16 + each[lag:], 256) > LEAST


@pytest.mark.parametrize("broken", [without_a_secret])
def test_residues_without_a_secret_are_seen_not_to_be_uniform(wide, broken):
    rows = residues_of(wide, broken(wide, 1, constant(wide, 1)))

    assert p_value(high(rows[0], A.primes[0], 256), 256) < 1e-9


def masked_many(of, how: Mask, values: np.ndarray, numbers: range) -> np.ndarray:
    """Return residues of many masks of one vector, shape (masks, primes, coefficients)."""
    return np.stack([residues_of(of, how(of, number, values)) for number in numbers])


@pytest.mark.parametrize("value", [0, "limit"])
def test_one_coefficient_under_many_secrets_is_uniform(short, value):
    many = masked_many(short, soundly, constant(short, value), range(400))

    for row, prime in zip(many.transpose(1, 0, 2), A.primes, strict=True):
        assert p_value(high(row, prime, 64), 64) > LEAST
        for place in (0, 1, 127):
            assert p_value(high(row[:, place], prime, 8), 8) > LEAST


def test_masks_of_different_seeds_do_not_depend_on_each_other(short):
    many = masked_many(short, soundly, constant(short, 5), range(301))[:, 0]

    cells = high(many, A.primes[0], 8)
    for one, other in pairwise(cells[:20]):
        assert p_value(one * 2 // 8 * 2 + other * 2 // 8, 4) > LEAST
    assert p_value(cells[:-1] * 8 + cells[1:], 64) > LEAST
    difference = (many[:-1] - many[1:]) % A.primes[0]
    assert p_value(high(difference, A.primes[0], 64), 64) > LEAST


def test_masks_under_one_secret_are_seen_to_depend_on_each_other(short):
    many = masked_many(short, with_one_secret, constant(short, 5), range(40))[:, 0]

    difference = (many[:-1] - many[1:]) % A.primes[0]

    assert p_value(high(difference, A.primes[0], 64), 64) < 1e-9


@pytest.mark.parametrize(("one", "other"), [(0, 1), ("limit", "-limit"), (-1, 1)])
def test_masks_of_two_values_can_not_be_told_apart(wide, one, other):
    cells = []
    for number, value in enumerate((one, other)):
        row = residues_of(wide, soundly(wide, 50 + number, constant(wide, value)))[0]
        cells.append(np.bincount(high(row, A.primes[0], 256), minlength=256))

    assert stats.chi2_contingency(np.array(cells)).pvalue > LEAST


# --- the distinguisher ----------------------------------------------------------------

TRIALS = 900


def accuracy(of, how: Mask) -> float:
    """Train on the bytes of masks of two vectors; return the share of new ones that it gets right.

    The vectors differ as much as any: all slots at one limit, all at the other.
    """
    features, labels = [], np.arange(TRIALS) % 2
    for number, label in enumerate(labels):
        payload = how(of, 1_000 + number, constant(of, "limit" if label else "-limit"))
        features.append(np.frombuffer(payload, dtype=np.uint8))
    table = np.array(features, dtype=np.float64) / 255 - 0.5
    seen = TRIALS * 2 // 3
    model = LogisticRegression(C=0.01, max_iter=200).fit(table[:seen], labels[:seen])
    return float(model.score(table[seen:], labels[seen:]))


@pytest.mark.slow
def test_a_trained_distinguisher_does_no_better_than_chance(short):
    five_sigma = 5 * 0.5 / np.sqrt(TRIALS / 3)

    assert abs(accuracy(short, soundly) - 0.5) < five_sigma


@pytest.mark.slow
@pytest.mark.parametrize("broken", [without_a_secret, with_one_secret])
def test_the_distinguisher_sees_through_a_broken_mask(short, broken):
    assert accuracy(short, broken) > 0.95


# --- what the seeds give, and what the holders get ------------------------------------


def test_streams_of_many_seeds_are_uniform_and_independent():
    rows = np.stack([private_words(bytes(32), seed(n), "noise", 0, 64) for n in range(2_000)])
    octets = rows.view(np.uint8)

    assert p_value(octets.astype(np.int64), 256) > LEAST
    assert p_value((octets[:-1] >> 4).astype(np.int64) * 16 + (octets[1:] >> 4), 256) > LEAST


def test_a_seed_with_one_other_bit_gives_another_stream():
    first = private_words(bytes(32), bytes(32), "noise", 0, 1_000)
    for bit in range(0, 256, 17):
        changed = (1 << bit).to_bytes(32, "little")
        other = private_words(bytes(32), changed, "noise", 0, 1_000)
        flipped = np.unpackbits((first ^ other).view(np.uint8)).mean()
        assert abs(flipped - 0.5) < 5 * 0.5 / np.sqrt(64_000)


def test_noise_and_secret_of_one_seed_do_not_depend_on_each_other(wide):
    secret = secret_of(wide, seed(3), 0).values
    words = private_words(wide.cid, seed(3), "noise", 0, A.degree)

    assert abs(np.corrcoef(secret, words.astype(np.float64))[0, 1]) < 5 / np.sqrt(A.degree)


def test_shares_below_the_threshold_are_jointly_uniform_and_say_nothing_of_the_secret(wide):
    rows, secrets = [], []
    for number in range(50):
        secret = secret_of(wide, seed(number), 0)
        shares = shares_of(wide, seed(number), 0, secret, (3, 5))
        rows.append([P31.from_bytes(share).astype(np.int64) for share in shares])
        secrets.append(secret.values)
    shares, signs = np.array(rows), (np.array(secrets) > 0).astype(np.int64)

    for one, other in combinations(range(5), 2):
        pair = high(shares[:, one], P31.modulus, 8) * 8 + high(shares[:, other], P31.modulus, 8)
        assert p_value(pair, 64) > LEAST
        counts = [np.bincount(pair[signs == sign], minlength=64) for sign in (0, 1)]
        assert stats.chi2_contingency(np.array(counts)).pvalue > LEAST


def test_shares_at_the_threshold_are_seen_to_tell_the_secret(wide):
    secret = secret_of(wide, seed(0), 0)
    rows = [P31.from_bytes(s).astype(object) for s in shares_of(wide, seed(0), 0, secret, (2, 5))]

    opened = (2 * rows[0] - rows[1]) % P31.modulus

    assert [x if x < 2**30 else x - P31.modulus for x in opened] == secret.values.tolist()
