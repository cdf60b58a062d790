"""Job files of which a test writes what it is about: owners with tables, or with a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import ConfigError, load_job

OWNERS = "".join(f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n' for name in ("a", "b", "c"))

TASK = '[model]\ntask = "task.py"\n'

_HEAD = """
[job]
name = "sum"
algorithm = "{algorithm}"
max_rounds = 5
[federation]
broker = "memory"
holders = {holders}
threshold = {threshold}
minimum = 3
{federation}
"""
_USUAL = {"algorithm": "probe", "holders": 5, "threshold": 3, "federation": ""}


def with_tables(folder: Path) -> Path:
    """Write the owners' tables and an empty task."""
    for name in ("a", "b", "c"):
        (folder / f"{name}.csv").write_text("age,stay\n50,3\n60,4\n")
    (folder / "task.py").write_text("")
    return folder


def job_in(folder: Path, *sections: str, **given: object) -> Path:
    """Write a job with these sections; `given` are the algorithm and keys of the federation."""
    path = folder / "job.toml"
    path.write_text("\n".join([_HEAD.format(**{**_USUAL, **given}), *sections, OWNERS]))
    return path


def job_of_a_model(
    folder: Path, federation: str, algorithm: str = "fedavg", own: str = TASK, *, owners: str
) -> Path:
    """Write a job and its empty task: keys of the federation, own sections, and the owners."""
    (folder / "task.py").write_text("")
    path = folder / "job.toml"
    head = _HEAD.format(algorithm=algorithm, holders=3, threshold=2, federation=federation)
    path.write_text("\n".join([head, own, owners]))
    return path


def problems_of(path: Path) -> list[str]:
    """Return why a job file is refused."""
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    return caught.value.problems
