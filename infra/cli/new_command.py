"""`quorate new`: a project that runs."""

from __future__ import annotations

from pathlib import Path

from infra.config import ConfigError
from infra.new_project import write_project

from .display import print_json
from .terminal import console, show_config_error

_DONE, _USAGE = 0, 2


def new(folder: Path, *, output: str) -> int:
    """Write a project and return the exit code."""
    try:
        written = write_project(folder)
    except ConfigError as error:
        show_config_error(error, output)
        return _USAGE
    job = folder / "job.toml"
    if output == "json":
        files = [str(file) for file in written.files]
        print_json({"kind": "project", "name": written.name, "files": files, "job": str(job)})
        return _DONE
    for file in written.files:
        console.print(str(file), markup=False, soft_wrap=True)
    console.print()
    console.print(f"Next: quorate run {job}", markup=False, soft_wrap=True)
    return _DONE
