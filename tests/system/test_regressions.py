"""Regressions by the command line, over the memory bus."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from system.commands import quorate
from system.jobs import Text

from infra.casting import assignment_of, resolved
from infra.config import load_job
from protocols.learning.state import State

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import statsmodels.api as sm

OWNERS = {"north": slice(0, 4), "south": slice(4, 14), "west": slice(14, 32)}
SPECTOR = sm.datasets.spector.load_pandas().data.sample(frac=1, random_state=3)
LIMITS = {
    "patience_s": 20.0,
    "abandoned_rounds": 1,
    "opening_s": 1.0,
    "resend_s": 0.5,
    "compute_s": 60.0,
}


def job(folder: Path, algorithm: str, *, target: str = "GRADE", **options: object) -> Path:
    for name, rows in OWNERS.items():
        SPECTOR.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    return written(folder, algorithm, {"target": target}, options)


def written(
    folder: Path, algorithm: str, data: dict[str, object], options: dict[str, object]
) -> Path:
    sections: dict[str, dict[str, object]] = {
        "data": data,
        algorithm: options,
        "limits": dict(LIMITS),
    }
    named: dict[str, str | None] = {name: f"{name}.csv" for name in OWNERS}
    # Of four rows an owner may tell more than our defaults would let it.
    rules: dict[str, object] = {"smallest_cell": 1, "parameters_per_row": 10.0}
    return Text(algorithm, named, {"max_rounds": 60}, sections, rules).written(folder)


@pytest.mark.reference
def test_a_run_gives_what_statsmodels_gives_on_the_pooled_rows(tmp_path: Path) -> None:
    x = sm.add_constant(SPECTOR[["GPA", "TUCE", "PSI"]].to_numpy())
    pooled = sm.GLM(SPECTOR["GRADE"].to_numpy(), x, sm.families.Binomial()).fit(tol=1e-15)

    ended = quorate("run", job(tmp_path, "glm", family="binomial"), "--json")

    summary = ended.summary
    assert (ended.code, summary["outcome"], summary["cleartext_vectors_seen"]) == (
        0,
        "converged",
        0,
    )
    assert summary["names"] == ["const", "GPA", "TUCE", "PSI"]
    np.testing.assert_allclose(summary["coefficients"], pooled.params, rtol=0, atol=1e-8)
    np.testing.assert_allclose(summary["standard_errors"], pooled.bse, rtol=0, atol=1e-8)
    np.testing.assert_allclose(summary["p_values"], pooled.pvalues, rtol=0, atol=1e-8)
    assert summary["log_likelihood"] == pytest.approx(-12.889634222, abs=1e-9)
    assert summary["rows"] == 32


def test_a_checkpoint_is_a_fit_that_predicts(tmp_path: Path) -> None:
    path = job(tmp_path, "glm", family="binomial")
    checkpoint = Path(quorate("run", path, "--json").summary["checkpoint"])
    algorithm = assignment_of(resolved(load_job(path)), State()).algorithm

    fit = algorithm.fit(State.from_bytes(checkpoint.read_bytes()))  # type: ignore[attr-defined]

    chance = fit.predict({"GPA": np.array([4.0]), "TUCE": np.array([25.0]), "PSI": np.ones(1)})
    assert chance == pytest.approx(
        1 / (1 + np.exp(-(-13.02134686 + 4 * 2.82611259 + 25 * 0.09515766 + 2.37868766))), abs=1e-8
    )


def test_a_run_ends_with_the_table_and_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "fit.svg"

    ended = quorate("run", job(tmp_path, "glm", family="binomial"), "--plot", picture)

    assert ended.code == 0
    assert "Generalised Linear Model Regression over 3 Owners" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.startswith("PSI ")]
    assert line.split()[1:] == ["2.3787", "1.065", "2.234", "0.025", "0.292", "4.465"]
    assert "<svg" in picture.read_text()


def test_separable_data_end_the_job_without_a_result(tmp_path: Path) -> None:
    for name, rows in OWNERS.items():
        part = SPECTOR.iloc[rows].assign(GRADE=lambda table: (table["TUCE"] > 21).astype(int))
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    data: dict[str, object] = {"target": "GRADE", "features": ["TUCE"]}

    ended = quorate("run", written(tmp_path, "glm", data, {"family": "binomial"}), "--json")

    assert (ended.code, ended.summary["outcome"]) == (1, "failed")
    assert "grow without bound" in ended.summary["reason"]
    assert "coefficients" not in ended.summary


def test_classes_may_be_words(tmp_path: Path) -> None:
    for name, rows in OWNERS.items():
        part = SPECTOR.iloc[rows].assign(GRADE=lambda t: np.where(t["GRADE"] == 1, "up", "down"))
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    data: dict[str, object] = {"target": "GRADE", "levels": ["down", "up"]}

    ended = quorate("run", written(tmp_path, "softmax", data, {"alpha": 0.0}), "--json")

    assert ended.code == 0
    (row,) = ended.summary["coefficients"]
    np.testing.assert_allclose(row, [-13.02134686, 2.82611259, 0.09515766, 2.37868766], atol=1e-8)


@pytest.mark.parametrize(
    ("family", "value", "text"),
    [("poisson", 1.5, "a whole number, 0 or more"), ("gamma", 0, "above 0")],
)
def test_an_owner_with_outcomes_that_the_family_does_not_know_is_told(
    tmp_path: Path, family: str, value: float, text: str
) -> None:
    path = job(tmp_path, "glm", target="TUCE", family=family)
    SPECTOR.iloc[OWNERS["west"]].assign(TUCE=value).to_csv(tmp_path / "west.csv", index=False)

    ended = quorate("run", path, "--json")

    told = {line["actor"]: line for line in ended.lines if line["kind"] == "owner_trouble"}
    assert told.keys() == {"west"}
    assert told["west"]["text"].endswith(f"line 2, column 'TUCE': it must be {text}")
    assert ended.summary["outcome"] == "failed"


def test_columns_that_depend_on_each_other_end_the_job_and_are_named(tmp_path: Path) -> None:
    for name, rows in OWNERS.items():
        part = SPECTOR.iloc[rows].assign(HALF=lambda table: table["TUCE"] / 2 + 1)
        part.to_csv(tmp_path / f"{name}.csv", index=False)

    ended = quorate(
        "run", written(tmp_path, "glm", {"target": "GRADE"}, {"family": "binomial"}), "--json"
    )

    assert (ended.code, ended.summary["outcome"]) == (1, "failed")
    assert "the Hessian is singular" in ended.summary["reason"]
    assert "(TUCE, HALF)" in ended.summary["reason"]
    assert "coefficients" not in ended.summary
