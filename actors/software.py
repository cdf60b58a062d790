"""What runs here, as an actor tells others when it greets, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from protocols.secagg.terms import Terms


def _name() -> str:
    try:
        return f"quorate {version('quorate')}"
    except PackageNotFoundError:  # run from a folder
        return "quorate, not installed"


SOFTWARE = _name()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an actor says that it runs, and what it demands of rounds."""

    software: str = SOFTWARE
    terms: Terms = Terms()  # noqa: RUF009 - it is frozen
