"""The actors of a run as the system sees them, and actors that a test starts one by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from system.commands import Running, quorate, running

from infra.config import load_job
from infra.homes.access import topology_of
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import declare


def processes_below(pid: int) -> dict[int, list[str]]:
    """Return the command of every process that a process or one below it started."""
    everybody = dict(_processes())
    found: dict[int, list[str]] = {}
    wanted = {pid}
    while wanted:
        below = {child for child, (parent, _) in everybody.items() if parent in wanted}
        found |= {child: everybody[child][1] for child in below}
        wanted = below
    return found


def actors_of(run: Running) -> dict[str, int]:
    """Return the process id of each actor of a run."""
    return {
        Path(command[command.index("--home") + 1]).name: pid
        for pid, command in processes_below(run.process.pid).items()
        if "infra.cli.main" in command
    }


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, tuple[int, list[str]]]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        yield int(folder.name), (parent, command)


@dataclass
class Homes:
    """Provisioned homes on a broker whose queues are there."""

    folder: Path
    url: str
    job: Path

    def of(self, name: str) -> Path:
        return self.folder / name

    def words(self, name: str, *more: str) -> tuple[object, ...]:
        role = "coordinator" if name == "coordinator" else "trainer"
        role = "holder" if name.startswith("holder-") else role
        return (role, "--home", self.of(name), *more)

    @contextmanager
    def everybody_but(self, *away: str, more: tuple[str, ...] = ()) -> Iterator[dict[str, Running]]:
        """Start all holders and trainers that are not away."""
        with ExitStack() as stack:
            yield {
                path.name: stack.enter_context(running(*self.words(path.name, *more)))
                for path in sorted(self.folder.iterdir())
                if path.name not in ("coordinator", *away)
            }


async def provisioned(job: Path, url: str, folder: Path) -> Homes:
    trial = ("--trial-roster", folder.with_suffix(".authority"))
    ended = quorate("provision", job, "--out", folder, "--broker", url, *trial, "--json")
    assert ended.code == 0, ended.err
    await declare(BrokerAddress.parse(url), topology_of(load_job(job)))
    return Homes(folder, url, job)


def linked(event: dict[str, Any]) -> bool:
    return event["kind"] == "link_change" and event["state"] == "open"


def lost(event: dict[str, Any]) -> bool:
    return event["kind"] == "link_change" and event["state"] == "lost"
