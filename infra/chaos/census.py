"""Looks at the processes of a soak and at its broker from outside: memory, files, queues."""

from __future__ import annotations

import json
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
    """The broker's queues at one time; `messages` by queue, streams left out."""

    at_s: float
    messages: dict[str, int]

    @property
    def waiting(self) -> int:
        """How many messages wait in all queues, or are handed out and not acknowledged."""
        return sum(self.messages.values())


@dataclass(frozen=True, slots=True)
class OpenThings:
    """What clients hold open on the broker; `consumers` are those of queues.

    The broker goes on counting readers of a stream for minutes after their connection died.
    """

    connections: int
    channels: int
    consumers: int


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
        rows = await node.api("GET", "/queues?disable_stats=true&enable_queue_totals=true")
        queues = [row for row in rows if row.get("type") != "stream"]
        messages = {row["name"]: int(row.get("messages", 0)) for row in queues}
    except (NodeFailed, OSError, ValueError, KeyError, TypeError):
        return None
    return BrokerReading(at_s, messages)


async def count_open(node: PrivateNode) -> OpenThings | None:
    """Count what is open, in some seconds; None where the broker does not answer now.

    The broker's own word: the statistics of its management interface lag behind.
    """
    try:
        connections = await _listed(node, "list_connections", "pid")
        channels = await _listed(node, "list_channels", "pid")
        consumers = await _listed(node, "list_consumers", "queue_name")
        queues = await _listed(node, "list_queues", "name", "type")
    except (NodeFailed, OSError, ValueError):
        return None
    streams = {row["name"] for row in queues if "stream" in row["type"]}
    return OpenThings(
        connections=len(connections),
        channels=len(channels),
        consumers=sum(row["queue_name"] not in streams for row in consumers),
    )


async def _listed(node: PrivateNode, *what: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(await node.ctl(*what, "--formatter", "json"))
    return rows


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
