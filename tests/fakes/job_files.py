"""Job files of three owners with small tables, of which a test writes what it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import ConfigError, load_job

OWNERS = "".join(f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n' for name in ("a", "b", "c"))

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


def problems_of(path: Path) -> list[str]:
    """Return why a job file is refused."""
    with pytest.raises(ConfigError) as caught:
        load_job(path)
    return caught.value.problems
