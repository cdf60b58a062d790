from __future__ import annotations

import json

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of

from protocols.learning.elastic_net import ElasticNet, Ridge
from protocols.learning.job import JobFailed
from protocols.learning.newton import raw
from protocols.learning.penalised_fit import PenalisedFit
from protocols.learning.softmax import Softmax
from protocols.learning.softmax_fit import SoftmaxFit
from protocols.learning.table import Table
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(8)
X = RNG.normal(size=(240, 4))
COLUMNS = {
    **dict(zip("abcd", X.T, strict=True)),
    "y": 1 + 2 * X[:, 0] - X[:, 1] + RNG.normal(size=240),
    "kind": np.digitize(X[:, 0] + 0.5 * RNG.normal(size=240), [-0.5, 0.5]).astype(float),
}
FEATURES = tuple("abcd")
KINDS = Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high"))


def result(algorithm: Tabular, owners: dict[str, Table]) -> PenalisedFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert isinstance(found, PenalisedFit)
    return found


def kinds(algorithm: Softmax, owners: dict[str, Table]) -> SoftmaxFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def test_dependent_columns_have_a_solution_with_a_penalty() -> None:
    owners = owners_of(COLUMNS | {"e": COLUMNS["a"]}, UNEQUAL[5])
    algorithm = Ridge(features=(*FEATURES, "e"), target="y")

    found = result(algorithm, owners)

    assert found.estimates[1] == pytest.approx(found.estimates[5], rel=1e-9)


def test_the_lasso_leaves_columns_out() -> None:
    algorithm = ElasticNet(features=FEATURES, target="y", alpha=0.3, l1_ratio=1.0)

    found = result(algorithm, owners_of(COLUMNS, UNEQUAL[5]))

    assert found.chosen == ("a", "b")
    assert "2 of 4" in found.summary()


@pytest.mark.parametrize("unit", [1e-10, 1e10])
def test_units_of_the_outcome_do_not_matter(unit: float) -> None:
    columns = COLUMNS | {"y": unit * (COLUMNS["y"] + 1e4)}
    there = ElasticNet(features=FEATURES, target="y", alpha=0.1 * unit, l1_ratio=1.0)
    here = ElasticNet(features=FEATURES, target="y", alpha=0.1, l1_ratio=1.0)

    found = result(there, owners_of(columns, UNEQUAL[3]))

    same = result(here, owners_of(COLUMNS, UNEQUAL[3]))
    np.testing.assert_allclose(found.estimates[1:] / unit, same.estimates[1:], rtol=1e-9)


def test_a_strong_penalty_leaves_the_null_model() -> None:
    algorithm = ElasticNet(features=FEATURES, target="y", alpha=1e3, l1_ratio=1.0)

    found = result(algorithm, owners_of(COLUMNS, UNEQUAL[3]))

    assert found.estimates.tolist() == [pytest.approx(COLUMNS["y"].mean()), 0.0, 0.0, 0.0, 0.0]
    assert found.deviance == pytest.approx(found.null_deviance, rel=1e-12)


@pytest.mark.parametrize("rounds", [1, 3])
def test_a_penalised_fit_measures_the_columns_again_when_an_owner_leaves(rounds: int) -> None:
    algorithm = ElasticNet(features=FEATURES, target="y", alpha=0.1, scaled=True)
    owners = owners_of(COLUMNS, UNEQUAL[5])
    left = {name: table for name, table in owners.items() if name != "owner-5"}
    state = algorithm.start()
    for _ in range(rounds):
        state = one_round(algorithm, state, owners)

    found = algorithm.fit(fit(algorithm, left, state=state))

    assert found is not None
    alone = result(algorithm, left)
    np.testing.assert_allclose(found.estimates, alone.estimates, rtol=1e-9)
    assert found.rows == alone.rows
    then = {1: "went on from here with who is left", 3: "began again"}[rounds]
    assert found.notes == (f"round {rounds + 1}: owner-5 left, nobody came; {then}",)


def test_a_penalised_fit_begins_again_at_a_point_at_which_nothing_was_opened() -> None:
    columns = COLUMNS | {"high": (COLUMNS["kind"] > 0).astype(float)}
    algorithm = ElasticNet(features=FEATURES, target="high", family="binomial", alpha=0.01)
    owners = owners_of(columns, UNEQUAL[5])
    left = dict(list(owners.items())[1:])
    state = algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)
    before = state

    for _ in range(3):
        state = one_round(algorithm, state, left)

    assert state.text("phase") == "newton"
    np.testing.assert_allclose(
        raw(state.floats("beta"), state), raw(before.floats("beta"), before), rtol=1e-12
    )
    assert np.abs(before.floats("beta") - before.floats("accepted")).max() > 0.1


def test_owners_with_one_class_or_one_row_tell_classes_apart_together() -> None:
    kind = COLUMNS["kind"]
    owners = {
        str(level): Table({name: column[kind == level] for name, column in COLUMNS.items()})
        for level in (0, 1, 2)
    }
    first = {name: column[:1] for name, column in owners["0"].columns.items()}
    rest = {name: column[1:] for name, column in owners["0"].columns.items()}

    found = kinds(KINDS, {**owners, "0": Table(rest), "one row": Table(first)})

    pooled = kinds(KINDS, owners_of(COLUMNS, (1,)))
    np.testing.assert_allclose(found.estimates, pooled.estimates, rtol=1e-9)
    assert found.log_likelihood == pytest.approx(pooled.log_likelihood, rel=1e-13)


def test_classes_that_are_left_by_their_owner_are_refused_by_name() -> None:
    kind = COLUMNS["kind"]
    few = {name: column[kind < 2] for name, column in COLUMNS.items()}

    with pytest.raises(JobFailed, match="no row of any owner is of the class high"):
        fit(KINDS, owners_of(few, UNEQUAL[3]))


def test_classes_that_a_column_separates_need_a_penalty() -> None:
    columns = COLUMNS | {"kind": np.digitize(COLUMNS["a"], [-0.5, 0.5]).astype(float)}
    owners = owners_of(columns, UNEQUAL[3])
    penalised = Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high"), alpha=1.0)

    with pytest.raises(JobFailed, match="grow without bound"):
        fit(KINDS, owners)
    found = kinds(penalised, owners)

    assert np.isfinite(found.estimates).all()
    assert found.estimates[:, 0].sum() == pytest.approx(0, abs=1e-9)


def test_a_step_that_is_far_too_long_is_halved_until_it_helps() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    state = KINDS.start()
    for _ in range(4):
        state = one_round(KINDS, state, owners)
    accepted = state.floats("accepted")
    wild = state.evolved({"beta": accepted + 1e6 * (state.floats("beta") - accepted)})

    after = one_round(KINDS, wild, owners)

    assert after.count("halvings") == 1
    found = KINDS.fit(fit(KINDS, owners, state=after))
    assert found is not None
    np.testing.assert_allclose(found.estimates, kinds(KINDS, owners).estimates, rtol=1e-9)


def test_softmax_goes_on_without_an_owner_that_leaves() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    left = {name: table for name, table in owners.items() if name != "owner-3"}
    state = KINDS.start()
    for _ in range(4):
        state = one_round(KINDS, state, owners)

    found = KINDS.fit(fit(KINDS, left, state=state))

    alone = kinds(KINDS, left)
    assert found is not None
    np.testing.assert_allclose(found.estimates, alone.estimates, rtol=1e-9)
    assert found.null_deviance == pytest.approx(alone.null_deviance, rel=1e-13)
    assert "went on from here" in found.notes[0]


def test_classes_are_predicted_by_name_with_chances_that_add_up() -> None:
    found = kinds(KINDS, owners_of(COLUMNS, UNEQUAL[3]))
    rows = {name: np.array([-3.0, 0.0, 3.0]) * (name == "a") for name in FEATURES}

    chances = found.chances(rows)

    assert found.predict(rows) == ("low", "mid", "high")
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-15)


def test_softmax_over_two_classes_is_logistic_regression() -> None:
    columns = COLUMNS | {"kind": (COLUMNS["kind"] > 0).astype(float)}
    two = Softmax(features=FEATURES, target="kind", levels=("no", "yes"))

    found = kinds(two, owners_of(columns, UNEQUAL[5]))

    assert found.estimates.shape == (1, 5)
    assert found.errors is not None
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["levels"] == ["no", "yes"]
    assert found.summary().count("kind = yes") == 1
