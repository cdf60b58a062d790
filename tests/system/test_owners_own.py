"""What an owner allows and keeps to itself, in whole runs: others hear the kind and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from brokers import Vhost
from system.commands import quorate
from system.jobs import logistic, tables

OWN = {
    "not allowed": 'allow = ["glm", "other/logistic"]',
    "too few rows": "disclosure = {smallest_cell = 1000}",
    "too many parameters": "disclosure = {parameters_per_row = 0.01}",
}


def job_where_one(folder: Path, own: str) -> Path:
    """Write a job of four owners, one of which has these settings of its own."""
    job = logistic(folder, tables())
    text = job.read_text()
    assert "name = 'o1'\n" in text
    job.write_text(text.replace("name = 'o1'\n", f"name = 'o1'\n{own}\n"))
    return job


@pytest.mark.parametrize("kind", OWN)
def test_an_owner_declines_by_its_own_settings_and_the_others_go_on(
    tmp_path: Path, kind: str
) -> None:
    ended = quorate("run", job_where_one(tmp_path, OWN[kind]), "--json")

    summary = ended.summary
    assert (ended.code, summary["outcome"]) == (0, "converged")
    (dropped,) = summary["dropped_trainers"]
    assert (dropped["name"], dropped["reason"]) == ("o1", kind)
    told = [line for line in ended.lines if line["kind"] == "owner_trouble"]
    assert {(line["actor"], line["trouble"]) for line in told} == {("o1", kind)}
    assert summary["vectors_watched"] == 3 * summary["rounds"]


def test_its_home_says_so_to_the_owner_in_log_and_status(tmp_path: Path, vhost: Vhost) -> None:
    home = tmp_path / "home"

    ended = quorate(
        "run",
        job_where_one(tmp_path, OWN["not allowed"]),
        *("--broker", vhost.url, "--home", home, "--json"),
    )

    assert ended.summary["dropped_trainers"][0]["reason"] == "not allowed"
    status = json.loads((home / "o1" / "status.json").read_text())
    troubles = [trouble["text"] for trouble in status["troubles"]]
    reason = "not allowed: the job 'tiny' with algorithm 'logistic' is not on this owner's list"
    assert any(text.startswith(reason) for text in troubles)
    assert "is not on this owner's list" in (home / "o1" / "actor.log").read_text()
    others = [path.read_text() for path in home.glob("*/actor.log") if path.parent.name != "o1"]
    assert not any("this owner's list" in text for text in others)
