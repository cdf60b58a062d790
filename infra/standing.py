"""Where a job stands, from what its coordinator keeps: for when the coordinator does not run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from actors.ports import PortError
from protocols.codec import Undecodable, parse
from protocols.learning.state import State
from protocols.records import RunRecord

from .checkpoints import FileCheckpoints
from .homes.actor_home import JOURNAL
from .sqlite_journal import SqliteJournal
from .system import ThreadOffload

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """The rounds that are done, and the state after them with its file, where there is one."""

    completed: int = 0
    state: State | None = None
    checkpoint: Path | None = None


async def standing(folder: Path) -> Standing:
    """Read a coordinator's journal and checkpoints; what can't be read is logged and left out."""
    if not (folder / JOURNAL).exists():
        return Standing()
    try:
        record = await _record(folder / JOURNAL)
        if record is None:
            return Standing()
        return await _with_state(folder / "checkpoints", record)
    except (PortError, Undecodable) as error:
        log.warning("%s", error)
        return Standing()


async def _record(file: Path) -> RunRecord | None:
    journal = await SqliteJournal.open(file)
    try:
        records = await journal.load()
    finally:
        await journal.close()
    return parse(records["run"], RunRecord) if "run" in records else None


async def _with_state(folder: Path, record: RunRecord) -> Standing:
    offload = ThreadOffload(workers=1, name="checkpoint")
    try:
        checkpoints = FileCheckpoints(folder, offload)
        state = State.from_bytes(await checkpoints.load(record.state))
        return Standing(record.completed, state, checkpoints.find(record.state))
    except (PortError, Undecodable) as error:
        log.warning("%s", error)
        return Standing(record.completed)
    finally:
        await offload.close()
