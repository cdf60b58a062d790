"""A check at start-up that our three packages are ours and not namesakes that hide them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("actors", "protocols", "infra")


def check_origins() -> None:
    """Compare where the three packages come from.

    Looks the packages up without importing them. Call it before anything of `actors` or
    `protocols` is imported.

    Raises:
        ImportError: one of them is missing, or lies in another folder than this file's package.
    """
    home = Path(__file__).resolve().parent.parent
    for package in PACKAGES:
        origin = _origin(package)
        if origin != home / package:
            raise ImportError(_explanation(package, origin, home), name=package)


def _origin(package: str) -> Path | None:
    loaded = sys.modules.get(package)
    spec = find_spec(package) if loaded is None else loaded.__spec__
    # A folder without __init__.py has no origin: it is none of ours.
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent


def _explanation(package: str, origin: Path | None, home: Path) -> str:
    found = f"was found in {origin}" if origin else "was not found"
    return (
        f"Quorate is installed in {home}, but its package '{package}' {found}. A folder or another "
        f"distribution of this name hides ours: start from another folder, remove the folder from "
        f"PYTHONPATH, set PYTHONSAFEPATH=1, or install Quorate in an environment of its own"
    )
