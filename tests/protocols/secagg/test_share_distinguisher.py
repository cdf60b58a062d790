"""A learner that sees what T holders see tells two secrets apart no better than a coin.

It is logistic regression on the bits of the shares, their neighbours' and their agreements. That
it could learn something is shown on sharings with a fault that the real ones do not have.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from protocols.secagg.chunks import written_out
from protocols.secagg.field import FIELDS
from protocols.secagg.suites import SUITES

SHARINGS = 4000  # of each secret; half of them to learn from
SHAPES = {
    "shamir": {"threshold": 3},
    "packed": {"threshold": 4, "packing": 2},
    "shamir seeds": {"threshold": 3, "seeds": True},
    "packed seeds": {"threshold": 4, "packing": 2, "seeds": True},
}
PAIRS = [(0, 1), (-1, 1), (0, 2**28)]

each_suite = pytest.mark.parametrize("suite", SHAPES)
each_field = pytest.mark.parametrize("name", FIELDS)
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)


def bits_of(name: str, words: np.ndarray) -> np.ndarray:
    """Return the bits as columns, lowest first."""
    count = FIELDS[name].modulus.bit_length()
    wide = words.astype(np.uint64)[:, np.newaxis]
    return ((wide >> np.arange(count, dtype=np.uint64)) & np.uint64(1)).astype(np.float64)


def features(name: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = bits_of(name, first), bits_of(name, second)
    return np.concatenate((one, other, one != other), axis=1) - 0.5


def p_of_chance(name: str, views: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Learn from half of what was seen of two secrets; how likely does a coin do as well?"""
    half = SHARINGS // 2
    seen = [features(name, *view) for view in views]
    known = np.concatenate([rows[:half] for rows in seen])
    unknown = np.concatenate([rows[half:] for rows in seen])
    labels = np.repeat([0, 1], half)

    learner = LogisticRegression(C=0.01, max_iter=200).fit(known, labels)

    right = int((learner.predict(unknown) == labels).sum())
    return float(stats.binomtest(right, labels.size, 0.5, alternative="greater").pvalue)


def shares_of(round_of, suite: str, name: str, secret: int) -> list[np.ndarray]:
    packing = SHAPES[suite].get("packing", 1)
    config = round_of(
        suite=suite.split(maxsplit=1)[0],
        field=name,
        dimension=SHARINGS * packing,
        chunk_bytes=4 * 2**20,
        **SHAPES[suite],
    )
    seed = (secret % 2**64).to_bytes(32, "big")
    values = np.full(config.dimension, secret, dtype=np.int64)
    payloads = SUITES[config.suite].protect(config, values, seed, 0)
    return [FIELDS[name].from_bytes(written_out(config, 0, payload)) for payload in payloads]


@each_suite
@each_field
@each_pair
def test_two_holders_guess_which_secret_it_is_no_better_than_a_coin(round_of, suite, name, pair):
    shares = [shares_of(round_of, suite, name, secret) for secret in pair]

    for places in list(combinations(range(5), 2))[::3]:
        views = [tuple(rows[place] for place in places) for rows in shares]

        assert p_of_chance(name, views) > 1e-3 / len(PAIRS)


def faulty(name: str, secret: int, fault: str) -> tuple[np.ndarray, np.ndarray]:
    """Share one secret with a polynomial of two coefficients more, in plain numpy, and a fault."""
    p, rng = FIELDS[name].modulus, np.random.default_rng(secret % 2**32)
    top = {"biased": p // 2}.get(fault, p)
    first, second = (rng.integers(0, top, SHARINGS).astype(object) for _ in range(2))
    if fault == "one coefficient less":
        second = second * 0
    if fault == "repeated":
        second = first
    shares = [secret + first * x + second * x * x for x in (1, 2)]
    if fault == "unreduced":
        shares = [secret * 2**20 + (first % 2**20) * x for x in (1, 2)]
    return tuple((share % p).astype(np.uint64) for share in shares)


@each_field
@pytest.mark.parametrize("fault", ["biased", "unreduced"])
def test_the_learner_sees_what_is_wrong_with_faulty_sharings(name, fault):
    far = FIELDS[name].half // 2

    assert p_of_chance(name, [faulty(name, secret, fault) for secret in (0, far)]) < 1e-9


@each_field
def test_the_learner_finds_nothing_in_a_sharing_without_a_fault(name):
    far = FIELDS[name].half // 2

    assert p_of_chance(name, [faulty(name, secret, "none") for secret in (0, far)]) > 1e-3
