"""The simulated ports under the same contract suites as the real adapters, in virtual time."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from contracts import (
    test_blobs_contract,
    test_journal_contract,
    test_spool_contract,
    test_transport_contract,
)

from actors.ports import Blobs, Journal, Lane, Spool, Transport
from infra.simulation.blobs import BlobShelf, SimBlobs
from infra.simulation.broker import SimBroker
from infra.simulation.disk import Disk
from infra.simulation.faults import Rates
from infra.simulation.hosts import LIFE, HostClock, Life
from infra.simulation.journal import SimJournal
from infra.simulation.loop import SimLoop
from infra.simulation.spool import SimSpool
from infra.simulation.stage import Stage
from infra.simulation.trace import Trace
from infra.simulation.transport import SimTransport
from infra.simulation.watch import Writes
from protocols.reports import Event


class Unwatched:
    def sending(self, life: Life, to: str, body: bytes, lane: Lane) -> str:
        return "message"

    def acked(self, host: str, body: bytes, kind: str) -> None:
        pass

    def committed(self, host: str, writes: Writes) -> None:
        pass

    def told(self, host: str, event: Event) -> None:
        pass

    def logged(self, host: str, text: str) -> None:
        pass

    def drew(self, host: str, secret: bytes) -> None:
        pass


class SimHome:
    """Everything that a contract suite asks of a home, in one simulated world."""

    heals = True
    forgets = True

    def __init__(self) -> None:
        self.loop = SimLoop()  # type: ignore[abstract]
        self._stage = Stage(1, self.loop, Trace(), Rates())
        self._broker = SimBroker(self._stage, 500)
        self._shelf = BlobShelf(self._stage)
        self._watch = Unwatched()
        self._transports: dict[str, SimTransport] = {}
        self._disk = Disk()
        self.life = Life("host", 1, HostClock(0.0))
        self.loop.adopt(self.life)

    async def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        self._broker.declare(name)
        known = self._transports.get(name)
        if known is None or known.closed:
            life = Life(name, 1, HostClock(0.0))
            known = SimTransport(life, self._broker, self._stage, self._watch, prefetch=prefetch)
            self._transports[name] = known
        return known

    async def cut(self, name: str) -> None:
        self._transports[name].lose_connection()

    async def blobs(self, name: str) -> Blobs:
        return SimBlobs(name, self._shelf)

    async def open_journal(self) -> Journal:
        return SimJournal(self.life, self._disk, self._stage, self._watch)

    async def open_spool(self) -> Spool:
        return SimSpool("host", self._disk, self._stage, self._watch)


class JournalHomeOf:
    def __init__(self, home: SimHome) -> None:
        self.open = home.open_journal


class SpoolHomeOf:
    def __init__(self, home: SimHome) -> None:
        self.open = home.open_spool


async def given(home: SimHome, name: str) -> Any:
    """Make what a contract test takes by this name."""
    match name:
        case "network" | "blobs_home":
            return home
        case "journal_home":
            return JournalHomeOf(home)
        case "journal":
            return await home.open_journal()
        case "spool_home":
            return SpoolHomeOf(home)
        case "spool":
            return await home.open_spool()
        case _:
            raise LookupError(f"no contract test took a {name} before")


def cases() -> Iterator[Any]:
    for module in (
        test_transport_contract,
        test_blobs_contract,
        test_journal_contract,
        test_spool_contract,
    ):
        yield from cases_of(module)


def cases_of(module: ModuleType) -> Iterator[Any]:
    for name, function in vars(module).items():
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        for values in itertools.product(*(mark.args[1] for mark in marks)):
            chosen: dict[str, Any] = {}
            for mark, value in zip(marks, values, strict=True):
                names = mark.args[0]
                names = names.split(",") if isinstance(names, str) else names
                chosen |= (
                    zip((n.strip() for n in names), value, strict=True)
                    if len(names) > 1
                    else {names[0].strip(): value}
                )
            yield pytest.param(function, chosen, id=f"{name}{list(map(brief, values)) or ''}")


def brief(value: object) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize(("test", "chosen"), list(cases()))
def test_contract(test: Callable[..., Any], chosen: dict[str, Any]) -> None:
    home, ended = SimHome(), []

    async def whole() -> None:
        asked = [name for name in inspect.signature(test).parameters if name not in chosen]
        await test(**chosen, **{name: await given(home, name) for name in asked})
        ended.append(True)

    token = LIFE.set(home.life)
    task = home.loop.create_task(whole())
    LIFE.reset(token)
    home.loop.run_until(task.done, limit_s=1000.0)
    failed = None if not task.done() else task.exception()
    home.loop.bury()

    if failed is not None:
        raise failed
    assert ended, "it waits for ever"
