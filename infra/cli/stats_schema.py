"""`quorate stats schema` and `check`: an owner, its own table, and what all agree on."""

from __future__ import annotations

import sys
from pathlib import Path

from actors.ports import WorkFailed
from infra.config import ConfigError
from infra.durable_files import replace_file
from infra.stats.draft import drafted
from infra.stats.schema_file import load_schema
from infra.tables import Agreement, load_table

from .session import DONE, FAILED, USAGE
from .terminal import console, show_config_error


def draft(data: Path, out: Path | None, *, levels: bool) -> int:
    """Write a first schema of a table; return the exit code."""
    try:
        _require_free(out)
        text = drafted(str(data), levels=levels)
        if out is None:
            sys.stdout.write(text)
        else:
            replace_file(out, text.encode())
            console.print(
                f"{out} is written: fill in what is left open, agree on it with the other owners, "
                f"and check with: quorate stats check {data} --schema {out}",
                markup=False,
                soft_wrap=True,
            )
    except ConfigError as error:
        show_config_error(error, "live")
        return USAGE
    except OSError as error:
        show_config_error(ConfigError([f"--out: {out}: {error.strerror}"]), "live")
        return USAGE
    except WorkFailed as error:
        return _failed(error)
    return DONE


def examine(data: Path, schema: Path, *, leave_out: bool) -> int:
    """Check a table against a schema; return the exit code."""
    try:
        columns = tuple(column.column() for column in load_schema(schema))
        missing = Agreement(missing="leave out" if leave_out else "refuse")
        table = load_table(str(data), columns, missing)
    except ConfigError as error:
        show_config_error(error, "live")
        return USAGE
    except WorkFailed as error:
        return _failed(error)
    for warning in table.warnings:
        console.print(f"note: {warning}", style="yellow", markup=False, soft_wrap=True)
    text = f"{data}: {table.rows} rows of {len(columns)} columns are as agreed"
    console.print(text, markup=False, soft_wrap=True)
    return DONE


def _require_free(out: Path | None) -> None:
    if out is not None and out.exists():
        raise ConfigError([f"--out: {out} is there; choose another, or move it away"])


def _failed(error: WorkFailed) -> int:
    sys.stderr.write(f"{error.kind}: {error}\n")
    return FAILED
