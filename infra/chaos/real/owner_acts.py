"""What is done to the code of owners: a file says how it behaves, and each training reads it."""

from __future__ import annotations

import asyncio

from infra.chaos.drill_job import manners_file
from infra.probe_manners import Manner, Manners
from infra.simulation.faults import Fault, Kind

from .crew import Acts, Crew


class OwnerActs:
    """Brings them about, from the next training on."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def acts(self) -> Acts:
        """Return what to do for each kind."""
        return {
            Kind.SLOW: lambda fault: self._behave(fault, Manners(Manner.SLOW, fault.amount)),
            Kind.TRAINING_FAILS: lambda fault: self._behave(fault, Manners(Manner.FAILS)),
            Kind.TRAINING_HANGS: lambda fault: self._behave(fault, Manners(Manner.HANGS)),
            Kind.TRAINING_GARBAGE: lambda fault: self._behave(fault, Manners(Manner.GARBAGE)),
        }

    async def _behave(self, fault: Fault, manners: Manners) -> None:
        file = manners_file(self.crew.stage.folder, fault.target)
        manners.write(file)
        self.crew.struck(fault)
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            Manners().write(file)
