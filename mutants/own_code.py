"""Whose code runs, and whether it runs at all: without that, nothing that fails is a kill."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .mutant import PACKAGES

# No promise is broken where one of these comes up: the changed code just does not work.
BREAKDOWNS = (
    "AttributeError",
    "ImportError",
    "IndentationError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "TypeError",
    "UnboundLocalError",
)


def require(root: Path) -> None:
    """Raise `ImportError` where one of our packages would come from elsewhere than `root`."""
    for package in PACKAGES:
        spec = find_spec(package)
        origin = None if spec is None or spec.origin is None else Path(spec.origin).resolve()
        if origin != root.resolve() / package / "__init__.py":
            raise ImportError(f"{package} comes from {origin}, not from {root}", name=package)
