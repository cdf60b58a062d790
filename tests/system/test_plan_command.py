"""`quorate plan`: as a table and as JSON, for jobs that could run and for those that could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from system.commands import Ended, quorate

from infra.cli.main import app

JOB = """
[job]
name = "planned"
algorithm = "{algorithm}"
max_rounds = 7
[federation]
broker = "memory"
holders = 5
threshold = 3
faults = 1
minimum = 4
[secure_sum]
fraction_bits = 20
{summed}
"""
OWNERS = "".join(f'[[owner]]\nname = "owner-{i}"\n' for i in range(6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(
    folder: Path, summed: str = "", *, algorithm: str = "probe", owners: str = OWNERS
) -> Path:
    file = folder / "job.toml"
    file.write_text(JOB.format(summed=summed, algorithm=algorithm) + owners)
    return file


Planned = Callable[..., Ended]


@pytest.fixture
def planned(capsys: pytest.CaptureFixture[str]) -> Planned:
    """Run the command in this process: that it starts as one is for the first test."""

    def run(job: Path, *words: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            app(["plan", str(job), *map(str, words)])
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return run


def facts(ended: Ended) -> dict[str, Any]:
    assert (ended.code, ended.err) == (0, "")
    return ended.summary


def test_a_plan_shows_parties_suites_and_what_the_thresholds_stand(folder: Path) -> None:
    ended = quorate("plan", written(folder, 'suite = "auto"'), "--dimension", 1_000_000)

    text = " ".join(ended.out.split())
    assert (ended.code, ended.err) == (0, "")
    assert text.startswith("planned: probe, 6 owners, 1,000,000 values in a vector, 7 rounds")
    for row in ("each owner", "each holder", "coordinator", "broker", "> masked A, 2 x 39 bits"):
        assert row in text
    assert "chosen by what it costs" in text
    assert "where shamir over p61 takes 40.3 MB" in text
    # Four votes of five; t + f = 4 answers.
    assert "any 3 of 5 open a sum, 4 votes make a set; a round needs 4 of them" in text
    assert "1 may be silent, 1 may lie, 2 that pool all they have learn nothing" in text
    assert "2 of 6 may vanish in a round; no sum of fewer than 4 is opened" in text
    assert "headroom: " in text


def test_a_plan_starts_nothing_and_writes_nothing(folder: Path, planned: Planned) -> None:
    job = written(folder)

    planned(job)

    assert [each.name for each in folder.iterdir()] == ["job.toml"]


def test_json_has_a_line_for_each_suite_and_the_job_last(folder: Path, planned: Planned) -> None:
    ended = planned(written(folder, 'suite = "auto"'), "--json")

    summary = facts(ended)
    suites = [line for line in ended.lines if line["kind"] == "suite"]
    assert [(line["suite"], line["chosen"]) for line in suites] == [
        ("shamir", True),
        ("masked", False),
    ]
    assert (summary["dimension"], summary["dimension_of"]) == (1006, "model")
    assert (summary["owners"], summary["holders"], summary["threshold"]) == (6, 5, 3)
    assert {key: summary[key] for key in ("needed", "silent", "lie", "collude", "vanish")} == {
        "needed": 4,
        "silent": 1,
        "lie": 1,
        "collude": 2,
        "vanish": 2,
    }
    assert summary["bytes"]["trainer_up"] == suites[0]["bytes"]["trainer_up"] > 5 * 8 * 1006
    # 2^60 over six owners, values of up to 2^15 and 20 bits behind the point.
    assert summary["headroom_bits"] == pytest.approx(60 - 2.585 - 15 - 20, abs=0.01)


def test_a_job_that_names_its_suite_keeps_it_and_sees_what_else_there_is(
    folder: Path, planned: Planned
) -> None:
    ended = planned(written(folder, 'suite = "shamir"'), "--dimension", 10**6, "--json")

    summary = facts(ended)
    assert (summary["suite"], summary["left_open"]) == ("shamir", False)
    assert "the job file says so" in summary["why"]
    assert {line["suite"] for line in ended.lines[:-1]} == {"shamir", "masked"}


def test_what_is_ruled_out_says_why(folder: Path, planned: Planned) -> None:
    ended = planned(written(folder, 'suite = "auto"\nseeds = true'))

    assert "not masked: secure_sum.seeds: the suite masked sends no seeds" in ended.out


def test_owners_and_length_may_be_supposed_where_the_job_leaves_them_open(
    folder: Path, planned: Planned
) -> None:
    job = written(folder, 'suite = "auto"', owners="")

    alone = planned(job, "--json")
    supposed = facts(planned(job, "--owners", 50, "--json"))
    both = facts(planned(job, "--owners", 5000, "--dimension", 10**7, "--json"))

    assert (alone.code, "nobody trains" in alone.out) == (2, True)
    assert (supposed["owners"], supposed["dimension"], supposed["vanish"]) == (50, 1050, 46)
    assert (both["owners"], both["suite"]) == (5000, "masked")
    assert both["bytes"]["holder_in"] < both["bytes"]["coordinator_in"]


@pytest.mark.parametrize(
    ("summed", "words", "problem"),
    [
        ("", ("--owners", 3), "federation.minimum: 4 is above the number of owners, 3"),
        ("", ("--owners", 100_001), "100,001 are too many; one round has up to 100,000"),
        ('suite = "packed"\npacking = 3', (), "lets every single holder learn a part"),
        ('suite = "auto"\nprivacy = 3', (), "that many holders open a sum"),
        ('suite = "masked"\nseeds = true', (), "the suite masked sends no seeds"),
        ('suite = "masked"\n[limits]\nchunk_kb = 16', (), "limits.chunk_kb: 16 is too small"),
    ],
)
def test_what_could_not_run_is_refused_with_what_to_change(
    folder: Path, planned: Planned, summed: str, words: tuple[object, ...], problem: str
) -> None:
    job = written(folder, summed)

    ended, lines = planned(job, *words), planned(job, *words, "--json")

    assert (ended.code, ended.out) == (2, "")
    assert problem in ended.err
    assert (lines.code, lines.summary["outcome"]) == (2, "refused")
    assert problem in lines.lines[0]["problems"][0]


def test_a_job_whose_columns_nobody_here_knows_is_told_how_to_plan_it(
    folder: Path, planned: Planned
) -> None:
    job = written(folder, algorithm="moments")

    asked, told = planned(job), planned(job, "--dimension", 100)

    assert (asked.code, told.code) == (2, 0)
    assert "data.features: no owner's file here says what the columns are" in asked.err
    assert "say so with --dimension" in asked.err


def test_the_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["plan", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for words in ("--owners", "--dimension", "--json", "docs/scaling.md", "Exit codes: 0"):
        assert words in text
