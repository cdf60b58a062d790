"""What t - 1 holders see of a fixed secret is uniform, for every suite.

The seeds are fixed, so a p-value below 1e-4 is a defect and never bad luck.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from protocols.secagg.field import FIELDS
from protocols.secagg.suites import SUITES

SHARINGS = 100_000
LEAST = 1e-4

# What a mask hides: masked/test_masked_uniformity.py.
each_suite = pytest.mark.parametrize("suite", [n for n, s in SUITES.items() if s.bulk is None])
each_field = pytest.mark.parametrize("name", FIELDS)
each_secret = pytest.mark.parametrize("secret", [-1, 0, 1, 12345, -(2**29), 2**30 - 1])


def shares_of(
    round_of, suite: str, name: str, secret: int, *, entropy: int = 0, threshold: int = 3
) -> list[np.ndarray]:
    """Share one secret many times; one row of shares for each of 5 holders."""
    config = round_of(
        suite=suite,
        field=name,
        dimension=SHARINGS,
        chunk_bytes=4 * 2**20,
        threshold=threshold,
    )
    values = np.full(SHARINGS, secret, dtype=np.int64)
    # The secret is in the seed: every case has coefficients of its own.
    seed = (secret % 2**64).to_bytes(31, "big") + bytes([entropy])
    payloads = SUITES[suite].protect(config, values, seed, 0)
    return [FIELDS[name].from_bytes(payload) for payload in payloads]


def high_bins(name: str, shares: np.ndarray, bins: int) -> np.ndarray:
    """Cut the field into equal ranges; a float64 is exact enough to choose one of a few."""
    return (shares.astype(np.float64) * (bins / FIELDS[name].modulus)).astype(np.int64) % bins


def low_bins(shares: np.ndarray, bins: int) -> np.ndarray:
    return (shares % shares.dtype.type(bins)).astype(np.int64)


def p_value(cells: np.ndarray, count: int) -> float:
    return float(stats.chisquare(np.bincount(cells, minlength=count)).pvalue)


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
        high = high_bins(name, one, 8) * 8 + high_bins(name, other, 8)
        low = low_bins(one, 8) * 8 + low_bins(other, 8)
        assert p_value(high, 64) > LEAST
        assert p_value(low, 64) > LEAST


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


@each_suite
@each_field
def test_shares_at_the_threshold_are_seen_to_depend_on_each_other(round_of, suite, name):
    shares = shares_of(round_of, suite, name, 5, threshold=2)

    pair = high_bins(name, shares[0], 8) * 8 + high_bins(name, shares[1], 8)

    assert p_value(pair, 64) < 1e-9
