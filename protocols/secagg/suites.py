"""The ways to sum vectors in secret, by name. Which one runs is known here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .masked_suite import MaskedSuite
from .packed_suite import PackedSuite
from .shamir_suite import ShamirSuite
from .suite import Suite

SUITES: Mapping[str, Suite] = MappingProxyType(
    {each.name: each for each in (ShamirSuite(), PackedSuite(), MaskedSuite())}
)
"""By the name in the round config."""
