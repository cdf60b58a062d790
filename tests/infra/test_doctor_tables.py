"""What `quorate doctor` says of the owners' tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import load_job
from infra.doctor.finding import Level
from infra.doctor.subject import Subject, job_findings

JOB = """
[job]
name = "study"
algorithm = "glm"
max_rounds = 30
[data]
target = "stay"
[glm]
family = "poisson"
[federation]
broker = "memory"
holders = 3
threshold = 2
minimum = 3
"""


def about_data(folder: Path, **tables: str) -> dict[str, tuple[Level, str]]:
    text = JOB
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(table)
        text += f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n'
    (folder / "job.toml").write_text(text)
    subject = Subject(load_job(folder / "job.toml", files=False), None, account=False)
    findings = [finding for finding in job_findings(subject) if finding.check == "data"]
    return {
        name: (finding.level, finding.what) for name, finding in zip(tables, findings, strict=True)
    }


def test_tables_are_read_as_the_job_will_read_them(tmp_path: Path) -> None:
    said = about_data(
        tmp_path,
        ann="age,weight,stay\n50,70,3\n60,80,4\n",
        bob="age,weight,stay\n50,70,3\n60,80,4.5\n",
        cem="age,weight\n50,70\n",
    )

    assert said["ann"] == (Level.OK, f"{tmp_path}/ann.csv has 2 rows of 2 features")
    assert said["bob"][0] is Level.ERROR
    assert "line 3, column 'stay': it must be a whole number" in said["bob"][1]
    assert "lacks 'stay'" in said["cem"][1]


@pytest.mark.parametrize("table", ["stay\n3\n", "stay\n"])
def test_a_table_of_outcomes_alone_is_a_problem(tmp_path: Path, table: str) -> None:
    good = "age,stay\n50,3\n"

    said = about_data(tmp_path, ann=good, bob=table, cem=good)

    assert said["bob"][0] is Level.ERROR
    assert "no columns but those that are named" in said["bob"][1]


def test_what_an_owners_rules_will_refuse_is_a_warning_before_the_job_begins(
    tmp_path: Path,
) -> None:
    few = "age,weight,stay\n" + "".join(f"{50 + n},{70 + n},{n}\n" for n in range(8))

    said = disclosures(tmp_path, JOB, few)

    assert said == [
        (
            Level.WARNING,
            "ann will decline: too many parameters: 3 parameters are more than 0.33 a row "
            "(the rule is yours, in [disclosure])",
        )
    ]


def test_cells_of_the_first_round_are_counted_before_the_job_begins(tmp_path: Path) -> None:
    job = (
        JOB.replace('"glm"', '"histogram"')
        .replace('target = "stay"', 'column = "stay"')
        .replace('[glm]\nfamily = "poisson"', "[histogram]\nleast = 0\nmost = 10\nbins = 2")
    )
    table = "stay\n" + "1\n2\n3\n4\n" * 3

    assert disclosures(tmp_path, job, table) == []
    ((level, text),) = disclosures(tmp_path, job, f"{table}7\n8\n")
    assert level is Level.WARNING
    assert text.startswith("ann will decline: small cell: ")


def disclosures(folder: Path, job: str, table: str) -> list[tuple[Level, str]]:
    (folder / "ann.csv").write_text(table)
    text = f'{job}[[owner]]\nname = "ann"\ndata = "ann.csv"\n'
    for other in ("bob", "cem"):  # whose tables are elsewhere
        text += f'[[owner]]\nname = "{other}"\ndata = "{other}.csv"\n'
    (folder / "job.toml").write_text(text)
    subject = Subject(load_job(folder / "job.toml", files=False), None, account=False)
    found = [finding for finding in job_findings(subject) if finding.check == "disclosure"]
    return [(finding.level, finding.what) for finding in found]
