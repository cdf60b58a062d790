"""Scenarios that come with the program, by name."""

from __future__ import annotations

from pathlib import Path

from infra.chaos.scenario import Script, load_scenario

FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Name all scenarios of the gallery."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def scenario(name: str) -> Script:
    """Return a scenario. Raises `LookupError` for a name that is not in the gallery."""
    if name not in names():
        raise LookupError(name)
    return load_scenario(FOLDER / f"{name}.toml", name)
