"""How any lie begins: at its moment, or as soon after it as there is somebody to believe it."""

from __future__ import annotations

from collections.abc import Callable

from infra.simulation.faults import Fault

from .tongue import Tongue

_AGAIN_S = 0.25
_TRIES = 20

# Tells a lie; returns whether it reached anybody.
Tell = Callable[[Fault], bool]


class Lying:
    """One kind of liar. What can't be told now is tried again for five seconds."""

    def __init__(self, tongue: Tongue) -> None:
        self.tongue = tongue

    def begin(self, tell: Tell, fault: Fault, tries: int = _TRIES) -> None:
        """Tell a lie, and count it once it was told."""
        if tell(fault):
            self.tongue.crew.fired(fault)
        elif tries > 1:
            self.tongue.crew.later(_AGAIN_S, self.begin, tell, fault, tries - 1)
