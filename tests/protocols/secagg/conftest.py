from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.round_config import RoundConfig, majority


@pytest.fixture(scope="session")
def round_of() -> Callable[..., RoundConfig]:
    """Build a round config from what a test cares for."""

    def build(**changes: Any) -> RoundConfig:
        holders = changes.get("holders", 5)
        usual = {
            "job": "test",
            "number": 1,
            "suite": "shamir",
            "field": "p31",
            "dimension": 10,
            "fraction_bits": 0,
            "holders": holders,
            "trainers": 3,
            "threshold": 3,
            "faults": 0,
            "vote": True,
            "quorum": majority(holders, changes.get("faults", 0)),
            "minimum": 3,
            "chunk_bytes": 1024,
            "beat_ms": 1000,
            "sealing": "x25519",
            "state": bytes(32),
            "roster": bytes(32),
        }
        return RoundConfig(**{**usual, **changes})

    return build
