"""Writing a project that runs as it is, to be changed into one's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from infra.config import ConfigError
from protocols.round_config import NAME_PATTERN

_TEMPLATES = Path(__file__).parent
_SUFFIX = ".template"
_ROWS = {"north": 120, "middle": 200, "south": 280}


@dataclass(frozen=True, slots=True)
class Written:
    """The name of the job, and the files in the order in which they were written."""

    name: str
    files: tuple[Path, ...]


def write_project(folder: Path) -> Written:
    """Write a project into a folder that is new or empty.

    Raises:
        ConfigError: the folder is in the way, can't be written, or gives the job no name.
    """
    name = _job_name(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError([f"{folder}: something is there already; name a new folder"])
        files = tuple(_write(folder, place, text) for place, text in _contents(name))
    except OSError as error:
        place = error.filename or folder
        raise ConfigError([f"{place}: {error.strerror}; correct that or name another"]) from None
    return Written(name, files)


def _job_name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.absolute().name.lower()).strip("-_")
    if not re.match(NAME_PATTERN, name):
        raise ConfigError(
            [f"{folder}: no name for a job; use 1 to 63 of a-z, 0-9, _ and -, a letter first"]
        )
    return name


def _contents(name: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of every file; data first, as they are the longest to look through."""
    for number, (owner, rows) in enumerate(_ROWS.items()):
        yield f"data/{owner}.csv", _table(rows, seed=number)
    for template in sorted(_TEMPLATES.glob(f"*{_SUFFIX}")):
        place = template.name.removesuffix(_SUFFIX).replace("dot-", ".")
        yield place, template.read_text(encoding="utf-8").replace("PROJECT", name)


def _write(folder: Path, place: str, text: str) -> Path:
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _table(rows: int, *, seed: int) -> str:
    """Return a table of two columns and a label that says whether a point is in a ring."""
    random = Random(seed)  # noqa: S311 - made-up data
    lines = ["x,y,label"]
    for _ in range(rows):
        x, y = random.uniform(-1, 1), random.uniform(-1, 1)
        inside = 0.3 < (x * x + y * y) ** 0.5 < 0.8
        lines.append(f"{x:.4f},{y:.4f},{int(inside)}")
    return "\n".join(lines) + "\n"
