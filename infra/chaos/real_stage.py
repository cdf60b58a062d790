"""The stage of a drill: real processes, each by a line of its own to a private RabbitMQ."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel

from actors.ports import Monitor
from infra.processes import ProcessFederation, Stage
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.cuttable import CuttableLink
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Topology
from protocols.messages import AnswerChunk, Goodbye, Have, Vote, Wire, read
from protocols.reports import JobEnded
from protocols.round_config import Roster

from .drill_job import DrillJob, drill_job
from .sightings import cid_of

HOMES = "homes"

_EMPTYING_S = 60.0
_LATE = (Have, Vote, AnswerChunk)

T = TypeVar("T")


class EndedEarly(RuntimeError):
    """The federation came to an end of its own while it was being hurt."""


class RealStage:
    """Share-holders, trainers that add known vectors, a coordinator, a broker.

    `lines` are the ways of the actors to the broker, `folder` has what all of them keep.
    """

    def __init__(
        self,
        federation: ProcessFederation,
        node: PrivateNode,
        lines: dict[str, CuttableLink],
        folder: Path,
    ) -> None:
        self.federation = federation
        self.node = node
        self.lines = lines
        self.folder = folder

    @property
    def roster(self) -> Roster:
        """Who takes part."""
        return self.federation.casting.roster

    def home(self, name: str) -> Path:
        """Return the folder of an actor."""
        return self.folder / HOMES / name

    @property
    def threshold(self) -> int:
        """How many holders open a sum."""
        return self.federation.casting.assignment.plan.threshold

    async def kill(self, name: str | None) -> None:
        """Kill an actor's process, or the broker (None), with -9."""
        if name is None:
            await self.node.kill()
        else:
            await self.federation.kill(name)

    async def start(self, name: str | None) -> None:
        """Start again what was killed."""
        if name is None:
            await self.node.start()
        else:
            self.federation.start(name)

    def pause(self, name: str | None) -> None:
        """Send SIGSTOP."""
        if name is None:
            self.node.pause()
        else:
            self.federation.pause(name)

    def resume(self, name: str | None) -> None:
        """Send SIGCONT."""
        if name is None:
            self.node.resume()
        else:
            self.federation.resume(name)

    async def cut(self, name: str | None) -> None:
        """Reset an actor's connections, or everybody's (None)."""
        lines = self.lines.values() if name is None else (self.lines[name],)
        await asyncio.gather(*(line.reset() for line in lines))


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left after the end, which should be nothing.

    Messages by queue and kind, but for those that `strays` lets pass, and files of shares by
    holder.
    """

    messages: dict[str, dict[str, int]]
    shares: dict[str, int]

    def problems(self) -> list[str]:
        """Return what is left, in words."""
        return [
            *(f"left in {name}: {kinds}" for name, kinds in self.messages.items()),
            *(f"{name} still keeps {count} files of shares" for name, count in self.shares.items()),
        ]


@asynccontextmanager
async def real_stage(
    folder: Path,
    monitor: Monitor,
    wanted: DrillJob | None = None,
    *,
    root: Path | None = None,
    management: bool = False,
) -> AsyncIterator[RealStage]:
    """Prepare a stage below `folder`; `root` names a chroot with another RabbitMQ."""
    async with AsyncExitStack() as stack:
        node = PrivateNode(folder / "broker", root=root, management=management)
        await stack.enter_async_context(node)
        job, casting = await drill_job(folder, BrokerAddress.parse(node.url), wanted)
        roster = casting.roster
        lines = {
            name: await stack.enter_async_context(CuttableLink(node.port))
            for name in (roster.coordinator, *roster.holders, *roster.trainers)
        }
        ways = {name: f"amqp://127.0.0.1:{line.port}/" for name, line in lines.items()}
        stage = Stage(job, casting, BrokerAddress.parse(node.url), gateways=ways)
        federation = ProcessFederation(stage, folder / HOMES, monitor)
        yield RealStage(federation, node, lines, folder)


@asynccontextmanager
async def running(federation: ProcessFederation) -> AsyncIterator[asyncio.Task[JobEnded]]:
    """Let the federation run while inside; end it in good order."""
    run = asyncio.create_task(federation.run(), name="federation")
    try:
        yield run
    finally:
        federation.stop()
        await asyncio.gather(run, return_exceptions=True)


async def beside(run: asyncio.Task[JobEnded], drill: Coroutine[None, None, T]) -> T:
    """Return what the drill finds. Raises `EndedEarly` where the federation ends before it."""
    work = asyncio.ensure_future(drill)
    try:
        await asyncio.wait({run, work}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    if work.cancelled():
        # What the drill under way would take for silence.
        raise EndedEarly(f"the federation ended in the middle of the drill: {run.result()}")
    return work.result()


async def remains(url: str, roster: Roster, folder: Path, *, dead: Collection[str] = ()) -> Remains:
    """Count what is left on the broker and below `folder` of a federation that has ended.

    What lies there for the `dead`, and what they kept, is left out.
    """
    inboxes = [
        queue
        for queue in Topology(roster).queues()
        if queue.kind != "stream" and queue.name.rpartition(".")[0] not in dead
    ]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        found = {queue.name: await _emptied(channel, queue.name) for queue in inboxes}
    shares = {
        name: sum(1 for file in (folder / HOMES / name / "spool").rglob("*") if file.is_file())
        for name in roster.holders
        if name not in dead
    }
    return Remains(
        messages={name: kinds for name, kinds in found.items() if kinds},
        shares={name: count for name, count in shares.items() if count},
    )


async def _emptied(channel: AbstractChannel, name: str) -> dict[str, int]:
    """Take every message out of a queue and count the kinds."""
    queue = await channel.declare_queue(name, passive=True)
    waiting = queue.declaration_result.message_count or 0
    found: list[Wire] = []
    # Not one by one with `get`: the broker refuses that where one consumer at a time is allowed.
    async with asyncio.timeout(_EMPTYING_S), queue.iterator() as messages:
        while len(found) < waiting:
            incoming = await anext(messages)
            await incoming.ack()
            found.append(read(incoming.body)[1])
    return strays(found)


def strays(messages: Iterable[Wire]) -> dict[str, int]:
    """Count by kind what must not be left in a queue.

    Farewells may be, and what holders say to the coordinator of one round: told to end, it leaves
    with the round, and those for whom it need not wait vote and answer later.
    """
    left = [message for message in messages if not isinstance(message, Goodbye)]
    late = {cid_of(message) for message in left if isinstance(message, _LATE)}
    if len(late) == 1:
        left = [message for message in left if not isinstance(message, _LATE)]
    return dict(Counter(type(message).__name__ for message in left))
