from __future__ import annotations

import statistics
from fractions import Fraction

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of

from protocols.errors import Unfit
from protocols.learning.job import JobFailed
from protocols.learning.moments import Moments
from protocols.learning.table import Table

RNG = np.random.default_rng(3)
COLUMNS = {
    "metres": RNG.normal(1.7, 0.1, 400),
    "far": 1.7e15 + RNG.normal(0, 1e3, 400),
    "tiny": RNG.normal(3e-9, 1e-9, 400),
    "huge": RNG.normal(0, 1e11, 400),
    "still": np.full(400, 0.1),
}
MOMENTS = Moments(features=tuple(COLUMNS))


@pytest.mark.parametrize("owners", [3, 5])
def test_mean_and_variance_are_those_of_the_pooled_rows_in_any_units(owners: int) -> None:
    state = fit(MOMENTS, owners_of(COLUMNS, UNEQUAL[owners]))

    found = MOMENTS.result(state)
    exact = [[Fraction(value) for value in column] for column in COLUMNS.values()]
    means = [float(statistics.mean(column)) for column in exact]
    variances = [float(statistics.variance(column)) for column in exact]
    assert found["rows"] == 400
    np.testing.assert_allclose(found["mean"], means, rtol=1e-15)
    np.testing.assert_allclose(found["variance"][:4], variances[:4], rtol=1e-13)
    assert found["variance"][4] == 0.0
    assert state.count("round") == 2


def test_an_owner_may_have_one_row_or_none() -> None:
    columns = {"a": np.array([1.0, 2.0, 4.0, 9.0])}
    owners = owners_of(columns, (0.25, 0.75)) | {"empty": Table({"a": np.zeros(0)})}
    algorithm = Moments(features=("a",))

    found = algorithm.result(fit(algorithm, owners))

    assert (found["mean"], found["variance"]) == ([4.0], pytest.approx([38 / 3], rel=1e-15))


def test_owners_without_any_row_are_refused() -> None:
    nobody = dict.fromkeys(("ann", "bob", "cem"), Table({"a": np.zeros(0)}))

    with pytest.raises(JobFailed, match="no rows at all"):
        fit(Moments(features=("a",)), nobody)


def test_moments_begin_again_over_those_who_are_left() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = one_round(MOMENTS, MOMENTS.start(), owners)
    left = {name: owners[name] for name in list(owners)[1:]}

    state = fit(MOMENTS, left, state=state)

    pooled = np.concatenate([table.column("metres") for table in left.values()])
    assert MOMENTS.result(state)["mean"][0] == pytest.approx(pooled.mean(), rel=1e-14)
    assert state.items("notes")[0] == "round 2: owner-1 left, nobody came; began again"


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not finite"), (1e300, "too large")])
def test_a_value_that_no_sum_can_hold_is_refused_with_its_place(value: float, kind: str) -> None:
    table = Table({"a": np.array([1.0]), "b": np.array([value])})
    algorithm = Moments(features=("a", "b"))

    with pytest.raises(Unfit, match=r"sum\[b\]") as refused:
        algorithm.local(algorithm.start(), table)

    assert refused.value.kind == kind
    assert "e+300" not in str(refused.value)
