from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from protocols.errors import Unfit
from protocols.learning.job import JobFailed, Opened, require_cohort
from protocols.learning.logistic import Logistic
from protocols.learning.state import State
from protocols.learning.table import Table

X, Y = load_breast_cancer(return_X_y=True)
NAMES = tuple(f"c{i}" for i in range(X.shape[1]))


@dataclass(frozen=True)
class Rows:
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def table(self, algorithm: Logistic) -> Table:
        columns = dict(zip(algorithm.features, self.x.T, strict=True))
        return Table({**columns, algorithm.target: self.y})


OWNERS = {
    "ann": Rows(X[:100], Y[:100].astype(float)),
    "bob": Rows(X[100:269], Y[100:269].astype(float)),
    "cem": Rows(X[269:], Y[269:].astype(float)),
}


def secure_sum(algorithm: Logistic, state: State, owners: dict[str, Rows], bits: int) -> Opened:
    """Sum as the fixed point does: every owner rounds to integers."""
    integers = [
        np.rint(algorithm.local(state, rows.table(algorithm)) * 2.0**bits)
        for rows in owners.values()
    ]
    total = np.sum([column.astype(np.int64) for column in integers], axis=0)
    return Opened(total=total.astype(np.float64) / 2.0**bits, survivors=tuple(owners))


def run(algorithm: Logistic, owners: dict[str, Rows], *, bits: int = 30) -> State:
    state = algorithm.start()
    while not algorithm.verdict(state).over:
        state = algorithm.update(state, secure_sum(algorithm, state, owners, bits))
        state = State.from_bytes(state.to_bytes())
    return state


def pooled(owners: dict[str, Rows], c: float = 1.0) -> LogisticRegression:
    x = np.concatenate([rows.x for rows in owners.values()])
    y = np.concatenate([rows.y for rows in owners.values()])
    reference = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12)
    return reference.fit(StandardScaler().fit_transform(x), y)


def distance(state: State, reference: LogisticRegression) -> float:
    theirs = np.append(reference.intercept_, reference.coef_)
    return float(np.abs(state.floats("beta") - theirs).max())


def line(x: list[float], y: list[int]) -> Rows:
    return Rows(np.array(x).reshape(-1, 1), np.array(y, dtype=float))


def test_three_owners_get_what_scikit_learn_gets_on_the_pooled_rows() -> None:
    algorithm = Logistic(features=NAMES, target="y")

    state = run(algorithm, OWNERS)

    assert algorithm.verdict(state).reason == "converged"
    assert distance(state, pooled(OWNERS)) < 1e-8
    intercept, *coefficients = state.floats("beta")
    assert np.linalg.norm(coefficients) == pytest.approx(3.84160879, abs=1e-8)
    assert intercept == pytest.approx(0.21450272, abs=1e-8)
    assert state.count("round") <= 15


@pytest.mark.parametrize(("bits", "tolerance"), [(20, 1e-5), (24, 1e-6), (36, 1e-9)])
def test_rounding_of_the_fixed_point_never_hinders_the_end(bits: int, tolerance: float) -> None:
    algorithm = Logistic(features=NAMES, target="y")

    state = run(algorithm, OWNERS, bits=bits)

    assert algorithm.verdict(state).reason == "converged"
    assert distance(state, pooled(OWNERS)) < tolerance


def test_columns_in_small_units_keep_their_digits() -> None:
    algorithm = Logistic(features=NAMES[:3], target="y")
    units = np.array([1e-5, 1.0, 1e3])
    owners = {name: Rows(rows.x[:, :3] * units, rows.y) for name, rows in OWNERS.items()}

    state = run(algorithm, owners)

    assert distance(state, pooled(owners)) < 1e-7


def test_job_begins_again_when_an_owner_leaves_and_is_exact_for_those_who_stay() -> None:
    algorithm = Logistic(features=NAMES, target="y")
    state = algorithm.start()
    for _ in range(6):
        state = algorithm.update(state, secure_sum(algorithm, state, OWNERS, 30))
    stay = {name: OWNERS[name] for name in ("ann", "cem")}

    while not algorithm.verdict(state).over:
        state = algorithm.update(state, secure_sum(algorithm, state, stay, 30))

    assert state.count("restarts") == 1
    assert state.items("cohort") == ["ann", "cem"]
    assert state.items("notes") == ["round 7: bob left, nobody came; began again"]
    assert distance(state, pooled(stay)) < 1e-8


def test_rounds_before_a_restart_count_too() -> None:
    algorithm = Logistic(features=NAMES, target="y", max_rounds=6)
    state = algorithm.start()

    for round_number in range(6):
        owners = dict(list(OWNERS.items())[round_number % 2 :])
        state = algorithm.update(state, secure_sum(algorithm, state, owners, 30))

    assert algorithm.verdict(state).reason == "max rounds"
    assert state.count("restarts") == 4


def test_constant_column_gets_no_coefficient_and_a_note() -> None:
    algorithm = Logistic(features=("still", *NAMES[:2]), target="y")
    owners = {
        name: Rows(np.column_stack([np.full(len(rows.y), 1234.5), rows.x[:, :2]]), rows.y)
        for name, rows in OWNERS.items()
    }

    state = run(algorithm, owners)

    assert state.floats("scale")[0] == 1.0
    assert state.items("notes") == ["column 'still' is constant: its scale is 1"]
    assert distance(state, pooled(owners)) < 1e-8


def test_separable_classes_without_a_penalty_are_refused() -> None:
    algorithm = Logistic(features=("a",), target="y", C=float("inf"))
    owners = {"ann": line([1, 2, 3], [0, 0, 0]), "bob": line([4, 5, 6], [1, 1, 1])}

    with pytest.raises(JobFailed, match="separate the outcomes perfectly"):
        run(algorithm, owners)


def test_separable_classes_with_a_penalty_have_a_solution() -> None:
    algorithm = Logistic(features=("a",), target="y")
    owners = {"ann": line([1, 2, 3], [0, 0, 0]), "bob": line([4, 5, 6], [1, 1, 1])}

    state = run(algorithm, owners)

    assert distance(state, pooled(owners)) < 1e-7


def test_one_class_only_is_refused() -> None:
    algorithm = Logistic(features=("a",), target="y")

    with pytest.raises(JobFailed, match="one class"):
        run(algorithm, {"ann": line([1, 2, 3], [1, 1, 1]), "bob": line([4, 6, 5], [1, 1, 1])})


def test_an_owner_may_have_one_class_only() -> None:
    algorithm = Logistic(features=("a",), target="y")
    owners = {"ann": line([1, 5, 3], [1, 1, 1]), "bob": line([4, 6, 2], [0, 1, 0])}

    assert distance(run(algorithm, owners), pooled(owners)) < 1e-7


def test_dependent_columns_without_a_penalty_are_refused() -> None:
    algorithm = Logistic(features=("a", "twice"), target="y", C=float("inf"))
    x = np.array([1.0, 2.0, 3.0, 4.0, 2.5])
    rows = Rows(np.column_stack([x, 2 * x]), np.array([0.0, 1.0, 0.0, 1.0, 1.0]))

    with pytest.raises(JobFailed, match="linearly dependent"):
        run(algorithm, {"ann": rows})


def test_step_that_makes_things_worse_is_halved() -> None:
    algorithm = Logistic(features=NAMES, target="y")
    state = algorithm.start()
    for _ in range(5):
        state = algorithm.update(state, secure_sum(algorithm, state, OWNERS, 30))
    good = state.floats("accepted")
    step = state.floats("beta") - good
    wild = state.evolved({"beta": good + 64 * step})

    after = algorithm.update(wild, secure_sum(algorithm, wild, OWNERS, 30))

    assert after.count("halvings") == 1
    np.testing.assert_allclose(after.floats("beta"), good + 32 * step)
    assert distance(_finish(algorithm, after), pooled(OWNERS)) < 1e-8


def _finish(algorithm: Logistic, state: State) -> State:
    while not algorithm.verdict(state).over:
        state = algorithm.update(state, secure_sum(algorithm, state, OWNERS, 30))
    return state


def test_coordinates_are_named() -> None:
    algorithm = Logistic(features=("a", "b"), target="y")
    state = algorithm.start().evolved(phase="newton")

    names = [algorithm.name_of(state, i) for i in range(algorithm.dimension(state))]

    assert names[:4] == ["gradient[0]", "gradient[1]", "gradient[2]", "gradient[0]"]
    assert names[18:21] == ["information[0,0]", "information[0,1]", "information[0,2]"]


def test_sum_that_is_not_finite_fails_the_job() -> None:
    algorithm = Logistic(features=("a",), target="y")

    with pytest.raises(JobFailed, match="not finite"):
        algorithm.update(
            algorithm.start(), Opened(total=np.array([np.nan, 0.0]), survivors=("ann",))
        )


def test_an_owner_outside_the_cohort_declines_and_one_inside_does_not() -> None:
    state = State(facts={"cohort": ["ann", "bob"]})

    require_cohort(state, "ann")
    require_cohort(State(facts={"cohort": []}), "eve")
    with pytest.raises(Unfit, match="without this owner") as refused:
        require_cohort(state, "eve")

    assert refused.value.kind == "not in the cohort"
