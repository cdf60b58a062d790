"""What T holders see of a fixed secret is uniform, for every suite, in words and from seeds.

The seeds are fixed, so a p-value below 1e-4 is a defect and never bad luck. Every case has T = 2.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from protocols.secagg.chunks import written_out
from protocols.secagg.field import FIELDS
from protocols.secagg.seeds import seeded_places
from protocols.secagg.suites import SUITES

SHARINGS = 100_000
LEAST = 1e-4
SHAPES = {
    "shamir": {"threshold": 3},
    "packed": {"threshold": 4, "packing": 2},
    "shamir seeds": {"threshold": 3, "seeds": True},
    "packed seeds": {"threshold": 4, "packing": 2, "seeds": True},
}

# What a mask hides: masked/test_masked_uniformity.py.
each_suite = pytest.mark.parametrize("suite", SHAPES)
each_field = pytest.mark.parametrize("name", FIELDS)
each_secret = pytest.mark.parametrize("secret", [-1, 0, 1, 12345, -(2**29), 2**30 - 1])


def round_with(round_of, suite: str, name: str, **changes):
    kind, packing = suite.split(maxsplit=1)[0], SHAPES[suite].get("packing", 1)
    usual = {
        "suite": kind,
        "field": name,
        "dimension": SHARINGS * packing,
        "chunk_bytes": 4 * 2**20,
    }
    return round_of(**(usual | SHAPES[suite] | changes))


def seed_of(secret: int, entropy: int) -> bytes:
    # The secret is in the seed: every case has random words of its own.
    return (secret % 2**64).to_bytes(31, "big") + bytes([entropy])


def shares_of(
    round_of, suite: str, name: str, secret: int, *, entropy: int = 0, **changes
) -> list[np.ndarray]:
    """Share one secret many times; one row of shares for each of 5 holders."""
    config = round_with(round_of, suite, name, **changes)
    values = np.full(config.dimension, secret, dtype=np.int64)
    payloads = SUITES[config.suite].protect(config, values, seed_of(secret, entropy), 0)
    return [FIELDS[name].from_bytes(written_out(config, 0, payload)) for payload in payloads]


def high_bins(name: str, shares: np.ndarray, bins: int) -> np.ndarray:
    """Cut the field into equal ranges; a float64 is exact enough to choose one of a few."""
    return (shares.astype(np.float64) * (bins / FIELDS[name].modulus)).astype(np.int64) % bins


def low_bins(shares: np.ndarray, bins: int) -> np.ndarray:
    return (shares % shares.dtype.type(bins)).astype(np.int64)


def p_value(cells: np.ndarray, count: int) -> float:
    return float(stats.chisquare(np.bincount(cells, minlength=count)).pvalue)


def require_independent(name: str, one: np.ndarray, other: np.ndarray) -> None:
    for bins in (lambda row: high_bins(name, row, 8), lambda row: low_bins(row, 8)):
        assert p_value(bins(one) * 8 + bins(other), 64) > LEAST


@each_suite
@each_field
@each_secret
def test_a_single_share_is_uniform(round_of, suite, name, secret):
    for share in shares_of(round_of, suite, name, secret):
        assert p_value(high_bins(name, share, 256), 256) > LEAST
        assert p_value(low_bins(share, 64), 64) > LEAST


@each_suite
@each_field
@each_secret
def test_two_shares_below_the_threshold_are_jointly_uniform(round_of, suite, name, secret):
    shares = shares_of(round_of, suite, name, secret)

    for one, other in combinations(shares, 2):
        require_independent(name, one, other)


@each_suite
@each_field
def test_shares_of_neighbouring_and_of_packed_values_are_independent(round_of, suite, name):
    for share in shares_of(round_of, suite, name, 7, entropy=2):
        require_independent(name, share[:-1], share[1:])
        require_independent(name, share[: SHARINGS // 2], share[SHARINGS // 2 :])


@each_suite
@each_field
def test_shares_of_equal_vectors_of_two_trainers_and_rounds_are_independent(round_of, suite, name):
    one = shares_of(round_of, suite, name, 7, entropy=3)
    others = [
        shares_of(round_of, suite, name, 7, entropy=4),
        shares_of(round_of, suite, name, 7, entropy=3, number=2),
    ]

    for other in others:
        for first, second in zip(one, other, strict=True):
            require_independent(name, first, second)


@each_suite
@each_field
@pytest.mark.parametrize(("one", "other"), [(0, 1), (-1, 1), (0, 2**30 - 1), (-1, 0)])
def test_the_shares_of_two_secrets_can_not_be_told_apart(round_of, suite, name, one, other):
    cells = []
    for secret in (one, other):
        shares = shares_of(round_of, suite, name, secret, entropy=1)
        pair = high_bins(name, shares[1], 8) * 8 + high_bins(name, shares[4], 8)
        cells.append(np.bincount(pair, minlength=64))

    assert stats.chi2_contingency(np.array(cells)).pvalue > LEAST


@each_field
@pytest.mark.parametrize("suite", ["shamir", "shamir seeds"])
def test_shares_at_the_threshold_are_seen_to_depend_on_each_other(round_of, suite, name):
    shares = shares_of(round_of, suite, name, 5, threshold=2)

    pair = high_bins(name, shares[0], 8) * 8 + high_bins(name, shares[1], 8)

    assert p_value(pair, 64) < 1e-9


@each_suite
@each_field
def test_one_share_more_than_the_privacy_depends_on_the_secret(round_of, suite, name):
    field, packing = FIELDS[name], SHAPES[suite].get("packing", 0)
    secret_points = [-j for j in range(1, packing + 1)] or [0]
    shares = shares_of(round_of, suite, name, 5)

    # The third share less its part of the other two: always the same, as the secret is.
    *of_secrets, first, second = field.lagrange_at(3, [*secret_points, 1, 2])
    low, high = (share[:200].astype(object) for share in shares[:2])
    left = (shares[2][:200].astype(object) - first * low - second * high) % field.modulus

    assert set(left.tolist()) == {5 * sum(of_secrets) % field.modulus}


@each_field
@pytest.mark.parametrize("suite", ["shamir", "packed"])
def test_seeds_are_uniform_bytes_that_nothing_ties_to_each_other(round_of, suite, name):
    config = round_with(
        round_of, f"{suite} seeds", name, dimension=100 * SHAPES[suite].get("packing", 1)
    )
    pairs = []
    for trainer in range(4000):
        seed = trainer.to_bytes(32, "big")
        pieces = SUITES[suite].protect(config, np.zeros(config.dimension, np.int64), seed, 0)
        pairs.append([np.frombuffer(pieces[p], np.uint8) for p in seeded_places(config, seed)])
    found = np.array(pairs).astype(np.int64)  # trainers, two seeds, bytes

    assert p_value(found.reshape(-1), 256) > LEAST
    for one, other in (
        (found[:, 0], found[:, 1]),
        (found[:-1, 0], found[1:, 0]),
        (found[:, :, :-1], found[:, :, 1:]),
    ):
        assert p_value(((one >> 4) * 16 + (other >> 4)).reshape(-1), 256) > LEAST
        assert p_value((one ^ other).reshape(-1), 256) > LEAST
