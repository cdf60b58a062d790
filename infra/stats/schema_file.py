"""A schema file: what owners agreed that their columns hold, in TOML or JSON; public.

It has the same `[[column]]` tables as a job file, and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.config import ConfigError
from infra.config.document import MAX_FILE_BYTES, toml_document
from infra.config.problems import sentence, shown
from infra.config.schema import AgreedColumn


def load_schema(file: Path) -> tuple[AgreedColumn, ...]:
    """Return the columns of a schema file. Raises `ConfigError` with every problem at once."""
    document = _json(file) if file.suffix == ".json" else toml_document(file, "schema")
    problems = [f"{file}: {key}: unknown; a schema has [[column]] tables only" for key in document]
    tables = document.get("column", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError([f"{file}: no columns; write [[column]] with name and kind for each"])
    problems = [problem for problem in problems if not problem.startswith(f"{file}: column:")]
    found: dict[str, AgreedColumn] = {}
    for number, table in enumerate(tables, start=1):
        place = f"{file}: column[{number}]"
        try:
            section = AgreedColumn.model_validate(table)
            section.column()
        except ValidationError as error:
            faults = error.errors(include_url=False)
            problems += [sentence(fault, AgreedColumn, place) for fault in faults]
        except ValueError as error:
            problems.append(f"{place}: {error}")
        else:
            if section.name in found:
                problems.append(f"{place}: {shown(section.name)} stands there twice")
            found[section.name] = section
    if problems:
        raise ConfigError(problems)
    return tuple(found.values())


def _json(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError([f"{file}: above {MAX_FILE_BYTES} bytes; is this a schema?"])
        document = json.loads(content)
    except OSError as error:
        raise ConfigError(
            [f"{file}: can't be read ({error.strerror}); check the path and its rights"]
        ) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError([f"{file}, {place}: {error.msg}; correct the JSON there"]) from None
    except (ValueError, RecursionError):
        raise ConfigError([f"{file}: not JSON as UTF-8 text, or lists too deep"]) from None
    if not isinstance(document, dict):
        raise ConfigError([f'{file}: not an object; write {{"column": [...]}}'])
    return document
