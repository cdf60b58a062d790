"""The table is that of the Gaussian, and what is drawn follows it."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import stats
from vectors import make_masked

from protocols.secagg.masked.gaussian import gaussian, thresholds
from protocols.secagg.masked.parameters import TAIL
from protocols.secagg.masked.streams import private_words

CID, SEED = bytes(32), bytes(range(32))


def probabilities() -> list[float]:
    """Return Pr[x] for x from -TAIL to TAIL, from a hundred digits."""
    with mpmath.workdps(100):
        sigma = mpmath.mpf(33) / 5
        weights = [mpmath.exp(-mpmath.mpf(x * x) / (2 * sigma**2)) for x in range(-TAIL, TAIL + 1)]
        return [float(weight / mpmath.fsum(weights)) for weight in weights]


def drawn(count: int, index: int = 0) -> np.ndarray:
    return gaussian(private_words(CID, SEED, "test", index, count))


def test_the_table_is_that_of_a_hundred_digits():
    with mpmath.workdps(100):
        sigma = mpmath.mpf(33) / 5
        weights = [mpmath.exp(-mpmath.mpf(k * k) / (2 * sigma**2)) for k in range(TAIL + 1)]
        total = weights[0] + 2 * mpmath.fsum(weights[1:])
        expected = [
            2 * int(mpmath.nint(2 * mpmath.fsum(weights[k:]) / total * 2**63))
            for k in range(1, TAIL + 1)
        ]

    assert list(thresholds()) == expected == make_masked.gaussian_thresholds()


def test_the_table_is_as_close_to_the_gaussian_as_is_claimed():
    with mpmath.workdps(100):
        sigma = mpmath.mpf(33) / 5
        weights = [mpmath.exp(-mpmath.mpf(k * k) / (2 * sigma**2)) for k in range(4 * TAIL)]
        total = weights[0] + 2 * mpmath.fsum(weights[1:])
        exact = [weight * (2 if k else 1) / total for k, weight in enumerate(weights)]
        above = [2**64, *thresholds(), *[0] * (3 * TAIL)]
        drawn = [mpmath.mpf(one - other) / 2**64 for one, other in pairwise(above)]
        pairs = list(zip(exact, drawn, strict=True))

        distance = mpmath.fsum(abs(p - q) for p, q in pairs) / 2
        assert distance < mpmath.mpf(2) ** -59
        assert mpmath.fsum((p - q) ** 2 / p for p, q in pairs) < mpmath.mpf(2) ** -64
        assert mpmath.fsum(exact[TAIL + 1 :]) < mpmath.mpf(2) ** -64


def test_no_magnitude_is_without_a_word():
    table = thresholds()

    assert list(table) == sorted(set(table), reverse=True)
    assert table[-1] >= 2


@pytest.mark.parametrize("k", [1, 2, 17, 40, TAIL])
def test_words_at_a_threshold_fall_on_the_right_side(k):
    border = thresholds()[k - 1]
    words = np.array([border - 2, border - 1, border, border + 1], dtype=np.uint64)

    assert gaussian(words).tolist() == [k, -k, k - 1, -(k - 1)]


def test_the_smallest_and_the_largest_word():
    words = np.array([0, 1, 2**64 - 2, 2**64 - 1], dtype=np.uint64)

    assert gaussian(words).tolist() == [TAIL, -TAIL, 0, 0]


@pytest.mark.parametrize("count", [0, 1, 8191, 8192, 8193, 20_000])
def test_words_are_taken_one_by_one_in_their_order(count):
    words = private_words(CID, SEED, "test", 0, count)
    table = np.array(thresholds(), dtype=np.uint64)
    magnitudes = (words[:, np.newaxis] < table).sum(axis=1)

    assert (
        gaussian(words).tolist() == np.where(words & np.uint64(1), -magnitudes, magnitudes).tolist()
    )


def test_a_million_samples_follow_the_distribution():
    values = drawn(1_000_000)
    counts = np.bincount(values.astype(np.int64) + TAIL, minlength=2 * TAIL + 1)
    expected = np.array(probabilities()) * values.size
    body = expected >= 10
    tails = [counts[~body].sum()], [expected[~body].sum()]

    observed = np.concatenate((counts[body], tails[0]))
    wanted = np.concatenate((expected[body], tails[1]))

    assert stats.chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue > 1e-4


def test_mean_and_variance_are_those_of_sigma():
    values = drawn(1_000_000, 1).astype(np.float64)

    assert abs(values.mean()) < 5 * 6.6 / 1e3
    assert values.var() == pytest.approx(6.6**2, rel=5 * np.sqrt(2e-6))


def test_neighbours_do_not_depend_on_each_other():
    values = drawn(400_000, 2).astype(np.float64)

    for lag in (1, 2, 16, 4096):
        correlation = np.corrcoef(values[:-lag], values[lag:])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(values.size)
