"""What a coordinator's machine is given to draw and to judge with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocols.trust.signing import Verifier

Entropy = Callable[[int], bytes]
"""Returns so many bytes that nobody else can know."""


@dataclass(frozen=True, slots=True)
class Means:
    """Randomness of its own, and the keys of all members."""

    entropy: Entropy
    verifier: Verifier
