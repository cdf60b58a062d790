"""The bytes of a job file, read as TOML."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from .problems import ConfigError

MAX_FILE_BYTES = 2**20


def toml_document(path: Path, what: str = "job file") -> dict[str, Any]:
    """Return the document; `what` it should be is for the errors.

    Raises:
        ConfigError: with the file, the line and the column of the first mistake.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError([f"{path}: not a file; name the {what} itself"])
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            [f"{path}: can't be read ({error.strerror}); check the path and its rights"]
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError([f"{path}: above {MAX_FILE_BYTES} bytes; is this a {what}?"])
    return parsed_toml(path, content, what)


def parsed_toml(path: Path, content: bytes, kind: str) -> dict[str, Any]:
    """Return the document that these bytes are; `path` and `kind` are for the errors.

    Raises:
        ConfigError: with the file, the line and the column of the first mistake.
    """
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        what = "not UTF-8 text; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        line, column, what = _syntax_place(str(error), content.decode())
    except (ValueError, RecursionError):
        raise ConfigError(
            [f"{path}: a number too long or lists too deep; is this a {kind}?"]
        ) from None
    raise ConfigError([f"{path}, line {line}, column {column}: {what}"])


def _syntax_place(text: str, content: str) -> tuple[int, int, str]:
    what = text.split(" (at ", maxsplit=1)[0]
    place = re.search(r"\(at line (\d+), column (\d+)\)", text)
    if place:
        line, column = int(place[1]), int(place[2])
    else:
        last = content.rpartition("\n")[2]
        line, column = content.count("\n") + 1, len(last) + 1
    return line, column, f"{what}; correct the TOML there"
