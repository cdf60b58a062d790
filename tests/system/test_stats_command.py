"""`quorate stats` as people use it: over the memory bus, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from system.commands import Ended, quorate

RNG = np.random.default_rng(4)
ROWS = {"north": 40, "middle": 90, "south": 170}
AGES = {name: RNG.integers(20, 90, rows) for name, rows in ROWS.items()}
SEXES = {name: RNG.integers(0, 2, rows) for name, rows in ROWS.items()}
SCHEMA = """
[[column]]
name = "age"
kind = "count"
least = 0
most = 120
[[column]]
name = "sex"
kind = "class"
levels = ["f", "m"]
"""


def write(folder: Path, name: str, ages: list[int], sexes: list[str]) -> Path:
    rows = [f"{age},{sex}" for age, sex in zip(ages, sexes, strict=True)]
    (folder / f"{name}.csv").write_text("\n".join(["age,sex", *rows]) + "\n")
    return folder / f"{name}.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ROWS:
        write(tmp_path, name, AGES[name].tolist(), ["fm"[sex] for sex in SEXES[name]])
    (tmp_path / "study.toml").write_text(SCHEMA)
    return tmp_path


def ask(folder: Path, *words: object, owners: tuple[str, ...] = tuple(ROWS)) -> Ended:
    named = [word for name in owners for word in ("--owner", f"{name}={folder / name}.csv")]
    return quorate("stats", *words, *named)


def test_a_statistic_over_three_owners_is_that_of_the_pooled_rows(folder: Path) -> None:
    ages, sexes = np.concatenate(list(AGES.values())), np.concatenate(list(SEXES.values()))

    ended = ask(
        folder,
        "ttest",
        "--column",
        "age",
        "--by",
        "sex",
        "--schema",
        folder / "study.toml",
        "--json",
    )

    theirs = stats.ttest_ind(ages[sexes == 0], ages[sexes == 1], equal_var=False)
    summary = ended.summary
    assert ended.code == 0
    assert summary["statistic"] == pytest.approx(theirs.statistic, rel=1e-12)
    assert summary["p_value"] == pytest.approx(theirs.pvalue, rel=1e-9)
    assert summary["owners"] == sorted(ROWS)
    assert (summary["cleartext_vectors_seen"], summary["vectors_watched"]) == (0, 6)
    assert summary["checkpoint"] is None
    assert sorted(path.name for path in folder.iterdir()) == [
        *("middle.csv", "north.csv", "south.csv", "study.toml")
    ]


def test_a_result_over_fewer_owners_says_who_is_missing_and_why(folder: Path) -> None:
    write(folder, "tiny", [50, 61], ["f", "m"])

    ended = ask(folder, "mean", "--column", "age", "--quiet", owners=(*ROWS, "tiny"))

    assert ended.code == 0
    assert "without tiny: too few rows" in ended.out
    assert "Means and Variances over 3 Owners" in ended.out
    assert "tiny (for its owner's eyes): too few rows" in ended.err


@pytest.mark.parametrize("smallest", [3, 1])
def test_owners_refuse_small_cells_before_anything_is_shared(folder: Path, smallest: int) -> None:
    write(folder, "north", [*range(20, 40), 95], ["f"] * 21)

    words = ("--column", "age", "--range", "0:100", "--bins", 2, "--smallest-cell", smallest)
    ended = ask(folder, "histogram", *words, "--json")

    assert ended.code == (1 if smallest == 3 else 0)
    sent = {line["trouble"] for line in ended.lines if line["kind"] == "owner_trouble"}
    assert sent == ({"small cell"} if smallest == 3 else set())
    assert ended.summary["vectors_watched"] == (2 if smallest == 3 else 3)  # none of north's
    assert "95" not in json.dumps(ended.summary["dropped_trainers"])


def test_a_table_that_is_not_as_agreed_takes_no_part(folder: Path) -> None:
    write(folder, "north", [130] * 40, ["f"] * 40)
    words = ("mean", "--column", "age", "--schema", folder / "study.toml")

    ended = ask(folder, *words, "--quiet")

    assert ended.code == 1
    assert "line 2, column 'age': it must be a finite number" in ended.err
    assert "130" not in ended.err.replace(str(folder), "")
    assert "no result: failed" in ended.out


def test_rows_that_lack_a_value_are_left_out_where_it_is_said(folder: Path) -> None:
    with (folder / "north.csv").open("a") as file:
        file.write(",f\n")

    refused = ask(folder, "mean", "--column", "age", "--json")
    taken = ask(folder, "mean", "--column", "age", "--json", "--leave-out-missing")

    assert refused.code == 1
    assert (taken.code, taken.summary["rows"]) == (0, sum(ROWS.values()))


def test_the_job_file_says_the_same_and_runs(folder: Path) -> None:
    words = ("mean", "--column", "age", "--by", "sex", "--schema", folder / "study.toml")
    job = folder / "job.toml"

    written = ask(folder, *words, "--job-file", job)
    again = ask(folder, *words, "--job-file", job)
    here = ask(folder, *words, "--json").summary
    ran = quorate("run", job, "--json").summary

    assert (written.code, again.code) == (0, 2)
    assert f"quorate run {job}" in written.out
    assert "is there; choose another" in again.err
    for key in ("mean", "variance", "rows", "groups", "owners"):
        assert ran[key] == here[key]


def test_a_job_file_for_owners_elsewhere_needs_no_data(tmp_path: Path) -> None:
    words = ["stats", "histogram", "--column", "age", "--range", "0:120", "--name", "study"]
    words += ["--owner", "ann", "--owner", "bob", "--owner", "cem"]
    words += [
        "--broker",
        "amqps://broker.example.org/study",
        "--job-file",
        str(tmp_path / "j.toml"),
    ]

    written = quorate(*words)

    assert written.code == 0
    assert "quorate provision" in written.out
    assert 'name = "study"' in (tmp_path / "j.toml").read_text()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("mean", "--column", "aeg"), "no owner's table has a column 'aeg'; did you mean 'age'?"),
        (("histogram", "--column", "age"), "--range: which range 'age' has is public"),
        (("mean", "--column", "age", "--by", "sex"), "--groups: which values 'sex' may have"),
        (("mean", "--column", "age", "--plot", "x.gif"), "--plot: x.gif must end in .png"),
        (("mean", "--column", "age", "--minimum", "4"), "federation.minimum: 4 is above"),
        (("mean", "--column", "age", "--schema", "gone.toml"), "gone.toml: can't be read"),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_started(
    folder: Path, words: tuple[str, ...], hint: str
) -> None:
    ended = ask(folder, *words)

    assert ended.code == 2
    assert hint in ended.err
    assert "round" not in ended.out


def test_an_owner_drafts_a_schema_and_checks_by_it(folder: Path) -> None:
    schema = folder / "draft.toml"

    drafted = quorate("stats", "schema", folder / "north.csv", "--levels", "--out", schema)
    good = quorate("stats", "check", folder / "south.csv", "--schema", schema)
    write(folder, "south", [50, 60, 70], ["f", "m", "x"])
    bad = quorate("stats", "check", folder / "south.csv", "--schema", schema)

    assert (drafted.code, good.code, bad.code) == (0, 0, 1)
    assert "170 rows of 2 columns are as agreed" in good.out
    assert "line 4, column 'sex': it must be one of f, m" in bad.err


@pytest.mark.parametrize(
    "command", ["mean", "var", "corr", "histogram", "quantile", "table", "auc", "ttest"]
)
def test_every_statistic_teaches_by_an_example(command: str) -> None:
    said = quorate("stats", command, "--help")

    assert said.code == 0
    assert f"quorate stats {command} --" in said.out
    assert "--owner north=north.csv" in said.out
