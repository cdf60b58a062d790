"""A stage of real processes made of notes: what is done to it, and folders as actors have them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from infra.chaos.real.crew import Crew
from infra.chaos.real_stage import RealStage
from infra.rabbitmq.cuttable import Towards
from infra.simulation.faults import Fault
from protocols.round_config import Roster

ROSTER = Roster(
    federation="noted",
    coordinator="coordinator",
    holders=("holder-1", "holder-2", "holder-3"),
    trainers=("north", "south", "west"),
)


@dataclass
class NotedLine:
    """A way to the broker."""

    name: str
    did: list[str]

    def stall(self, towards: Towards | None = None) -> None:
        self.did.append(f"stall {self.name} {'both' if towards is None else towards.value}")

    def clog(self) -> None:
        self.did.append(f"clog {self.name}")

    async def heal(self) -> None:
        self.did.append(f"heal {self.name}")

    async def cut(self) -> None:
        self.did.append(f"cut {self.name}")

    async def reopen(self) -> None:
        self.did.append(f"reopen {self.name}")


@dataclass
class NotedNode:
    """A broker; its address is nobody's."""

    did: list[str]
    url: str = "amqp://guest:guest@127.0.0.1:1/"

    async def stop(self) -> None:
        self.did.append("stop broker")

    async def kill(self) -> None:
        self.did.append("kill broker")

    async def start(self) -> None:
        self.did.append("start broker")

    async def fill(self) -> None:
        self.did.append("fill broker")

    async def relieve(self) -> None:
        self.did.append("relieve broker")


@dataclass
class NotedFederation:
    """Processes by name; `pids` are those that there are."""

    did: list[str]
    pids: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self.did.append(f"start {name}")

    def stop_actor(self, name: str) -> None:
        self.did.append(f"stop {name}")

    async def gone(self, name: str) -> None:
        self.did.append(f"gone {name}")

    def pid(self, name: str) -> int | None:
        return self.pids.get(name)


class NotedStage:
    """A stage whose processes are words in `did`."""

    def __init__(self, folder: Path) -> None:
        self.roster = ROSTER
        self.folder = folder
        self.did: list[str] = []
        self.resumed = asyncio.Event()
        self.node = NotedNode(self.did)
        self.federation = NotedFederation(self.did)
        names = (ROSTER.coordinator, *ROSTER.holders, *ROSTER.trainers)
        self.lines = {name: NotedLine(name, self.did) for name in names}

    def home(self, name: str) -> Path:
        return self.folder / "homes" / name

    async def kill(self, name: str) -> None:
        self.did.append(f"kill {name}")

    def pause(self, name: str) -> None:
        self.did.append(f"pause {name}")

    def resume(self, name: str) -> None:
        self.did.append(f"resume {name}")
        self.resumed.set()

    async def cut(self, name: str) -> None:
        self.did.append(f"reset {name}")


class Scene:
    """A crew on such a stage, and what struck."""

    def __init__(self, folder: Path) -> None:
        self.stage = NotedStage(folder)
        self.struck: list[Fault] = []
        self.hit = asyncio.Event()
        stage: Any = self.stage
        self.crew = Crew(cast(RealStage, stage), 7, self._struck)

    @property
    def did(self) -> list[str]:
        """What was done, in its order."""
        return self.stage.did

    def _struck(self, fault: Fault) -> None:
        self.struck.append(fault)
        self.hit.set()


async def turns(count: int = 20) -> None:
    """Let others go on."""
    for _ in range(count):
        await asyncio.sleep(0)
