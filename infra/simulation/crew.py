"""What those who bring faults about have in common: the world, the books, and an end to it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .faults import Fault, Kind
from .ghost import Ghost
from .loop import SimLoop
from .stage import Stage
from .world import World

HEARTBEAT_S = 6.0  # after which a connection without a sign of life is given up

Strikes = dict[Kind, Callable[[Fault], None]]


@dataclass(slots=True)
class Crew:
    """Hands on the world. Once `over`, nothing that was put off happens any more."""

    world: World
    ghost: Ghost
    over: bool = False

    @property
    def stage(self) -> Stage:
        """What all parts of the world share."""
        return self.world.stage

    @property
    def loop(self) -> SimLoop:
        """The loop of this history."""
        return self.world.stage.loop

    def fired(self, fault: Fault) -> None:
        """Count a fault that really struck."""
        self.stage.fired[fault.kind.value] += 1
        for onlooker in self.ghost.onlookers:
            onlooker.struck(self.loop.now_s, fault)

    def later(self, delay_s: float, call: Callable[..., object], *args: object) -> None:
        """Call later, unless all is healed by then."""

        def then() -> None:
            if not self.over:
                call(*args)

        self.loop.after(delay_s, then)

    def go_on(self, name: str) -> None:
        """Let a host publish what something held up."""
        transport = self.world.hosts[name].transport
        if transport is not None:
            transport.go_on()
