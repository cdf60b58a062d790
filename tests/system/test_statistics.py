"""Statistics other than regressions by the command line, over the memory bus."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from system.commands import quorate
from system.jobs import Text

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lifelines import CoxPHFitter
    from lifelines.datasets import load_rossi

OWNERS = {"north": slice(0, 60), "south": slice(60, 200), "west": slice(200, 432)}
ROSSI = load_rossi().sample(frac=1, random_state=3)
LIMITS = {
    "patience_s": 20.0,
    "abandoned_rounds": 1,
    "opening_s": 1.0,
    "resend_s": 0.5,
    "compute_s": 60.0,
}
SURVIVAL: dict[str, object] = {"time": "week", "event": "arrest"}


def job(
    folder: Path,
    algorithm: str,
    data: dict[str, object],
    options: dict[str, object],
    *,
    smallest_cell: int = 3,
) -> Path:
    for name, rows in OWNERS.items():
        ROSSI.iloc[rows].to_csv(folder / f"{name}.csv", index=False)
    sections: dict[str, dict[str, object]] = {
        "data": data,
        algorithm: options,
        "limits": dict(LIMITS),
    }
    named: dict[str, str | None] = {name: f"{name}.csv" for name in OWNERS}
    rules: dict[str, object] = {"smallest_cell": smallest_cell}
    return Text(algorithm, named, {"max_rounds": 60}, sections, rules).written(folder)


@pytest.mark.reference
def test_a_cox_run_gives_what_lifelines_gives_with_owners_as_strata(tmp_path: Path) -> None:
    owner = np.concatenate([np.full(rows.stop - rows.start, name) for name, rows in OWNERS.items()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pooled = CoxPHFitter().fit(ROSSI.assign(owner=owner), "week", "arrest", strata=["owner"])

    ended = quorate("run", job(tmp_path, "cox", SURVIVAL, {"ties": "efron"}), "--json")

    summary = ended.summary
    assert (ended.code, summary["outcome"], summary["cleartext_vectors_seen"]) == (
        0,
        "converged",
        0,
    )
    assert summary["names"] == list(pooled.params_.index)
    np.testing.assert_allclose(summary["coefficients"], pooled.params_, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        summary["standard_errors"], pooled.standard_errors_, rtol=0, atol=1e-7
    )


def test_a_run_ends_with_curves_and_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "curves.svg"
    data = {**SURVIVAL, "group": "fin", "levels": ["0", "1"]}

    weekly = job(tmp_path, "kaplan_meier", data, {"until": 52}, smallest_cell=1)

    ended = quorate("run", weekly, "--plot", picture)

    assert ended.code == 0
    assert "Kaplan-Meier Curves over 3 Owners" in ended.out
    (line,) = [line for line in ended.out.splitlines() if "Log-rank" in line]
    assert line.split()[2] == "3.8376"
    assert "<svg" in picture.read_text()


def test_weeks_in_which_one_or_two_had_their_event_are_not_shared(tmp_path: Path) -> None:
    ended = quorate("run", job(tmp_path, "kaplan_meier", SURVIVAL, {"until": 52}), "--json")

    told = [line for line in ended.lines if line["kind"] == "owner_trouble"]
    assert {(line["actor"], line["trouble"]) for line in told} == {
        (name, "small cell") for name in OWNERS
    }
    assert (ended.code, ended.summary["outcome"]) == (1, "failed")
    assert (ended.summary["vectors_watched"], ended.summary["cleartext_vectors_seen"]) == (0, 0)


def test_half_years_in_which_many_had_their_event_are(tmp_path: Path) -> None:
    options: dict[str, object] = {"until": 52, "step": 26}

    ended = quorate("run", job(tmp_path, "kaplan_meier", SURVIVAL, options), "--json")

    assert (ended.code, ended.summary["outcome"]) == (0, "converged")
    assert ended.summary["rounds"] == 1


def test_an_owner_with_a_time_of_nothing_is_told_where_and_is_left_out(tmp_path: Path) -> None:
    path = job(tmp_path, "cox", SURVIVAL, {"ties": "efron"})
    late = ROSSI.iloc[OWNERS["west"]].copy()
    late.iloc[1, late.columns.get_loc("week")] = 0
    late.to_csv(tmp_path / "west.csv", index=False)

    ended = quorate("run", path, "--json")

    told = {line["actor"]: line for line in ended.lines if line["kind"] == "owner_trouble"}
    assert told.keys() == {"west"}
    assert "west.csv, line 3, column 'week'" in told["west"]["text"]
    assert told["west"]["text"].endswith("must be above 0")
    assert ended.summary["outcome"] == "failed"


def test_points_to_begin_at_reach_the_owners(tmp_path: Path) -> None:
    data: dict[str, object] = {"features": ["age", "prio"]}
    options: dict[str, object] = {"centres": [[20, 1], [30.5, 2], [25, 9]]}

    ended = quorate("run", job(tmp_path, "kmeans", data, options), "--json")

    assert (ended.code, ended.summary["outcome"]) == (0, "converged")
    centres = np.array(ended.summary["centres"])
    x = ROSSI[["age", "prio"]].to_numpy(float)
    nearest = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert np.bincount(nearest).tolist() == ended.summary["sizes"]


def test_trees_are_json_at_the_end_of_a_run(tmp_path: Path) -> None:
    data: dict[str, object] = {"target": "arrest", "features": ["age", "prio", "fin"]}
    options: dict[str, object] = {"loss": "logistic", "trees": 3, "depth": 2, "bins": 8}

    ended = quorate("run", job(tmp_path, "boosting", data, options), "--json")

    assert (ended.code, len(ended.summary["trees"])) == (0, 3)
    assert ended.summary["loss"] == "logistic"
    assert ended.summary["losses"][-1] < ended.summary["losses"][0]


def test_a_pooled_cox_with_too_few_events_says_what_to_do(tmp_path: Path) -> None:
    options: dict[str, object] = {"pooled": True, "until": 52, "least": 200}
    weekly = job(tmp_path, "cox", SURVIVAL, options, smallest_cell=1)

    ended = quorate("run", weekly, "--json")

    assert (ended.code, ended.summary["outcome"]) == (1, "failed")
    assert "let owners be strata" in ended.summary["reason"]
    assert "coefficients" not in ended.summary
