"""What users read: tables of text, and numbers for programs."""

from __future__ import annotations

import json

import numpy as np
from fakes.secure_fits import UNEQUAL, fit, owners_of

from protocols.learning.cox import Cox
from protocols.learning.elastic_net import ElasticNet
from protocols.learning.fits import Fit, coefficients
from protocols.learning.glm import Glm
from protocols.learning.kaplan_meier import KaplanMeier
from protocols.learning.logistic import Logistic
from protocols.learning.softmax import Softmax
from protocols.learning.tabular import Tabular

RNG = np.random.default_rng(8)
A, B = RNG.normal(size=240), RNG.normal(size=240)
COLUMNS = {
    "a": A,
    "b": B,
    "y": 1 + 2 * A - B + RNG.normal(size=240),
    "sick": (A + RNG.normal(size=240) > 0).astype(float),
    "kind": np.digitize(A + RNG.normal(size=240), [-0.5, 0.5]).astype(float),
    "time": np.ceil(20 * RNG.exponential(np.exp(-A))),
    "died": (RNG.random(240) < 0.7).astype(float),
}
FEATURES = ("a", "b")


def found(algorithm: Tabular, columns: dict[str, np.ndarray] = COLUMNS) -> Fit:
    result = algorithm.fit(fit(algorithm, owners_of(columns, UNEQUAL[3])))
    assert result is not None
    return result


def test_cells_never_touch_however_wide_their_numbers_are() -> None:
    units = {**COLUMNS, "a": 1e4 * A, "b": 1e4 * B}

    summary = found(Cox(features=FEATURES, time="time", event="died"), units).summary()

    for name in FEATURES:
        (line,) = [line for line in summary.splitlines() if line.startswith(f"{name} ")]
        assert len([float(cell) for cell in line.split()[1:]]) == 7
        assert len(line) <= 78


def test_cells_that_are_wider_than_the_table_do_not_touch_either() -> None:
    cells = ["-1.234e-05"] * 8

    table = coefficients(("a name",), ["coef"] * 8, [cells]).splitlines()

    assert table[2].removeprefix("a name").split() == cells


def test_names_are_cut_only_where_there_is_no_room_for_them() -> None:
    names = ("fractal dimension of the worst cell", "x" * 90)

    table = coefficients(names, ("coef",), [("1.0",), ("2.0",)]).splitlines()

    assert table[2].split("  ")[0] == names[0]
    assert "…" in table[3]
    assert max(map(len, table)) == 78


def test_one_column_of_numbers_stands_near_its_names() -> None:
    table = coefficients(("const", "a"), ("coef",), [("1.0",), ("2.0",)]).splitlines()

    assert table[2].index("1.0") < 30


def test_a_curve_that_never_falls_to_half_has_no_median_yet() -> None:
    few = {**COLUMNS, "died": (np.arange(240) % 10 == 0).astype(float)}

    lines = found(KaplanMeier(time="time", event="died", until=50), few).summary().splitlines()

    (row,) = [line.split() for line in lines if line.startswith("all ")]
    (head,) = [line.split() for line in lines if "median" in line]
    assert dict(zip(head, row[1:], strict=True))["median"] == ">50"
    assert "expected" not in head


def test_a_penalised_fit_says_its_model_and_its_penalty() -> None:
    ours = ElasticNet(features=FEATURES, target="y", alpha=0.5, l1_ratio=0.2)

    summary = found(ours).summary()

    assert "Elastic Net Regression over 3 Owners" in summary
    facts = {tuple(line.split()[:3]) for line in summary.splitlines()}
    assert {("L1", "Penalty:", "0.1"), ("L2", "Penalty:", "0.4")} <= facts


def test_classes_have_intervals_in_the_table_and_for_programs() -> None:
    ours = found(Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high")))

    numbers = json.loads(json.dumps(ours.to_json(), allow_nan=False))
    lines = [line.split() for line in ours.summary().splitlines() if line.startswith("a ")]

    estimates, errors = np.array(numbers["coefficients"]), np.array(numbers["standard_errors"])
    bounds = np.stack([estimates - 1.959964 * errors, estimates + 1.959964 * errors], axis=-1)
    np.testing.assert_allclose(numbers["intervals"], bounds, atol=1e-5)
    np.testing.assert_allclose(numbers["statistics"], estimates / errors)
    shown = [[float(cell) for cell in line[-2:]] for line in lines]
    np.testing.assert_allclose(shown, bounds[:, 1], atol=6e-4)


def test_programs_are_told_how_far_columns_vary() -> None:
    models: list[Tabular] = [
        Glm(features=FEATURES, target="y", family="gaussian"),
        ElasticNet(features=FEATURES, target="y", alpha=0.1),
        Softmax(features=FEATURES, target="kind", levels=("low", "mid", "high")),
        Cox(features=FEATURES, time="time", event="died"),
    ]
    for model in models:
        deviations = found(model).to_json()["deviations"]

        np.testing.assert_allclose(deviations, [A.std(), B.std()], rtol=1e-12)


def test_a_logistic_job_says_over_what_it_was() -> None:
    algorithm = Logistic(features=FEATURES, target="sick")

    told = algorithm.result(fit(algorithm, owners_of(COLUMNS, UNEQUAL[3])))

    assert {name: told[name] for name in ("model", "target", "rows", "features")} == {
        "model": "logistic",
        "target": "sick",
        "rows": 240,
        "features": ["a", "b"],
    }
    scale, coefficients = np.array(told["scale"]), np.array(told["coefficients"])
    mean = np.array(told["mean"])
    raw = told["raw_coefficients"]
    expected = [told["intercept"] - coefficients / scale @ mean, *(coefficients / scale)]
    np.testing.assert_allclose(raw, expected, rtol=1e-12)
