"""A federation on a cluster of three nodes, which loses one after the other and takes it back."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infra.processes import ProcessFederation, Stage
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.erlang_host import NodeFailed
from infra.rabbitmq.private_cluster import PrivateCluster
from infra.rabbitmq.private_node import PrivateNode
from protocols.messages import ShareChunk

from .beat import Beat
from .drill_job import DrillJob, drill_job
from .ledger import Ledger
from .real_stage import HOMES, Remains, beside, remains, running
from .sightings import Sighting
from .spy import Spy

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.5
_LOOK_S = 60.0
_LED = "coordinator.control"
_ACTS = ("killed in mid-upload", "restarted in good order", f"leader of {_LED} killed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`away_s`: how long a killed node stays away at most, if no round comes about before."""

    folder: Path
    replicated: bool = True
    root: Path | None = None
    away_s: float = 60.0
    healing_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to a node, and what it cost; times in seconds from the blow, None for never.

    `confirm_s`: the longest that a client on this node waited for a confirmation. `round_s`: to
    the end of the next round with a sum. `whole_s`: to the end of the first round that began
    after the blow and had everybody. `away_s`: how long the node was away.
    """

    what: str
    node: str
    confirm_s: float | None
    round_s: float | None
    whole_s: float | None
    away_s: float

    @property
    def outlived(self) -> bool:
        """Whether rounds went on without the node."""
        return self.whole_s is not None and self.whole_s < self.away_s


@dataclass(frozen=True, slots=True)
class Report:
    """What a drill of a cluster found."""

    broker: str
    replicated: bool
    acts: tuple[Act, ...]
    rounds: dict[str, int]
    remains: Remains
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, everybody came back, and copies did what they are for."""
        return not self.problems


class ClusterDrill:
    """Three acts: a node killed in mid-upload, another restarted, a queue's leader killed."""

    def __init__(
        self, cluster: PrivateCluster, federation: ProcessFederation, ledger: Ledger, wanted: Wanted
    ) -> None:
        self._cluster = cluster
        self._ledger = ledger
        self._wanted = wanted
        self._everybody = federation.casting.roster.trainers
        self._beat = Beat(BrokerAddress.parse(cluster.urls))
        self._upload: asyncio.Future[None] | None = None

    def see(self, sighting: Sighting) -> None:
        """Take a message that passes the broker."""
        upload = self._upload
        if upload is not None and not upload.done() and isinstance(sighting.message, ShareChunk):
            upload.set_result(None)

    async def run(self, tell: Callable[[Act], None]) -> tuple[Act, ...]:
        """Run the acts in order, as far as the federation comes back."""
        acts: list[Act] = []
        if not await self._whole(after=-1):
            return ()
        for number in range(len(_ACTS)):
            acts.append(await self._act(number))
            tell(acts[-1])
            if acts[-1].whole_s is None:
                break
        return tuple(acts)

    async def _act(self, number: int) -> Act:
        what, node = _ACTS[number], await self._node(number)
        await self._spare(node)
        async with self._beat.through(node.port):
            if number == 0:
                await self._mid_upload()
            began_s, latest = _now_s(), self._ledger.latest
            confirmed = self._ledger.complete()
            measures = (
                asyncio.create_task(self._timed(began_s, self._next_round(confirmed))),
                asyncio.create_task(self._timed(began_s, self._whole(after=latest))),
            )
            log.info("%s: %s", node.name, what)
            await self._away(node, measures[1], killed=number != 1)
            away_s = _now_s() - began_s
            round_s, whole_s = await asyncio.gather(*measures)
            confirm_s = await self._beat.longest(since_s=began_s, within_s=_LOOK_S)
        return Act(what, node.name, confirm_s, round_s, whole_s, away_s)

    async def _spare(self, node: PrivateNode) -> None:
        """Wait until every queue can do without this node: after a restart copies catch up."""
        async with asyncio.timeout(self._wanted.healing_s):
            while True:
                try:
                    await node.tool("rabbitmq-diagnostics", "check_if_node_is_quorum_critical")
                except NodeFailed as error:
                    log.info("%s: not yet: %s", node.name, error)
                    await asyncio.sleep(_LOOK_AGAIN_S)
                else:
                    return

    async def _node(self, number: int) -> PrivateNode:
        """Return whom an act is about; what lives on one node lives on the first."""
        nodes = self._cluster.nodes
        if number < len(_ACTS) - 1:
            return nodes[number]
        listed = await nodes[0].ctl("list_queues", "name", "leader", "--formatter", "json")
        leader = {row["name"]: row["leader"] for row in json.loads(listed)}[_LED]
        return next(node for node in nodes if node.name == leader)

    async def _away(
        self, node: PrivateNode, whole: asyncio.Task[float | None], *, killed: bool
    ) -> None:
        """Take a node away until the federation is well without it, or for as long as it may."""
        if not killed:
            await node.restart()
            return
        await node.kill()
        await asyncio.wait({whole}, timeout=self._wanted.away_s)
        await node.start()

    async def _mid_upload(self) -> None:
        self._upload = asyncio.get_running_loop().create_future()
        await asyncio.wait_for(self._upload, _LOOK_S)

    async def _next_round(self, before: frozenset[int]) -> bool:
        ledger = self._ledger
        limit_s = self._wanted.healing_s
        return bool(
            await ledger.until(lambda: ledger.complete() - before or None, within_s=limit_s)
        )

    async def _whole(self, *, after: int) -> bool:
        limit_s = self._wanted.healing_s
        return await self._ledger.whole(self._everybody, after=after, within_s=limit_s)

    async def _timed(self, began_s: float, came: Coroutine[None, None, bool]) -> float | None:
        return _now_s() - began_s if await came else None


async def run_cluster(wanted: Wanted, tell: Callable[[Act], None]) -> Report:
    """Drill one federation on a cluster; `tell` hears of each act."""
    ledger = Ledger()
    async with PrivateCluster(wanted.folder / "broker", root=wanted.root) as cluster:
        address = BrokerAddress.parse(cluster.urls)
        job, casting = await drill_job(
            wanted.folder, address, DrillJob(replicated=wanted.replicated)
        )
        homes = wanted.folder / HOMES
        federation = ProcessFederation(Stage(job, casting, address), homes, ledger)
        drill = ClusterDrill(cluster, federation, ledger, wanted)
        # The spy looks on where no node is killed while it is needed.
        elsewhere = replace(address, hosts=address.hosts[::-1])
        async with running(federation) as run, Spy(elsewhere, drill.see):
            acts = await beside(run, drill.run(tell))
        left = await remains(cluster.urls[0], casting.roster, wanted.folder)
        broker = cluster.nodes[0].version
    found = [
        *ledger.violations,
        *(f"ended by itself: {crash}" for crash in ledger.crashes),
        *problems(acts, replicated=wanted.replicated),
        *left.problems(),
    ]
    return Report(broker, wanted.replicated, acts, ledger.rounds(), left, tuple(found))


def problems(acts: Sequence[Act], *, replicated: bool) -> list[str]:
    """Return what must not be, in words; with copies no round may wait for a node."""
    found = [f"{act.what}: not everybody was back" for act in acts if act.whole_s is None]
    found += [f"{act.what}: nothing was confirmed" for act in acts if act.confirm_s is None]
    if replicated:
        found += [
            f"{act.what}: no round had everybody until {act.node} was back"
            for act in acts
            if "killed" in act.what and act.whole_s is not None and not act.outlived
        ]
    if len(acts) < len(_ACTS) and not found:
        found.append("no round had everybody, before any node was hurt")
    return found


def _now_s() -> float:
    return asyncio.get_running_loop().time()
