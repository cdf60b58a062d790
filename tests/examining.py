"""What the tests of `quorate doctor` share: examining, and planting faults."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tls_broker import TlsBroker

from infra.doctor.cluster import Inspection
from infra.doctor.examination import examine
from infra.doctor.finding import Finding, Level

ACTORS = ("coordinator", "holder-2", "north")


def inspection(broker: TlsBroker) -> Inspection:
    return Inspection(broker.api.url, "guest", "guest")


async def found(
    path: Path, api: Inspection | None = None, *, ca: Path | None = None
) -> list[Finding]:
    return [finding async for finding in examine(path, api, ca=ca)]


async def problems(path: Path, api: Inspection | None = None) -> list[Finding]:
    return [finding for finding in await found(path, api) if finding.level is Level.ERROR]


async def only_problem(path: Path, api: Inspection | None = None) -> Finding:
    (finding,) = await problems(path, api)
    return finding


def replaced(home: Path, old: str, new: str) -> None:
    text = (home / "actor.toml").read_text()
    assert old in text
    (home / "actor.toml").write_text(text.replace(old, new))


async def node_says(broker: TlsBroker, key: str, *values: object) -> None:
    """Wait until the node has told this, as one of these values; it does so now and then."""
    for _ in range(200):
        (node,) = await broker.node.api("GET", "/nodes")
        if key in node and (not values or node[key] in values):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(key)
