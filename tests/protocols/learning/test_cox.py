from __future__ import annotations

import json

import numpy as np
import pytest
from fakes.secure_fits import UNEQUAL, fit, one_round, owners_of
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import Unfit
from protocols.learning.cox import Cox
from protocols.learning.cox_fit import CoxFit
from protocols.learning.cox_pooled import joined
from protocols.learning.job import JobFailed
from protocols.learning.newton import raw
from protocols.learning.partial_likelihood import partial
from protocols.learning.survival import Observed
from protocols.learning.table import Table

RNG = np.random.default_rng(3)
ROWS = 400
A, B = RNG.normal(50, 10, ROWS), (RNG.random(ROWS) < 0.4).astype(float)
TIMES = np.ceil(40 * RNG.exponential(np.exp(0.04 * (50 - A) - 0.8 * B)))
STOPS = np.ceil(RNG.uniform(1, 60, ROWS))
COLUMNS = {
    "age": A,
    "treated": B,
    "time": np.minimum(TIMES, STOPS),
    "died": (TIMES <= STOPS).astype(float),
}
OWN = Cox(features=("age", "treated"), time="time", event="died")
POOLED = Cox(features=("age", "treated"), time="time", event="died", pooled=True, until=60)
MODELS = {"own": OWN, "pooled": POOLED}


def fitted(algorithm: Cox, owners: dict[str, Table]) -> CoxFit:
    found = algorithm.fit(fit(algorithm, owners))
    assert found is not None
    return found


def without(owners: dict[str, Table], name: str) -> dict[str, Table]:
    return {other: table for other, table in owners.items() if other != name}


def assert_same(found: CoxFit, other: CoxFit) -> None:
    np.testing.assert_allclose(found.estimates, other.estimates, rtol=1e-9)
    np.testing.assert_allclose(found.errors, other.errors, rtol=1e-9)
    assert (found.rows, found.events) == (other.rows, other.events)
    assert found.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-12)
    assert found.null_log_likelihood == pytest.approx(other.null_log_likelihood, rel=1e-12)


def test_pooled_it_does_not_matter_how_rows_are_divided() -> None:
    found = fitted(POOLED, owners_of(COLUMNS, (1, 1, 398)))

    assert_same(found, fitted(POOLED, owners_of(COLUMNS, (1,))))


def test_one_owner_alone_is_its_own_stratum() -> None:
    alone = {"all": owners_of(COLUMNS, (1,))["owner-1"]}
    exact = Cox(features=OWN.features, time="time", event="died", pooled=True, until=60, least=1)

    assert_same(fitted(OWN, alone), fitted(exact, alone))


def test_owners_that_cannot_compare_anything_add_nothing() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    few = {
        "one row": Table({k: v[:1] for k, v in COLUMNS.items()}),
        "no event": Table({k: v[:9] for k, v in (COLUMNS | {"died": np.zeros(ROWS)}).items()}),
        "no rows": Table({k: np.zeros(0) for k in COLUMNS}),
    }

    found, same = fitted(OWN, {**owners, **few}), fitted(OWN, owners)

    np.testing.assert_allclose(found.estimates, same.estimates, rtol=1e-9)
    assert found.rows == same.rows + 10


@pytest.mark.parametrize("time", [0.0, np.nan])
@pytest.mark.parametrize("model", MODELS)
def test_a_time_of_nothing_is_refused(model: str, time: float) -> None:
    algorithm, owners = MODELS[model], owners_of(COLUMNS, UNEQUAL[3])
    bad = owners["owner-1"].columns | {"time": np.full(owners["owner-1"].rows, time)}

    with pytest.raises(Unfit, match="must be above 0"):
        fit(algorithm, {**owners, "owner-1": Table(bad)})


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "not finite"), (1e31, "too large")])
@pytest.mark.parametrize("model", MODELS)
def test_numbers_that_cannot_be_summed_are_refused(model: str, value: float, kind: str) -> None:
    owners = owners_of(COLUMNS, UNEQUAL[3])
    bad = owners["owner-1"].columns | {"age": np.full(owners["owner-1"].rows, value)}

    with pytest.raises(Unfit) as caught:
        fit(MODELS[model], {**owners, "owner-1": Table(bad)})

    assert caught.value.kind == kind


@pytest.mark.parametrize("unit", [1e-12, 1e12])
@pytest.mark.parametrize("model", MODELS)
def test_units_do_not_matter(model: str, unit: float) -> None:
    other = COLUMNS | {"age": unit * (1e3 + COLUMNS["age"])}

    found = fitted(MODELS[model], owners_of(other, UNEQUAL[3]))

    same = fitted(MODELS[model], owners_of(COLUMNS, UNEQUAL[3]))
    np.testing.assert_allclose(found.estimates * [unit, 1], same.estimates, rtol=1e-9)
    np.testing.assert_allclose(found.errors * [unit, 1], same.errors, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_dependent_columns_are_named(model: str) -> None:
    columns = COLUMNS | {"twice": 2 * A + 7}
    options = {"pooled": True, "until": 60.0} if model == "pooled" else {}
    algorithm = Cox(
        features=("age", "treated", "twice"),
        time="time",
        event="died",
        **options,  # type: ignore[arg-type]
    )

    with pytest.raises(JobFailed, match=r"linearly dependent \(age, twice\)"):
        fit(algorithm, owners_of(columns, UNEQUAL[5]))


def test_a_column_that_orders_the_events_has_no_finite_coefficient() -> None:
    columns = {
        "x": np.arange(90.0),
        "time": np.arange(90.0)[::-1] + 1,
        "died": np.ones(90),
    }

    with pytest.raises(JobFailed, match="grow without bound"):
        fit(Cox(features=("x",), time="time", event="died"), owners_of(columns, UNEQUAL[3]))


def test_without_events_there_is_nothing_to_fit() -> None:
    owners = owners_of(COLUMNS | {"died": np.zeros(ROWS)}, UNEQUAL[3])

    with pytest.raises(JobFailed, match="no owner has an event"):
        fit(OWN, owners)
    with pytest.raises(JobFailed, match=r"0 events and .* too few for a pooled fit"):
        fit(POOLED, owners)


def test_a_fit_goes_on_without_an_owner_that_leaves_and_is_exact_for_the_rest() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = OWN.start()
    for _ in range(4):
        state = one_round(OWN, state, owners)
    left = without(owners, "owner-2")

    found = OWN.fit(fit(OWN, left, state=state))

    assert found is not None
    assert_same(found, fitted(OWN, left))
    assert found.notes == (
        "round 5: owner-2 left, nobody came; went on from here with who is left",
    )


@pytest.mark.parametrize("rounds", [1, 4])
def test_a_pooled_fit_counts_again_when_an_owner_leaves(rounds: int) -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = POOLED.start()
    for _ in range(rounds):
        state = one_round(POOLED, state, owners)
    left = without(owners, "owner-5")

    found = POOLED.fit(fit(POOLED, left, state=state))

    assert found is not None
    assert_same(found, fitted(POOLED, left))
    assert found.notes[0] == f"round {rounds + 1}: owner-5 left, nobody came; began again"


def test_cells_of_a_pooled_fit_are_joined_until_they_hold_more_than_is_opened_of_them() -> None:
    found = fitted(POOLED, owners_of(COLUMNS, UNEQUAL[3]))

    least = 30  # ten rounds open 60 numbers of a cell; thirty rows of two columns are as many
    assert found.notes == (f"times in {len(found.ends)} cells, with {least} rows or more in each",)
    first = COLUMNS["time"][COLUMNS["died"] == 1].min()
    starts = np.append(first - 1, found.ends[:-1])
    for start, end in zip(starts, found.ends, strict=True):
        inside = (COLUMNS["time"] > start) & (COLUMNS["time"] <= end)
        deaths = int(COLUMNS["died"][inside].sum())
        assert deaths >= least
        assert int(inside.sum()) - deaths >= least
    assert 2 <= len(found.ends) <= 6


def test_a_grid_that_shows_single_rows_is_said_to() -> None:
    fine = Cox(features=OWN.features, time="time", event="died", pooled=True, until=60, least=2)

    notes = fitted(fine, owners_of(COLUMNS, UNEQUAL[3])).notes

    assert any("single rows can be read off" in text for text in notes)


def test_too_few_rows_for_any_cell_are_refused() -> None:
    few = {name: column[:40] for name, column in COLUMNS.items()}

    with pytest.raises(JobFailed, match="let owners be strata"):
        fit(POOLED, owners_of(few, UNEQUAL[3]))


COUNTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40)


@given(counts=COUNTS, least=st.integers(1, 12))
def test_every_cell_is_a_crowd_or_there_is_none(counts: list[tuple[int, int]], least: int) -> None:
    events, censored = np.array(counts, dtype=float).T
    first = int((events > 0).argmax())
    try:
        starts = joined(events, censored, least)
    except JobFailed:
        assert events.sum() < least or 0 < censored[first:].sum() < least
        return

    assert starts[0] == first
    assert (events[starts] > 0).all()
    for died, left in zip(
        np.split(events, starts)[1:], np.split(censored, starts)[1:], strict=True
    ):
        assert died.sum() >= least
        assert left.sum() == 0 or left.sum() >= least


def test_rows_that_leave_after_the_grid_stay_at_risk_and_are_crowded_too() -> None:
    short = Cox(features=OWN.features, time="time", event="died", pooled=True, until=20)
    cut = COLUMNS["time"] > 20
    stopped = COLUMNS | {
        "time": np.where(cut, 20, COLUMNS["time"]),
        "died": np.where(cut, 0, COLUMNS["died"]),
    }

    found = fitted(short, owners_of(COLUMNS, UNEQUAL[3]))

    assert_same(found, fitted(short, owners_of(stopped, UNEQUAL[3])))
    assert f"{int(cut.sum())} times after 20 count as censored there" in found.notes


def test_a_few_rows_that_stay_to_the_end_are_no_crowd() -> None:
    stayed = np.where(np.arange(ROWS) < 3, 99, np.minimum(COLUMNS["time"], 59))
    columns = COLUMNS | {"time": stayed, "died": np.ones(ROWS)}

    with pytest.raises(JobFailed, match="397 events and 3 censored times"):
        fit(POOLED, owners_of(columns, UNEQUAL[3]))


def test_a_pooled_fit_begins_again_at_coefficients_at_which_nothing_was_opened() -> None:
    owners = owners_of(COLUMNS, UNEQUAL[5])
    state = POOLED.start()
    for _ in range(5):
        state = one_round(POOLED, state, owners)
    before = raw(state.floats("beta"), state)

    for _ in range(4):
        state = one_round(POOLED, state, without(owners, "owner-5"))

    assert state.text("phase") == "newton"
    np.testing.assert_allclose(raw(state.floats("beta"), state), before, rtol=1e-12)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_gradient_and_information_are_derivatives_of_the_likelihood(ties: str) -> None:
    x = np.column_stack([(A - 50) / 10, B])[:60]
    seen = Observed(np.ceil(COLUMNS["time"][:60] / 8), COLUMNS["died"][:60])
    beta, step = np.array([0.3, -0.4]), 1e-5

    def value(point: np.ndarray) -> float:
        found = partial(x, x @ point, seen, ties)  # type: ignore[arg-type]
        assert found is not None
        return found.log_likelihood

    found = partial(x, x @ beta, seen, ties)  # type: ignore[arg-type]

    assert found is not None
    axes = step * np.eye(2)
    slope = [(value(beta + h) - value(beta - h)) / (2 * step) for h in axes]
    np.testing.assert_allclose(found.gradient, slope, rtol=1e-6)
    large = 1e-3 * np.eye(2)
    curve = [
        [
            (value(beta + h + k) - value(beta + h - k) - value(beta - h + k) + value(beta - h - k))
            / 4e-6
            for h in large
        ]
        for k in large
    ]
    np.testing.assert_allclose(found.information, -np.array(curve), rtol=1e-4)


def test_a_step_beyond_floats_is_no_likelihood() -> None:
    x = np.array([[0.0], [1.0]])

    assert partial(x, np.array([0.0, 501.0]), Observed(np.ones(2), np.ones(2)), "efron") is None


def test_hazards_are_predicted_relative_to_mean_columns() -> None:
    found = fitted(OWN, owners_of(COLUMNS, UNEQUAL[3]))
    mean = {"age": A.mean(), "treated": B.mean()}
    rows = {name: np.array([value, value + 1]) for name, value in mean.items()}

    assert found.predict(rows) == pytest.approx([1, np.exp(found.estimates.sum())])


def test_a_fit_is_a_table_and_plain_json() -> None:
    found = fitted(OWN, owners_of(COLUMNS, UNEQUAL[3]))

    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["names"] == ["age", "treated"]
    assert plain["cumulative_hazard"] == []
    (line,) = [line for line in found.summary().splitlines() if line.startswith("treated ")]
    assert line.split()[1] == f"{found.estimates[1]:.4f}"
    assert "Strata:                        owners" in found.summary()


def test_what_has_not_converged_is_no_result() -> None:
    hasty = Cox(features=OWN.features, time="time", event="died", max_rounds=4)

    state = fit(hasty, owners_of(COLUMNS, UNEQUAL[3]))

    assert hasty.fit(state) is None
    assert hasty.result(state) == {}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"pooled": True}, "until, the end of the grid, goes with pooled"),
        ({"until": 9.0}, "until, the end of the grid, goes with pooled"),
        ({"event": "time"}, "time and event must be different columns"),
        ({"features": ("time",)}, "is among the features"),
        ({"ties": "exact"}, "ties must be efron or breslow"),
        ({"pooled": True, "until": 9.0, "least": 0}, "least must be 1 or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Cox(**{"features": ("age",), "time": "time", "event": "died", **options})  # type: ignore[arg-type]
