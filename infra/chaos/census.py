"""Looks at the processes of a soak and at its broker from outside: memory, files, queues."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.rabbitmq.erlang_host import NodeFailed
from infra.rabbitmq.private_node import PrivateNode

BROKER = "broker"  # as the name of a process

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_START = 22  # fields of /proc/PID/stat, counted from 1 as in proc(5)
_THREADS, _RSS = 20, 24


@dataclass(frozen=True, slots=True)
class Reading:
    """One process at one time.

    `who` is the same for every life of an actor, `life` names one process; `at_s` counts from the
    start of the soak, `age_s` from that of the process.
    """

    who: str
    life: str
    at_s: float
    age_s: float
    rss_bytes: int
    fds: int
    threads: int


@dataclass(frozen=True, slots=True)
class BrokerReading:
    """The broker at one time; `messages` by queue; streams and who reads them left out."""

    at_s: float
    messages: dict[str, int]
    connections: int
    channels: int
    consumers: int

    @property
    def waiting(self) -> int:
        """How many messages wait in all queues, or are handed out and not acknowledged."""
        return sum(self.messages.values())


def read_processes(pids: Mapping[str, int], at_s: float) -> list[Reading]:
    """Read these processes and their children, leaving out what has just ended."""
    found = []
    for name, pid in pids.items():
        family = [(name, pid), *((f"{name}'s worker", child) for child in _children(pid))]
        found += [reading for who, each in family if (reading := _read(who, each, at_s))]
    return found


async def read_broker(node: PrivateNode, at_s: float) -> BrokerReading | None:
    """Ask a broker that was made with `management`; None where it does not answer now."""
    try:
        totals = (await node.api("GET", "/overview"))["object_totals"]
        rows = await node.api("GET", "/queues?disable_stats=true&enable_queue_totals=true")
        consumed = [row["queue"]["name"] for row in await node.api("GET", "/consumers")]
    except (NodeFailed, OSError, ValueError, KeyError, TypeError):
        return None
    queues = {row["name"]: row for row in rows if row.get("type") != "stream"}
    return BrokerReading(
        at_s=at_s,
        messages={name: int(row.get("messages", 0)) for name, row in queues.items()},
        connections=int(totals.get("connections", 0)),
        channels=int(totals.get("channels", 0)),
        # The broker goes on counting readers of a stream for minutes after their connection died.
        consumers=sum(name in queues for name in consumed),
    )


def _children(pid: int) -> Iterator[int]:
    for file in _PROC.glob(f"{pid}/task/*/children"):
        try:
            yield from map(int, file.read_text().split())
        except OSError:  # the thread has ended
            continue


def _read(who: str, pid: int, at_s: float) -> Reading | None:
    folder = _PROC / str(pid)
    try:
        # The name may hold spaces and brackets; the third field follows it.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        fds = len(os.listdir(folder / "fd"))
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    began = int(fields[_START - 3])
    return Reading(
        who=who,
        life=f"{pid}-{began}",
        at_s=at_s,
        age_s=time.clock_gettime(time.CLOCK_BOOTTIME) - began / _TICKS,
        rss_bytes=int(fields[_RSS - 3]) * _PAGE,
        fds=fds,
        threads=int(fields[_THREADS - 3]),
    )
