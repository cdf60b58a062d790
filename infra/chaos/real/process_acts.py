"""What is done to processes: killed, stopped, asked to leave, and given another roster."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from infra.config import job_text, load_job
from infra.homes.actor_home import JOB
from infra.simulation.faults import Fault, Kind

from .crew import Acts, Crew


class ProcessActs:
    """Brings them about, each on a process that runs."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def acts(self) -> Acts:
        """Return what to do for each kind."""
        return {
            Kind.CRASH: self._kill,
            Kind.DEATH: self._die,
            Kind.BLACKOUT: self._black_out,
            Kind.PAUSE: self._pause,
            Kind.LEAVE: self._leave,
            Kind.OTHER_ROSTER: self._other_roster,
        }

    async def _kill(self, fault: Fault) -> None:
        if fault.target in self.crew.down:
            return
        async with self.crew.without(fault.target):
            self.crew.struck(fault)
            await asyncio.sleep(fault.duration_s)

    async def _die(self, fault: Fault) -> None:
        name = fault.target
        if name in self.crew.dead:
            return
        self.crew.dead.add(name)
        self.crew.down.add(name)
        await self.crew.stage.kill(name)
        self.crew.struck(fault)

    async def _black_out(self, fault: Fault) -> None:
        """Kill all at once; they come back one after the other."""
        crew, draw = self.crew, self.crew.draws(fault)
        there = [name for name in crew.everybody if name not in crew.down]
        waits = sorted((fault.duration_s * draw.uniform(0.5, 1.5), name) for name in there)
        async with AsyncExitStack() as stack:
            for _, name in reversed(waits):
                await stack.enter_async_context(crew.without(name))
            crew.struck(fault)
            gone_s = 0.0
            for wait_s, name in waits:
                await asyncio.sleep(wait_s - gone_s)
                gone_s = wait_s
                crew.back(name)

    async def _pause(self, fault: Fault) -> None:
        if fault.target in self.crew.down:
            return
        async with self.crew.still(fault.target):
            self.crew.struck(fault)
            await asyncio.sleep(fault.duration_s)

    async def _leave(self, fault: Fault) -> None:
        crew, name = self.crew, fault.target
        if name in crew.down:
            return
        crew.down.add(name)
        crew.stage.federation.stop_actor(name)
        crew.struck(fault)
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            await crew.stage.federation.gone(name)
            crew.back(name)

    async def _other_roster(self, fault: Fault) -> None:
        """Start an actor anew with a job file that lacks an owner, for a while."""
        crew, name = self.crew, fault.target
        if name in crew.down:
            return
        file = crew.stage.home(name) / JOB
        right, job = file.read_text(), load_job(file, files=False)
        missing = next(owner for owner in job.owners if owner.name != name)
        fewer = tuple(owner for owner in job.owners if owner != missing)
        crew.ailing.add(name)
        try:
            async with crew.without(name):
                file.write_text(job_text(job.model_copy(update={"owners": fewer})))
                crew.struck(fault)
            await asyncio.sleep(fault.duration_s)
        finally:
            async with crew.without(name):
                file.write_text(right)
