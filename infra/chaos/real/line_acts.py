"""What is done to the ways between actors and the broker, each of which is a link to be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from infra.rabbitmq.cuttable import CuttableLink, Towards
from infra.simulation.faults import Fault, Kind

from .crew import Acts, Crew

_STEP_S = 0.3  # between one actor and the next


class LineActs:
    """Brings them about. What a stalled link swallowed is lost, and healed it is reset."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def acts(self) -> Acts:
        """Return what to do for each kind."""
        return {
            Kind.CONNECTION_LOST: self._cut,
            Kind.PARTITION: lambda fault: self._hold(fault, lambda line: line.stall()),
            Kind.PARTITION_IN: lambda fault: self._hold(fault, _towards(Towards.CLIENT)),
            Kind.PARTITION_OUT: lambda fault: self._hold(fault, _towards(Towards.BROKER)),
            Kind.CLOG: lambda fault: self._hold(fault, lambda line: line.clog()),
            Kind.FLAPPING: self._flap,
            Kind.SWIZZLE: self._swizzle,
        }

    async def _cut(self, fault: Fault) -> None:
        if fault.target not in self.crew.down:
            await self.crew.stage.cut(fault.target)
            self.crew.struck(fault)

    async def _hold(self, fault: Fault, begin: Callable[[CuttableLink], None]) -> None:
        line = self.crew.stage.lines[fault.target]
        begin(line)
        self.crew.struck(fault)
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            await line.heal()

    async def _flap(self, fault: Fault) -> None:
        times = max(1, int(fault.amount))
        each_s = fault.duration_s / (2 * times)
        line = self.crew.stage.lines[fault.target]
        self.crew.struck(fault)
        try:
            for _ in range(times):
                line.stall()
                await asyncio.sleep(each_s)
                await line.heal()
                await asyncio.sleep(each_s)
        finally:
            await line.heal()

    async def _swizzle(self, fault: Fault) -> None:
        """Stall some ways one by one, and open them one by one in another order."""
        draw, names = self.crew.draws(fault), self.crew.everybody
        some = [name for name in names if draw.random() < fault.amount]
        lines = [self.crew.stage.lines[name] for name in some]
        self.crew.struck(fault)
        try:
            for line in draw.sample(lines, len(lines)):
                line.stall()
                await asyncio.sleep(_STEP_S)
            await asyncio.sleep(max(0.0, fault.duration_s - _STEP_S * len(lines)))
            for line in draw.sample(lines, len(lines)):
                await line.heal()
                await asyncio.sleep(_STEP_S)
        finally:
            await _heal(lines)


def _towards(side: Towards) -> Callable[[CuttableLink], None]:
    return lambda line: line.stall(side)


async def _heal(lines: Iterable[CuttableLink]) -> None:
    await asyncio.gather(*(line.heal() for line in lines))
