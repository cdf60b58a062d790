"""Digits at ten owners of unequal speed in virtual time: what `benchmarks/buffered.py` has."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def buffered_benchmark() -> ModuleType:
    """Load the benchmark, which is no package; it needs torch and scikit-learn."""
    path = Path(__file__).parents[2] / "benchmarks" / "buffered.py"
    found = importlib.util.spec_from_file_location("buffered_benchmark", path)
    assert found is not None
    assert found.loader is not None
    module = sys.modules[found.name] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
