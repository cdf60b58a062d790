"""The coordinator and t − 1 share-holders pool all they have: they know the sum and nothing else.

For every way to split the opened sum among the trainers there are sharings that fit all that they
saw, just as many for each: so what they saw tells none of them from the others.
"""

from __future__ import annotations

from functools import reduce
from random import Random

import numpy as np
import pytest
from fakes.round_parts import config_of

from protocols.round_config import RoundConfig
from protocols.secagg.field import FIELDS
from protocols.secagg.suites import SUITES

pytestmark = pytest.mark.attack

TRAINERS = 4
LENGTH = 20


def at(prime: int, points: dict[int, int], x: int) -> int:
    """Return the value at x of the polynomial of least degree through these points."""
    total = 0
    for i, y in points.items():
        above = reduce(lambda a, j: a * (x - j) % prime, (j for j in points if j != i), 1)
        below = reduce(lambda a, j: a * (i - j) % prime, (j for j in points if j != i), 1)
        total += y * above * pow(below, -1, prime)
    return total % prime


def dealt(config: RoundConfig, vectors: np.ndarray) -> list[list[list[int]]]:
    """Return what each trainer deals to each holder, as integers."""
    suite, field = SUITES[config.suite], FIELDS[config.field]
    return [
        [
            [int(value) for value in field.from_bytes(payload)]
            for payload in suite.protect(config, vector, bytes([number]) * 32, 0)
        ]
        for number, vector in enumerate(vectors)
    ]


@pytest.mark.parametrize("field", ["p31", "p61"])
@pytest.mark.parametrize("pool", [(0, 1), (1, 4), (2, 3)])
def test_all_vectors_with_the_same_sum_fit_what_a_coalition_saw(
    field: str, pool: tuple[int, ...]
) -> None:
    draw = Random(7)
    config = config_of(field=field, dimension=LENGTH, threshold=3)
    prime, holders = FIELDS[field].modulus, config.holders
    vectors = np.array(
        [[draw.randrange(-999, 999) for _ in range(LENGTH)] for _ in range(TRAINERS)]
    )
    shares = dealt(config, vectors)
    assert len(pool) == config.threshold - 1
    for place in range(LENGTH):
        answers = [sum(s[h][place] for s in shares) % prime for h in range(holders)]
        others = [draw.randrange(prime) for _ in range(TRAINERS - 1)]
        total = int(vectors[:, place].sum())
        guess = [*others, (total - sum(others)) % prime]

        fitting = []
        for number in range(TRAINERS):
            seen = {holder + 1: shares[number][holder][place] for holder in pool}
            points = {0: guess[number], **seen}
            fitting.append([at(prime, points, holder + 1) for holder in range(holders)])

        # The coalition's shares are as they were, the hidden ones are not, and every answer is.
        for number, values in enumerate(fitting):
            assert all(values[holder] == shares[number][holder][place] for holder in pool)
            hidden = [h for h in range(holders) if h not in pool]
            assert any(values[h] != shares[number][h][place] for h in hidden)
        sums = [sum(values[h] for values in fitting) % prime for h in range(holders)]
        assert sums == answers


def test_one_holder_more_and_there_is_one_vector_that_fits() -> None:
    config = config_of(field="p61", dimension=LENGTH, threshold=3)
    vectors = np.arange(TRAINERS * LENGTH).reshape(TRAINERS, LENGTH)
    shares, prime = dealt(config, vectors), FIELDS["p61"].modulus

    for number, vector in enumerate(vectors):
        for place, value in enumerate(vector):
            points = {h + 1: shares[number][h][place] for h in range(config.threshold)}
            assert at(prime, points, 0) == int(value)
