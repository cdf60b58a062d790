"""What is done to the homes of actors: filled, damaged, and set back to what they were."""

from __future__ import annotations

import asyncio
import math
import resource
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random

from infra.homes.actor_home import JOURNAL
from infra.simulation.faults import Fault, Kind

from .crew import Acts, Crew

_JOURNAL_FILES = (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm")
_ROTTEN = b"\xff" * 4096
_AGAIN_S = 0.1  # between two looks whether there is another process that may write


class DiskActs:
    """Brings them about."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def acts(self) -> Acts:
        """Return what to do for each kind."""
        return {
            Kind.FSYNC_LIES: lambda fault: self._set_back(fault, at_copy=True),
            Kind.OLD_BACKUP: lambda fault: self._set_back(fault, at_copy=False),
            Kind.JOURNAL_DAMAGED: self._damage_journal,
            Kind.SPOOL_DAMAGED: self._damage_shares,
            Kind.DISK_FULL: self._fill,
        }

    async def _set_back(self, fault: Fault, *, at_copy: bool) -> None:
        """Copy a home as it is at one moment; later kill the actor and start it from the copy.

        A lying disk strikes at the moment of the copy, an old backup when it is restored.
        """
        crew, name = self.crew, fault.target
        if name in crew.down:
            return
        home = crew.stage.home(name)
        copy = crew.stage.folder / "copies" / f"{name}-{fault.round}-{fault.at_s:g}"
        async with crew.still(name):
            await asyncio.to_thread(shutil.copytree, home, copy)
        if at_copy:
            crew.struck(fault)
        await asyncio.sleep(fault.amount)
        if name in crew.down:
            return
        crew.ailing.add(name)
        async with crew.without(name):
            if not at_copy:
                crew.struck(fault)
            await asyncio.to_thread(_replace, home, copy)
            await asyncio.sleep(fault.duration_s)

    async def _damage_journal(self, fault: Fault) -> None:
        """Make a journal unreadable, and put it back as it was when the time is over."""
        crew, name = self.crew, fault.target
        if name in crew.down:
            return
        home, crew.ailing = crew.stage.home(name), crew.ailing | {name}
        kept = crew.stage.folder / "journals" / f"{name}-{fault.round}-{fault.at_s:g}"
        kept.mkdir(parents=True)
        async with crew.without(name):
            _move(home, kept)
            (home / JOURNAL).write_bytes(_ROTTEN)
        crew.struck(fault)
        try:
            await asyncio.sleep(fault.duration_s)
        finally:
            async with crew.still(name):
                for file in _JOURNAL_FILES:
                    (home / file).unlink(missing_ok=True)
                _move(kept, home)

    async def _damage_shares(self, fault: Fault) -> None:
        """Change bytes of what a spool keeps, under the feet of the process that reads it."""
        self.crew.ailing.add(fault.target)
        spool = self.crew.stage.home(fault.target) / "spool"
        files = [file for file in spool.rglob("*") if file.is_file()]
        if _rot(files, self.crew.draws(fault), fault.amount):
            self.crew.struck(fault)

    async def _fill(self, fault: Fault) -> None:
        """Let each write to a file fail (EFBIG for ENOSPC) in whatever process the actor has."""
        self.crew.ailing.add(fault.target)
        self._limit(fault.target, full=True)
        self.crew.struck(fault)
        try:
            for _ in range(math.ceil(fault.duration_s / _AGAIN_S)):
                await asyncio.sleep(_AGAIN_S)
                self._limit(fault.target, full=True)
        finally:
            self._limit(fault.target, full=False)

    def _limit(self, name: str, *, full: bool) -> None:
        pid = self.crew.stage.federation.pid(name)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))


def _replace(home: Path, copy: Path) -> None:
    shutil.rmtree(home)
    shutil.move(copy, home)


def _move(source: Path, target: Path) -> None:
    for name in _JOURNAL_FILES:
        if (source / name).exists():
            shutil.move(source / name, target / name)


def _rot(files: Iterable[Path], draw: Random, share: float) -> int:
    """Turn the bits of the last byte of some files that is not filling; return of how many."""
    count = 0
    for file in files:
        kept = file.read_bytes().rstrip(b"\0")
        if kept and draw.random() < share:
            with file.open("r+b") as opened:
                opened.seek(len(kept) - 1)
                opened.write(bytes([kept[-1] ^ 0xFF]))
            count += 1
    return count
