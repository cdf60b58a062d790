"""A question about the data of several owners, as a job file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from infra.config import MEMORY, ConfigError
from infra.config.schema import AgreedColumn, DisclosureSettings
from infra.config.writing import column_tables
from protocols.round_config import MINIMUM_FLOOR

from .questions import Question

_MAX_ROUNDS = 60
_HOLDERS, _THRESHOLD = 3, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Over whom a question is asked, and on which terms.

    Attributes:
        owners: names and where their data are; no path for data on another machine.
        schema: what was agreed on all columns.
        rules: of the owners, for a run on this machine; None leaves them to the owners.
        name: of the job and its federation.
    """

    owners: Sequence[tuple[str, Path | None]]
    schema: tuple[AgreedColumn, ...] = ()
    minimum: int = MINIMUM_FLOOR
    leave_out: bool = False
    broker: Sequence[str] = ()
    rules: DisclosureSettings | None = None
    name: str | None = None


def owner_of(text: str) -> tuple[str, Path | None]:
    """Return the name and data of `NAME=FILE`, or of `NAME` alone. Raises `ConfigError`."""
    name, equals, path = text.partition("=")
    if not name or (equals and not path):
        raise ConfigError([f"--owner: {text!r} is not NAME=FILE; write --owner north=north.csv"])
    return name, Path(path) if path else None


def job_document(question: Question, setting: Setting, folder: Path) -> str:
    """Return the text of a job file that lies in `folder`. Raises `ConfigError`."""
    _require_owners(setting)
    used = question.columns
    # Without names all columns of the schema are read, or nobody knows yet which.
    agreed = [column for column in setting.schema if not used or column.name in used]
    missing = {"missing": "leave out"} if setting.leave_out else {}
    sections: dict[str, Mapping[str, Any]] = {
        "job": {
            "name": setting.name or f"stats-{question.statistic}",
            "algorithm": question.algorithm,
            "max_rounds": _MAX_ROUNDS,
        },
        "data": {**question.data, **missing},
        question.algorithm: question.own,
        "federation": {
            "broker": list(setting.broker) or MEMORY,
            "holders": _HOLDERS,
            "threshold": _THRESHOLD,
            "minimum": setting.minimum,
        },
        # Nobody's table changes between two rounds of a run here.
        "limits": {} if setting.rules is None else {"abandoned_rounds": 1},
    }
    pieces = [_section(f"[{name}]", keys) for name, keys in sections.items() if keys]
    pieces += [_section("[[column]]", table) for table in column_tables(agreed)]
    pieces += [_owner(name, path, setting, folder) for name, path in setting.owners]
    return "\n".join(pieces)


def _require_owners(setting: Setting) -> None:
    count = len(setting.owners)
    if count < MINIMUM_FLOOR:
        raise ConfigError(
            [
                f"--owner: {count or 'no'} owners, and a sum over fewer than {MINIMUM_FLOOR} is "
                f"never opened: of two, each would learn the other's part; name more"
            ]
        )


def _owner(name: str, path: Path | None, setting: Setting, folder: Path) -> str:
    table: dict[str, Any] = {"name": name}
    if path is not None:
        whole = path.absolute()
        inside = whole.is_relative_to(folder.absolute())
        table["data"] = os.path.relpath(whole, folder.absolute()) if inside else str(whole)
    text = _section("[[owner]]", table)
    if setting.rules is not None:
        text += _section("[owner.disclosure]", setting.rules.model_dump())
    return text


def _section(head: str, keys: Mapping[str, Any]) -> str:
    return f"{head}\n{tomli_w.dumps(dict(keys))}"
