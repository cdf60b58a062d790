"""Owners that drop out in every round: a fit by Newton's method ends exact on who is left.

All sums of a fit are over one cohort, so an owner that misses a round is out of it, also when it
comes back. In each round three in ten of those who are still in it miss it at random, and one owner
is lost for good. Rounds of fewer than the minimum are abandoned, and tried again.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from fakes.secure_fits import Vector, fit, one_round, owners_of

from protocols.errors import Unfit
from protocols.learning.cox import Cox
from protocols.learning.elastic_net import ElasticNet
from protocols.learning.glm import Glm
from protocols.learning.job import require_cohort
from protocols.learning.logistic import Logistic
from protocols.learning.softmax import Softmax
from protocols.learning.state import State
from protocols.learning.table import Table
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(4)
ROWS = 3000
A, B = RNG.normal(50, 10, ROWS), RNG.normal(size=ROWS)
ETA = (A - 50) / 10 - 0.5 * B
COLUMNS = {
    "a": A,
    "b": B,
    "line": 3 + ETA + RNG.normal(size=ROWS),
    "yes": (RNG.random(ROWS) < 1 / (1 + np.exp(-ETA))).astype(float),
    "count": RNG.poisson(np.exp(0.3 * ETA)).astype(float),
    "kind": np.digitize(ETA + RNG.logistic(size=ROWS), [-0.5, 0.5]).astype(float),
    "time": np.ceil(30 * RNG.exponential(np.exp(-0.5 * ETA))),
    "died": (RNG.random(ROWS) < 0.7).astype(float),
}
FEATURES = ("a", "b")
LEVELS = ("low", "mid", "high")
FITS: dict[str, Tabular] = {
    "binomial": Glm(features=FEATURES, target="yes", family="binomial"),
    "poisson": Glm(features=FEATURES, target="count", family="poisson"),
    "softmax": Softmax(features=FEATURES, target="kind", levels=LEVELS),
    "cox": Cox(features=FEATURES, time="time", event="died"),
    "logistic": Logistic(features=FEATURES, target="yes", max_rounds=400),
    "elastic net": ElasticNet(features=FEATURES, target="line", alpha=0.05, max_rounds=400),
}
MINIMUM = 4


class Dropping:
    """Who is there: `lost` is gone from round 3 on, of the others 30 % miss each but the first."""

    def __init__(self, owners: dict[str, Table], *, lost: str, seed: int) -> None:
        self._all, self._random, self._lost = owners, Random(seed), lost

    def round(self, state: State) -> dict[str, Table]:
        """Return who takes part: whoever is out of the cohort declines when it comes back."""
        if state.count("round") == 0:
            return self._all
        left = {name: table for name, table in self._all.items() if _takes_part(state, name)}
        if state.count("round") >= 2:
            left.pop(self._lost, None)
        while True:
            here = {name: table for name, table in left.items() if self._random.random() >= 0.3}
            if len(here) >= MINIMUM:
                return here


def _takes_part(state: State, owner: str) -> bool:
    try:
        require_cohort(state, owner)
    except Unfit as declined:
        if declined.kind != "not in the cohort":
            raise
        return False
    return True


def dropped(algorithm: Tabular, owners: dict[str, Table], *, seed: int) -> State:
    """Return the state at the end."""
    dropping = Dropping(owners, lost="owner-7", seed=seed)
    state = algorithm.start()
    while not algorithm.verdict(state).over:
        state = one_round(algorithm, state, dropping.round(state))
    return state


def numbers(algorithm: Tabular, state: State) -> Vector:
    result = algorithm.result(state)
    names = ("coefficients", "standard_errors", "deviance", "log_likelihood", "rows")
    return np.concatenate([np.ravel(result[name]) for name in names if name in result])  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", FITS)
def test_a_fit_that_loses_owners_in_each_round_is_exact_on_who_is_left(
    name: str, seed: int
) -> None:
    algorithm = FITS[name]
    owners = owners_of(COLUMNS, np.random.default_rng(seed).dirichlet([3.0] * 30).tolist())

    state = dropped(algorithm, owners, seed=seed)

    cohort = [str(owner) for owner in state.items("cohort")]
    assert algorithm.verdict(state).reason == "converged"
    assert MINIMUM <= len(cohort) < 20
    assert "owner-7" not in cohort
    alone = fit(algorithm, {owner: owners[owner] for owner in cohort})
    np.testing.assert_allclose(numbers(algorithm, state), numbers(algorithm, alone), rtol=1e-8)
    assert algorithm.result(state)["owners"] == cohort


def test_who_leaves_while_columns_are_measured_is_in_nothing_that_follows() -> None:
    algorithm, owners = FITS["binomial"], owners_of(COLUMNS, (0.6, 0.2, 0.1, 0.1))
    fewer = {name: table for name, table in owners.items() if name != "owner-1"}

    state = one_round(algorithm, one_round(algorithm, algorithm.start(), owners), fewer)

    a, yes = (np.concatenate([t.column(name) for t in fewer.values()]) for name in ("a", "yes"))
    assert state.text("phase") == "newton"
    assert state.number("rows") == len(a)
    assert state.floats("mean")[0] == pytest.approx(a.mean(), rel=1e-14)
    assert state.floats("scale")[0] == pytest.approx(a.std(), rel=1e-13)
    share = yes.mean()
    assert state.floats("beta")[0] == pytest.approx(np.log(share / (1 - share)), rel=1e-12)


@pytest.mark.parametrize("name", ["binomial", "softmax", "cox"])
def test_a_fit_without_a_penalty_never_goes_back(name: str) -> None:
    algorithm = FITS[name]
    owners = owners_of(COLUMNS, np.random.default_rng(3).dirichlet([3.0] * 30).tolist())

    state = dropped(algorithm, owners, seed=3)

    assert all(
        note.endswith("nobody came; went on from here with who is left") for note in notes(state)
    )
    cohort = {str(owner) for owner in state.items("cohort")}
    assert {name for note in notes(state) for name in left(note)} == owners.keys() - cohort
    assert state.count("round") <= 25


def notes(state: State) -> list[str]:
    return [str(note) for note in state.items("notes")]


def left(note: str) -> list[str]:
    return note.partition(": ")[2].partition(" left")[0].split(", ")
