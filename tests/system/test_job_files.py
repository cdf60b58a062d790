"""Job files that can't be used: every mistake is named, nothing is started, exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from system.commands import quorate
from system.jobs import fedavg, logistic, tables


def refused(job: Path) -> str:
    """Run a job that must be refused before anything starts; return what was said."""
    ended = quorate("run", job)
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert not (job.parent / ".quorate").exists()
    return ended.err


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "the section [job] is missing"),
        (b"\xff\xfe\x00\x01", "not UTF-8 text"),
        (b"a = [1,\n", "line 2, column 1"),
        (b"[job]\nname = 'x'\nname = 'y'\n", "correct the TOML there"),
    ],
)
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, content: bytes, hint: str) -> None:
    job = tmp_path / "job.toml"
    job.write_bytes(content)

    assert hint in refused(job)


def test_a_missing_job_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere.toml")
    assert "not a file" in refused(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_job_file_is_refused(tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.touch(mode=0)

    assert "Permission denied" in refused(job)


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"threshold": 4}, "federation.threshold"),
        ({"threshold": 1, "vote": False}, "federation.threshold"),
        ({"minimum": 2}, "federation.minimum: 2 is too small"),
        ({"minimum": 5}, "above the number of owners, 4"),
        ({"treshold": 2}, 'did you mean "threshold"?'),
        ({"broker": "amqp://me:secret@host"}, "an address with an account"),
    ],
)
def test_thresholds_and_keys_that_make_no_sense_are_refused(
    tmp_path: Path, keys: dict[str, object], hint: str
) -> None:
    said = refused(logistic(tmp_path, tables(), federation=keys))

    assert hint in said
    assert "secret" not in said


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    job = logistic(tmp_path, tables(), federation={"minimum": 2}, limits={"patience_s": -1})
    (tmp_path / "o2.csv").unlink()

    said = refused(job)

    assert "3 problems" in said
    assert "owner[2].data" in said


def test_too_little_headroom_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    said = refused(fedavg(tmp_path, ["a", "b", "c"], secure_sum={"field": "p31"}))

    assert "bits are missing" in said
    assert "fewer fraction bits" in said


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import nosuchthing\n", "No module named 'nosuchthing'"),
        ("def model():\n    raise ValueError('no model today')\n", "no model today"),
        ("def model():\n    return 5\n", "gives no torch module"),
    ],
)
def test_a_model_that_does_not_load_is_refused_with_its_place(
    tmp_path: Path, task: str, hint: str
) -> None:
    said = refused(fedavg(tmp_path, ["a", "b", "c"], task=task))

    assert hint in said
    assert str(tmp_path / "task.py") in said


def test_machines_are_told_of_a_refusal_by_an_error_and_a_summary(tmp_path: Path) -> None:
    ended = quorate("run", logistic(tmp_path, tables(), federation={"minimum": 2}), "--json")

    error, last = ended.lines
    assert ended.code == 2
    assert error["kind"] == "error"
    assert "federation.minimum" in error["problems"][0]
    assert last["outcome"] == "refused"
    assert last["kind"] == "summary"


def test_a_job_that_changed_since_it_began_is_not_resumed(tmp_path: Path) -> None:
    quorate("run", logistic(tmp_path, tables()), "--quiet")

    ended = quorate("run", logistic(tmp_path, tables(), logistic={"C": 2.0}), "--resume")

    assert ended.code == 2
    assert "the job file has changed" in ended.err
