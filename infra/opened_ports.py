"""The ports that every actor needs, opened over one folder and closed in good order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from actors.actor import Ports
from actors.ports import Clock, Monitor, Offload, Signatures, Transport

from .file_spool import FileSpool
from .hpke_sealing import HpkeSealing
from .sqlite_journal import SqliteJournal
from .system import SystemEntropy


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an actor shares with its process, and the keys of its home."""

    clock: Clock
    offload: Offload
    monitor: Monitor
    signatures: Signatures


async def open_ports(
    folder: Path, connect: Callable[[], Transport], around: Surroundings, stack: AsyncExitStack
) -> Ports:
    """Open an actor's journal and spool, then its transport; `stack` closes them in reverse.

    Raises `StorageFailed`.
    """
    journal = await SqliteJournal.open(folder / "journal.sqlite")
    stack.push_async_callback(journal.close)
    spool = FileSpool(folder / "spool")
    stack.push_async_callback(spool.close)
    transport = connect()
    stack.push_async_callback(transport.close)
    return Ports(
        transport=transport,
        clock=around.clock,
        journal=journal,
        spool=spool,
        offload=around.offload,
        monitor=around.monitor,
        signatures=around.signatures,
        entropy=SystemEntropy(),
        sealing=HpkeSealing(),
    )
