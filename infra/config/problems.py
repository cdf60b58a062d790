"""What is wrong with a job file, in sentences that say where, what and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list in square brackets",
    "path_type": "a path in quotes",
}
_SHOWN_CHARACTERS = 60


class ConfigError(Exception):
    """A job file that can't be used, with everything that is wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        count = f"{len(problems)} problem" + ("" if len(problems) == 1 else "s")
        super().__init__(f"{count} in the configuration:\n" + "\n".join(f"- {p}" for p in problems))
        self.problems = problems


def sentence(error: ErrorDetails, model: type[BaseModel], place: str) -> str:
    """Return one finding of pydantic about the section `place` in words a user can act on.

    An empty `place` is the top of the file.
    """
    where = ".".join([place, *(_step(part) for part in error["loc"])]).removeprefix(".")
    key = str(error["loc"][0]) if error["loc"] else ""
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {suggestion(key, model.model_fields)}"
        case "missing":
            return f"{where}: missing; add {_example(model, key)}{_meaning(model, key)}"
        case kind if kind in _KINDS:
            return f"{where}: {shown(error['input'])} is not {_KINDS[kind]}; {_cure(model, key)}"
        case "finite_number":
            return f"{where}: {shown(error['input'])} is no finite number; {_cure(model, key)}"
        case "literal_error":
            known = error["ctx"]["expected"].replace("'", '"')
            return f"{where}: {shown(error['input'])} is not known; use {known}"
        case _:
            return f"{where}: {_out_of_bounds(error)}{_meaning(model, key)}"


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that looks most like `key`, if any does."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(key.lower(), names, n=1)
    return names[near[0]] if near else None


def suggestion(key: str, known: Iterable[str]) -> str:
    """Name the nearest known key, or all of them where none is near."""
    names = list(known)
    near = nearest(key, names)
    return f'did you mean "{near}"?' if near else f"remove it (known here: {', '.join(names)})"


def missing_section(name: str, model: type[BaseModel], *, reason: str = "") -> str:
    """Say that a whole section is absent and what it must hold at least."""
    needed = [_example(model, key) for key, f in model.model_fields.items() if f.is_required()]
    because = f" ({reason})" if reason else ""
    return f"{name}: the section [{name}] is missing{because}; add it with {', '.join(needed)}"


def shown(value: object) -> str:
    """Return a value as it would stand in the file, shortened."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    if isinstance(value, Mapping):
        text = "a section"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _step(part: int | str) -> str:
    # People count from one.
    return str(part + 1) if isinstance(part, int) else part


def _out_of_bounds(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    value = shown(error["input"])
    match error["type"]:
        case "greater_than_equal":
            return f"{value} is too small; use {context['ge']} or more"
        case "greater_than":
            return f"{value} is too small; use more than {_plain(context['gt'])}"
        case "less_than_equal":
            return f"{value} is too large; use {_plain(context['le'])} or less"
        case "string_too_short" | "too_short":
            return "empty; name at least one"
        case _:
            return error["msg"]


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _cure(model: type[BaseModel], key: str) -> str:
    example = _example(model, key)
    return f"write for example {example}" if "=" in example else f"change {example}"


def _example(model: type[BaseModel], key: str) -> str:
    fields = model.model_fields
    examples = fields[key].examples if key in fields else None
    return f"{key} = {examples[0]}" if examples else key


def _meaning(model: type[BaseModel], key: str) -> str:
    fields = model.model_fields
    description = fields[key].description if key in fields else None
    return f" ({description})" if description else ""
