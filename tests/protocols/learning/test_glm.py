from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, Vector, fit, one_round, owners_of

from protocols.errors import Misuse, Unfit
from protocols.learning.glm import Glm
from protocols.learning.glm_fit import GlmFit
from protocols.learning.job import JobFailed
from protocols.learning.table import Table

RNG = np.random.default_rng(11)
ROWS = 300
A, B = RNG.normal(5, 2, ROWS), RNG.normal(-1, 0.3, ROWS)
ETA = 0.4 * (A - 5) - 1.2 * (B + 1)
COLUMNS = {
    "a": A,
    "b": B,
    "line": 3 + ETA + RNG.normal(0, 1, ROWS),
    "yes": (RNG.random(ROWS) < 1 / (1 + np.exp(-ETA))).astype(float),
    "count": RNG.poisson(np.exp(0.5 + 0.3 * ETA)).astype(float),
    "time": RNG.gamma(3, np.exp(1 + 0.2 * ETA) / 3),
}
TARGETS = {"gaussian": "line", "binomial": "yes", "poisson": "count", "gamma": "time"}


def glm(family: str, **options: Any) -> Glm:
    target = options.pop("target", TARGETS[family])
    names = options.pop("features", ("a", "b"))
    return Glm(features=names, target=target, family=family, **options)  # type: ignore[arg-type]


def fitted(algorithm: Glm, owners: dict[str, Table]) -> GlmFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def pooled(algorithm: Glm, owners: dict[str, Table]) -> GlmFit:
    names = next(iter(owners.values())).columns
    whole = {n: np.concatenate([table.column(n) for table in owners.values()]) for n in names}
    return fitted(algorithm, {"all": Table(whole)})


def assert_same(found: GlmFit, other: GlmFit) -> None:
    np.testing.assert_allclose(found.estimates, other.estimates, rtol=1e-9)
    np.testing.assert_allclose(found.errors, other.errors, rtol=1e-9)
    assert found.rows == other.rows
    assert found.deviance == pytest.approx(other.deviance, rel=1e-12)
    assert found.null_deviance == pytest.approx(other.null_deviance, rel=1e-12)
    assert found.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)


@pytest.mark.parametrize("family", TARGETS)
def test_it_does_not_matter_how_rows_are_divided(family: str) -> None:
    algorithm = glm(family)

    found = fitted(algorithm, owners_of(COLUMNS, UNEQUAL[5]))

    assert_same(found, pooled(algorithm, owners_of(COLUMNS, (1,))))


@pytest.mark.parametrize("family", TARGETS)
def test_owners_of_one_row_and_of_none_take_part(family: str) -> None:
    owners = owners_of(COLUMNS, (1, 1, 298))
    owners["empty"] = Table({name: np.zeros(0) for name in COLUMNS})
    assert [table.rows for table in owners.values()] == [1, 1, 298, 0]

    found = fitted(glm(family), owners)

    assert_same(found, pooled(glm(family), owners_of(COLUMNS, (1,))))


@pytest.mark.parametrize("unit", [1e-10, 1e7, 1e12])
@pytest.mark.parametrize(
    ("family", "link", "power"), [("gaussian", None, 1), ("gamma", None, -1), ("gamma", "log", 0)]
)
def test_units_of_the_outcome_do_not_matter(
    family: str, link: str | None, power: int, unit: float
) -> None:
    algorithm, target = glm(family, link=link), TARGETS[family]
    other = COLUMNS | {target: COLUMNS[target] * unit}

    found = fitted(algorithm, owners_of(other, UNEQUAL[3]))

    same = fitted(algorithm, owners_of(COLUMNS, UNEQUAL[3]))
    np.testing.assert_allclose(found.estimates[1:], same.estimates[1:] * unit**power, rtol=1e-9)
    np.testing.assert_allclose(found.errors, same.errors * unit**power, rtol=1e-9)
    assert abs(found.rounds - same.rounds) <= 1


def test_owners_of_one_class_take_part() -> None:
    yes = COLUMNS["yes"] == 1
    owners = {
        "sick": Table({name: column[yes] for name, column in COLUMNS.items()}),
        "well": Table({name: column[~yes][:80] for name, column in COLUMNS.items()}),
        "rest": Table({name: column[~yes][80:] for name, column in COLUMNS.items()}),
    }

    assert_same(fitted(glm("binomial"), owners), pooled(glm("binomial"), owners))


@pytest.mark.parametrize("family", TARGETS)
def test_a_fit_goes_on_without_an_owner_that_leaves_and_is_exact_for_the_rest(family: str) -> None:
    algorithm = glm(family)
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)
    left = {name: table for name, table in owners.items() if name != "owner-4"}

    state = fit(algorithm, left, state=state)

    found = algorithm.fit(state)
    assert found is not None
    assert_same(found, pooled(algorithm, left))
    assert found.owners == ("owner-1", "owner-2", "owner-3", "owner-5")
    assert found.notes == (
        "round 4: owner-4 left, nobody came; went on from here with who is left",
    )


def test_what_was_measured_over_others_is_not_compared_with_what_those_who_are_left_say() -> None:
    algorithm, owners = glm("binomial"), owners_of(COLUMNS, UNEQUAL[5])
    state = algorithm.start()
    for _ in range(4):
        state = one_round(algorithm, state, owners)
    seen = state.evolved(objective=0.0, max_step=1.0, least=1e9)

    after = one_round(algorithm, seen, dict(list(owners.items())[1:]))

    assert (after.count("halvings"), after.facts["still"]) == (0, False)
    assert after.number("objective") > 0


def test_an_owner_that_leaves_at_the_very_end_is_left_out_of_everything() -> None:
    level = {"a": np.tile([-1.0, 1.0], 30), "line": np.repeat([3.0, 5.0], 30)}
    algorithm = glm("gaussian", features=("a",))
    owners = {f"owner-{n}": Table({k: v[n::10] for k, v in level.items()}) for n in range(10)}
    owners["late"] = Table({"a": np.array([-1.0, 1.0]), "line": np.array([9.0, 9.0])})
    state = algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)
    left = {name: table for name, table in owners.items() if name != "late"}
    there = state.evolved({"beta": np.array([4.0, 0.0])})  # where those who are left are to get

    found = algorithm.fit(fit(algorithm, left, state=there))

    assert found is not None
    assert found.null_deviance == pytest.approx(60.0, rel=1e-12)


def test_a_state_is_never_asked_twice_when_an_owner_leaves() -> None:
    algorithm, owners = glm("binomial"), owners_of(COLUMNS, UNEQUAL[5])
    state, asked = algorithm.start(), []
    for number in range(8):
        if "beta" in state.arrays:
            asked.append(state.floats("beta").tobytes())
        here = owners if number != 4 else dict(list(owners.items())[1:])
        owners = here
        state = one_round(algorithm, state, here)

    assert len(set(asked)) == len(asked) == 6


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"twice": 2 * A + 1}, "a, twice"),
        ({"still": np.full(ROWS, 7.0)}, "still"),
        ({"sum": A + B, "b": B}, "a, sum, b"),
    ],
)
@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_dependent_columns_are_named(family: str, columns: dict[str, Vector], names: str) -> None:
    algorithm = glm(family, features=("a", *columns))

    with pytest.raises(JobFailed, match=rf"singular: columns are .* \({names}\); leave"):
        fit(algorithm, owners_of(COLUMNS | columns, UNEQUAL[3]))


@pytest.mark.parametrize(
    ("family", "outcome"),
    [
        ("binomial", (A > 5).astype(float)),  # separated
        ("binomial", np.where(A > 5, 1.0, np.arange(ROWS) % 2)),  # on one side only
        ("poisson", np.where(A > 5, COLUMNS["count"] + 1, 0.0)),
    ],
)
def test_coefficients_that_grow_without_bound_are_no_result(family: str, outcome: Vector) -> None:
    columns = COLUMNS | {"y": outcome, "high": (A > 5).astype(float)}
    algorithm = glm(family, features=("high", "b"), target="y")

    with pytest.raises(JobFailed, match=r"grow without bound: .* \(const, high\)"):
        fit(algorithm, owners_of(columns, UNEQUAL[3]))


@pytest.mark.parametrize(
    ("family", "value", "why"),
    [
        ("binomial", 1.0, "one class"),
        ("binomial", 0.0, "one class"),
        ("poisson", 0.0, "all counts of all owners are 0"),
        ("gaussian", 3.0, "the outcome is the same in all rows"),
        ("gamma", 3.0, "the outcome is the same in all rows"),
    ],
)
def test_outcomes_that_are_all_alike_are_refused(family: str, value: float, why: str) -> None:
    columns = COLUMNS | {TARGETS[family]: np.full(ROWS, value)}

    with pytest.raises(JobFailed, match=why):
        fit(glm(family), owners_of(columns, UNEQUAL[3]))


def test_too_few_rows_are_refused() -> None:
    few = {name: column[:3] for name, column in COLUMNS.items()}

    with pytest.raises(JobFailed, match="3 rows are too few for 3 coefficients"):
        fit(glm("gaussian"), owners_of(few, (1, 1, 1)))


def test_a_perfect_line_says_that_its_errors_mean_nothing() -> None:
    columns = COLUMNS | {"line": 2 + 3 * A - B}

    found = fitted(glm("gaussian"), owners_of(columns, UNEQUAL[3]))

    np.testing.assert_allclose(found.estimates, [2, 3, -1], atol=1e-10)
    assert found.notes == (
        "the columns explain the outcome perfectly: errors and tests mean nothing",
    )


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not finite"), (1e200, "too large")])
def test_a_value_that_can_not_be_summed_is_its_owners_trouble(value: float, kind: str) -> None:
    algorithm = glm("gaussian")
    table = Table({name: np.append(column[:5], value) for name, column in COLUMNS.items()})

    with pytest.raises(Unfit, match=r"sum\[a\]") as refused:
        algorithm.local(algorithm.start(), table)

    assert refused.value.kind == kind


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_a_step_that_leads_to_no_model_is_halved(family: str) -> None:
    algorithm, owners = glm(family), owners_of(COLUMNS, UNEQUAL[3])
    state = algorithm.start()
    for _ in range(3):
        state = one_round(algorithm, state, owners)
    good, far = state.floats("accepted"), np.array([-1e3, 0.0, 0.0])
    lost = state.evolved({"beta": far})

    after = one_round(algorithm, lost, owners)

    assert after.count("halvings") == 1
    np.testing.assert_array_equal(after.floats("beta"), (good + far) / 2)
    found = algorithm.fit(fit(algorithm, owners, state=after))
    assert found is not None
    assert_same(found, pooled(algorithm, owners))


def test_a_start_that_is_no_model_for_those_who_are_left_falls_back_to_the_null_model() -> None:
    algorithm, owners = glm("gamma"), owners_of(COLUMNS, UNEQUAL[3])
    state = algorithm.start()
    for _ in range(2):
        state = one_round(algorithm, state, owners)
    nowhere = np.array([-5.0, 0.0, 0.0])
    state = state.evolved({"beta": nowhere, "accepted": nowhere})

    state = fit(algorithm, owners, state=state)

    found = algorithm.fit(state)
    assert found is not None
    assert_same(found, pooled(algorithm, owners))


def test_what_has_not_converged_is_no_result() -> None:
    algorithm = glm("poisson", max_rounds=4)

    state = fit(algorithm, owners_of(COLUMNS, UNEQUAL[3]))

    assert algorithm.verdict(state).reason == "max rounds"
    assert algorithm.fit(state) is None
    assert algorithm.result(state) == {}
    assert state.items("notes") == ["not at its end after 4 rounds; allow more max_rounds"]


@pytest.mark.parametrize("bits", [20, 24, 40])
def test_fewer_fraction_bits_cost_nothing(bits: int) -> None:
    algorithm, owners = glm("poisson"), owners_of(COLUMNS, UNEQUAL[5])

    found = algorithm.fit(fit(algorithm, owners, bits=bits))

    assert found is not None
    assert_same(found, pooled(algorithm, owners))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"features": ()}, "features must name one column or more"),
        ({"features": ("a", "a")}, "a feature named twice"),
        ({"features": ("a", "line")}, "the target is among the features"),
        ({"link": "log"}, "gaussian has no link 'log'; it has identity"),
        ({"size": "b"}, "gaussian has no trials or exposures"),
        ({"tolerance": 0.0}, "tolerance must be above 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        glm("gaussian", **{"features": ("a",), **options})


def test_predictions_are_in_units_of_the_outcome() -> None:
    found = fitted(glm("gamma", link="log"), owners_of(COLUMNS, UNEQUAL[3]))

    predicted = found.predict({"b": B[:2], "a": A[:2]})

    x = np.column_stack([np.ones(2), A[:2], B[:2]])
    np.testing.assert_allclose(predicted, np.exp(x @ found.estimates), rtol=1e-15)
    with pytest.raises(Misuse, match="needs the columns b"):
        found.predict({"a": A})


def test_json_has_every_number_and_no_other_floats() -> None:
    found = fitted(glm("gaussian"), owners_of(COLUMNS | {"line": 2 + A}, UNEQUAL[3]))

    text = json.dumps(found.to_json(), allow_nan=False)

    assert json.loads(text)["coefficients"] == found.estimates.tolist()


def test_a_summary_reads_like_that_of_statsmodels() -> None:
    found = fitted(glm("binomial"), owners_of(COLUMNS, UNEQUAL[3]))

    lines = found.summary().splitlines()

    assert lines[0].strip() == "Generalised Linear Model Regression over 3 Owners"
    assert all(len(line) == 78 for line in lines if set(line) <= {"=", "-"})
    assert lines[-6].split() == ["coef", "std", "err", "z", "P>|z|", "[0.025", "0.975]"]
    assert [line.split()[0] for line in lines[-4:-1]] == ["const", "a", "b"]
    assert len(lines[-2].split()) == 7


def test_long_names_and_large_numbers_keep_their_columns_apart() -> None:
    name = "a column with a name that is longer than the table is wide, and longer than that"
    columns = {name: 1e9 * A, "line": -1e12 + 1e12 * COLUMNS["line"]}
    algorithm = glm("gaussian", features=(name,))

    summary = fitted(algorithm, owners_of(columns, UNEQUAL[3])).summary()

    lines = summary.splitlines()
    assert max(len(line) for line in lines) == 78
    (row,) = [line for line in lines if line.startswith("a column with a ")]
    assert len([float(cell) for cell in row.partition("…")[2].split()]) == 6
