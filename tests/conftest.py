"""Fixtures for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ["brokers", "pytester", "sharing"]

# A console keeps the width that it finds when it is made, and workers are given one of 80.
os.environ.pop("COLUMNS", None)

# How long an example takes says what else the machine does, not whether the code is right.
settings.register_profile(
    "busy machine",
    settings(),  # on CI another one than elsewhere
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("busy machine")
