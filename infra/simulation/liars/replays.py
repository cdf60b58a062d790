"""What was said before is heard again: later in its round, in another round, after a restart.

That is no lie of its sender; an old message of a queue, or of whoever runs the broker. Who must
refuse: everybody knows messages by their round and takes each of them once.
"""

from __future__ import annotations

from functools import partial

from infra.simulation.crew import Strikes
from infra.simulation.faults import Fault, Kind
from infra.simulation.queues import Parcel

from .lying import Lying
from .memory import Memory
from .tongue import Tongue

_BETWEEN_S = 0.02


class Replays(Lying):
    """Puts old messages into queues again."""

    def __init__(self, tongue: Tongue, memory: Memory) -> None:
        super().__init__(tongue)
        self._memory = memory

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {Kind.REPLAY: partial(self.begin, self._replay)}

    def _replay(self, fault: Fault) -> bool:
        """Say some of what an actor said once more to the same; rare kinds as often as others."""
        if not self._memory.of(fault.target):
            return False
        for number in range(max(1, int(fault.amount))):
            self.tongue.crew.later(number * _BETWEEN_S, self._again, fault, number)
        return True

    def _again(self, fault: Fault, number: int) -> None:
        kinds = list(self._memory.of(fault.target).values())
        if not kinds:
            return
        bits = self.tongue.bits(fault, number)
        some = kinds[bits % len(kinds)]
        heard = some[(bits >> 32) % len(some)]
        old, crew = heard.parcel, self.tongue.crew
        crew.world.broker.take(heard.to, heard.lane, Parcel(old.sender, old.body, old.kind, 0.0))
        crew.stage.tell(f"{old.sender} is heard again by {heard.to}: {old.kind}")
