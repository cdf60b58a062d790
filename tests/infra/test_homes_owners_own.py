"""What an owner allows and keeps to itself, in its own home."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from infra.casting import first_state, resolved, work_spec
from infra.config import ConfigError, load_job
from infra.doctor.subject import Subject, job_findings
from infra.homes import open_home
from infra.homes.provisioning import Access, Provisioning, accounts_for_all
from infra.identity.trial import TrialIdentities
from protocols.learning.disclosure import Rules

JOB = """
[job]
name = "tiny"
algorithm = "moments"
max_rounds = 5
[data]
features = ["age"]
[federation]
broker = "amqp://localhost:5673/tiny"
holders = 3
threshold = 2
minimum = 3
[[owner]]
name = "north"
data = "north.csv"
allow = ["moments", "tiny-*/glm"]
disclosure = {smallest_cell = 10}
[[owner]]
name = "middle"
data = "north.csv"
[[owner]]
name = "south"
"""


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    (tmp_path / "north.csv").write_text("age\n1\n2\n3\n")
    (tmp_path / "job.toml").write_text(JOB)
    job = resolved(load_job(tmp_path / "job.toml", files=False))
    access = accounts_for_all(job, Access(user="guest", password="hunter2"))  # noqa: S106
    trial = TrialIdentities(tmp_path / "authority")
    Provisioning(job, asyncio.run(first_state(job)), access, trial).write(tmp_path / "homes")
    return tmp_path / "homes"


def edited(home: Path, old: str, new: str) -> Path:
    settings = home / "actor.toml"
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new))
    return home


def test_what_the_job_file_says_of_an_owner_goes_into_its_home(homes: Path) -> None:
    north, middle = (open_home(homes / name) for name in ("north", "middle"))

    assert north.allow == ("moments", "tiny-*/glm")
    assert work_spec(north.job, north.owner).rules == Rules(smallest_cell=10)
    assert middle.allow is None
    assert work_spec(middle.job, middle.owner).rules == Rules()


def test_no_home_knows_what_another_owner_allows(homes: Path) -> None:
    for home in homes.iterdir():
        text = (home / "job.toml").read_text()
        assert not any(word in text for word in ("allow", "smallest_cell", "tiny-*"))


def test_the_owners_own_file_is_the_last_word(homes: Path) -> None:
    home = edited(homes / "north", "smallest_cell = 10", "smallest_cell = 1")
    edited(home, '"moments",\n', '"histogram",\n')

    found = open_home(home)

    spec = work_spec(found.job, found.owner)
    assert spec.rules == Rules(smallest_cell=1)
    assert "is not on this owner's list" in spec.refused


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("smallest_cell = 10", "smallest_cell = 0", "disclosure.smallest_cell: 0 is too small"),
        ("smallest_cell = 10", "smallest = 10", 'unknown key; did you mean "smallest_cell"?'),
        ("parameters_per_row = 0.33", "parameters_per_row = 0.0", "too small; use more than 0"),
        ("moments", "momnets", 'trainer.allow: "momnets" allows no algorithm'),
    ],
)
def test_mistakes_are_named_and_nothing_starts(homes: Path, old: str, new: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_home(edited(homes / "north", old, new))

    assert hint in "\n".join(caught.value.problems)


def test_rules_of_disclosure_are_for_trainers(homes: Path) -> None:
    with (homes / "holder-1" / "actor.toml").open("a") as settings:
        settings.write("\n[disclosure]\nsmallest_cell = 3\n")

    with pytest.raises(ConfigError, match=r"\[disclosure\] is for trainers only"):
        open_home(homes / "holder-1")


def test_the_doctor_tells_an_owner_that_it_will_decline(homes: Path) -> None:
    home = open_home(edited(homes / "north", '"moments",\n', '"auc",\n'))

    findings = {f.check: f.what for f in job_findings(Subject(home.job, None, False, home))}

    assert "north takes no part: the job 'tiny'" in findings["allow"]
    assert "north will decline: too few rows" in findings["disclosure"]
