"""`python -m mutants`: what counts as a kill, what does not, and what is said of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mutants import own_code, report
from mutants.mutant import FOLDER, ROOT, read
from mutants.trial import Outcome, Verdict

ACKNOWLEDGED = (FOLDER / "actor-acknowledges-first.toml").read_text()
NOT_SYNCED = (FOLDER / "journal-without-fsync.toml").read_text()
RETRY = """\
title = "the same in other words"
why = "None."
file = "actors/actor.py"
find = "_RETRY_S = 0.5"
replace = "_RETRY_S = {}"
caught_by = ["simulation"]
"""
BUGS = {
    "caught": ACKNOWLEDGED,
    "caught-by-a-test": NOT_SYNCED,
    "argued": RETRY.format("0.25 + 0.25") + 'equivalent = "A half is a half."\n',
    "argued-wrongly": ACKNOWLEDGED + 'equivalent = "Who cares?"\n',
    "no-bug": RETRY.format("0.5 * 1.0"),
    "no-program": RETRY.format("half"),
}


def run(folder: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "mutants", "--json", "--folder", str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def written(folder: Path, bugs: dict[str, str]) -> Path:
    for name, text in bugs.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.slow
def test_only_a_broken_rule_or_a_failed_test_is_a_kill(tmp_path: Path) -> None:
    code, lines, _ = run(written(tmp_path, BUGS), "--seeds", "2", "--jobs", "2")

    *told, total = lines
    assert code == 1
    assert {line["name"]: line["outcome"] for line in told} == {
        "argued": "equivalent",
        "argued-wrongly": "NOT EQUIVALENT",
        "caught": "simulation",
        "caught-by-a-test": "test",
        "no-bug": "SURVIVED",
        "no-program": "DOES NOT RUN",
    }
    by = {line["name"]: line for line in told}
    assert (by["caught"]["by"], by["caught"]["seeds"]) == ("durable before announced", 1)
    assert by["caught-by-a-test"]["by"].endswith("::test_commit_is_synced_before_it_returns")
    assert "NameError" in by["no-program"]["by"]
    assert by["no-bug"]["seeds"] == 2
    assert all(line["cpu_seconds"] > 0 for line in told)
    assert total["not_as_they_must_be"] == ["argued-wrongly", "no-bug", "no-program"]


def test_one_may_be_chosen_and_is_told_with_exit_code_0(tmp_path: Path) -> None:
    code, lines, _ = run(written(tmp_path, BUGS), "--only", "caught", "--seeds", "1")

    assert code == 0
    assert [line["kind"] for line in lines] == ["mutant", "summary"]
    assert (lines[1]["mutants"], lines[1]["by_simulation"]) == (1, 1)


def test_tests_that_fail_in_good_code_prove_nothing(tmp_path: Path) -> None:
    missing = "tests/infra/test_checkpoints.py::test_that_is_not_there"
    bug = RETRY.format("1.0").replace("simulation", missing)

    code, lines, error = run(written(tmp_path, {"bug": bug}), "--seeds", "1")

    assert (code, lines) == (2, [])
    assert "fails in good code" in error


@pytest.mark.parametrize(
    ("bugs", "only", "what"),
    [
        ({"rotten": RETRY.format("1.0").replace("0.5", "0.7")}, "rotten", "stands 0 times"),
        (BUGS, "unheard-of", "unheard-of.toml: there is no such file"),
        ({}, None, "there is no planted bug here"),
    ],
)
def test_bugs_that_cannot_be_planted_are_told_at_once(
    tmp_path: Path, bugs: dict[str, str], only: str | None, what: str
) -> None:
    code, lines, error = run(written(tmp_path, bugs), *(["--only", only] if only else []))

    assert (code, lines) == (2, [])
    assert what in error


@pytest.mark.parametrize("word", ["--seeds", "--jobs"])
def test_less_than_one_is_refused(tmp_path: Path, word: str) -> None:
    code, lines, error = run(written(tmp_path, BUGS), word, "0")

    assert (code, lines) == (2, [])
    assert f"argument {word}: invalid" in error


def test_nothing_runs_on_the_packages_of_another_place(tmp_path: Path) -> None:
    own_code.require(ROOT)

    with pytest.raises(ImportError, match=f"actors comes from .*, not from {tmp_path}"):
        own_code.require(tmp_path)


def test_the_sum_counts_and_takes_medians_of_kills_only() -> None:
    mutant = read(FOLDER / "actor-acknowledges-first.toml")
    verdicts = [
        Verdict(mutant, Outcome.SIMULATION, "a rule", 1, 1.0),
        Verdict(mutant, Outcome.SIMULATION, "a rule", 9, 3.0),
        Verdict(mutant, Outcome.TESTS, "tests/a.py::test_it", 40, 8.0),
        Verdict(mutant, Outcome.SURVIVED, "harm", 40, 100.0),
    ]

    total = report.Total.of(verdicts)

    assert (total.by_simulation, total.by_tests) == (2, 1)
    assert (total.median_seeds, total.median_cpu_s_by_simulation) == (5.0, 2.0)
    assert (total.median_cpu_s, total.cpu_seconds) == (3.0, 112.0)
    assert total.not_as_they_must_be == (mutant.name,)
    assert total.words().endswith(f"not as they must be: {mutant.name}")
    assert report.line(verdicts[2]).split()[-1] == "test_it"


def test_a_run_that_caught_nothing_has_no_medians() -> None:
    mutant = read(FOLDER / "actor-acknowledges-first.toml")

    total = report.Total.of([Verdict(mutant, Outcome.EQUIVALENT, "why", 40, 8.0)])

    assert (total.median_seeds, total.median_cpu_s, total.equivalent) == (None, None, 1)
    assert total.words().endswith("all as it must be")
