"""What runs here, as an actor tells others when it greets."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _name() -> str:
    try:
        return f"quorate {version('quorate')}"
    except PackageNotFoundError:  # run from a folder
        return "quorate, not installed"


SOFTWARE = _name()
