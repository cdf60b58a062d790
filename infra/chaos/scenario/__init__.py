"""Scenarios: who takes part, what goes wrong and what must come of it, as a file."""

from __future__ import annotations

from .compiling import plan_of
from .people import People
from .reading import load_scenario, read_scenario
from .script import Blow, Script

__all__ = ["Blow", "People", "Script", "load_scenario", "plan_of", "read_scenario"]
