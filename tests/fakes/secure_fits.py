"""Algorithms over several owners through the real secure sum, without actors.

Every vector is written as fixed point, shared among five holders of whom three open the sum, and
the state goes through its bytes between two rounds, as in a run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from fakes.round_parts import config_of
from numpy.typing import NDArray

from protocols.learning.job import Opened
from protocols.learning.state import State
from protocols.learning.table import Table
from protocols.learning.tabular import Tabular
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.suites import SUITES

Vector = NDArray[np.float64]

UNEQUAL = {3: (0.1, 0.3, 0.6), 5: (0.04, 0.1, 0.16, 0.3, 0.4)}


def secure_sum(vectors: Sequence[Vector], *, bits: int = 30, number: int = 0) -> Vector:
    """Return the opened sum of the owners' vectors (d,)."""
    config = config_of(
        dimension=vectors[0].size,
        fraction_bits=bits,
        trainers=max(3, len(vectors)),
        number=number,
        chunk_bytes=2**20,
    )
    suite, fixed_point = SUITES["shamir"], FixedPoint.of(config)
    pieces = []
    for chunk in range(suite.chunks(config)):
        first = chunk * suite.chunk_values(config)
        length = suite.chunk_length(config, chunk)
        held: list[NDArray[np.uint64] | None] = [None] * config.holders
        for owner, vector in enumerate(vectors):
            seed = hashlib.sha256(f"{owner} {number}".encode()).digest()
            values = fixed_point.encode(vector[first : first + length])
            shares = suite.protect(config, values, seed, chunk)
            held = [suite.add(config, h, s) for h, s in zip(held, shares, strict=True)]
        answers = {p: suite.answer(config, h) for p, h in enumerate(held) if h is not None}
        pieces.append(suite.open(config, {place: answers[place] for place in (0, 2, 4)}))
    return fixed_point.decode(np.concatenate(pieces))


def one_round(
    algorithm: Tabular, state: State, owners: Mapping[str, Table], *, bits: int = 30
) -> State:
    """Return the state after a round of all owners."""
    vectors = [algorithm.local(state, table) for table in owners.values()]
    total = secure_sum(vectors, bits=bits, number=state.count("round"))
    state = algorithm.update(state, Opened(total=total, survivors=tuple(owners)))
    return State.from_bytes(state.to_bytes())


def fit(
    algorithm: Tabular,
    owners: Mapping[str, Table],
    *,
    bits: int = 30,
    state: State | None = None,
) -> State:
    """Return the state at the end, from the start or from `state`."""
    state = algorithm.start() if state is None else state
    while not algorithm.verdict(state).over:
        state = one_round(algorithm, state, owners, bits=bits)
    return state


def owners_of(
    columns: Mapping[str, NDArray[np.generic]], shares: Sequence[float], *, seed: int = 0
) -> dict[str, Table]:
    """Divide shuffled rows among owners that get these shares of them."""
    arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    rows = len(next(iter(arrays.values())))
    order = np.random.default_rng(seed).permutation(rows)
    ends = np.rint(np.cumsum(shares) / np.sum(shares) * rows).astype(int)
    parts = np.split(order, ends[:-1])
    return {
        f"owner-{number}": Table({name: array[part] for name, array in arrays.items()})
        for number, part in enumerate(parts, start=1)
    }
