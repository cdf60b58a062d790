"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: a warning works today, an error does not."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `check` names the check, `fix` says what to do, "" if nothing.

    Shown to people and machines: it never holds a password.
    """

    check: str
    level: Level
    what: str
    fix: str = ""


def fine(check: str, what: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, what)


def warning(check: str, what: str, fix: str) -> Finding:
    """Return what works today and may not tomorrow."""
    return Finding(check, Level.WARNING, what, fix)


def problem(check: str, what: str, fix: str) -> Finding:
    """Return what does not work."""
    return Finding(check, Level.ERROR, what, fix)
