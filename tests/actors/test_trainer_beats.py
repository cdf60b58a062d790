"""A trainer says that it uploads while chunks go out, and falls silent when none does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from fakes.actor_rig import LoopClock, OwnerWorker, in_virtual_time
from fakes.ports import ports_of
from fakes.round_parts import COORDINATOR, HOLDERS, ROSTER, config_of, opened
from fakes.signatures import signed

from actors.ports import Delivery, Lane, Transport
from actors.trainer import Trainer, TrainerPorts
from infra.memory_bus import MemoryBus
from protocols.messages import Announce, Grant, Message, ShareChunk, Welcome, Working, read
from protocols.pieces import Pieces
from protocols.round_config import RoundConfig

CHUNKS = 21
NEVER = 1e9
DEAD, ALIVE = HOLDERS[0], HOLDERS[1]


class Line:
    """A link that takes its time for each chunk, one after the other for each recipient."""

    def __init__(self, inner: Transport, chunk_s: dict[str, float]) -> None:
        self.beats_s: list[float] = []
        self.out_s: list[float] = []
        self._inner = inner
        self._chunk_s = chunk_s
        self._turns = {name: asyncio.Lock() for name in chunk_s}

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        message = read(body)[1]
        if isinstance(message, Working):
            self.beats_s.append(asyncio.get_running_loop().time())
        if isinstance(message, ShareChunk):
            async with self._turns[to]:
                await asyncio.sleep(self._chunk_s[to])
            self.out_s.append(asyncio.get_running_loop().time())
        else:
            await self._inner.send(to, body, lane=lane)

    def deliveries(self) -> AsyncIterator[Delivery]:
        return self._inner.deliveries()

    def stalled_s(self) -> float:
        return self._inner.stalled_s()

    async def close(self) -> None:
        await self._inner.close()


class Scene:
    """A trainer alone with a bus, on which a test says what coordinator and holders say."""

    def __init__(self, chunk_s: dict[str, float]) -> None:
        self.bus = MemoryBus()
        for name in ("ann", COORDINATOR, *HOLDERS):
            self.bus.declare(name)
        self.links = {name: self.bus.connect(name) for name in (COORDINATOR, *HOLDERS)}
        self.line = Line(self.bus.connect("ann"), chunk_s)

    def emit(self, _event: object) -> None:
        return None

    def trainer(self) -> Trainer:
        ports = ports_of(self.line, "ann", clock=LoopClock(), monitor=self)
        worker = OwnerWorker(0)
        worker.result = np.zeros(128 * CHUNKS)
        own = TrainerPorts(self.bus.blobs("ann"), worker)
        return Trainer("ann", ROSTER, ports, own)

    async def say(self, sender: str, message: Message) -> None:
        await self.links[sender].send("ann", signed("test", sender, message), lane=Lane.CONTROL)

    async def announced(self) -> RoundConfig:
        state = await self.bus.blobs(COORDINATOR).publish(Pieces.of(b"a state"))
        config = config_of(dimension=128 * CHUNKS, state=state)
        await self.say(COORDINATOR, Welcome(job=config.job, number=config.number))
        await self.say(COORDINATOR, Announce(config=config, opened=opened(*HOLDERS, config=config)))
        return config

    async def play(self, *, granting: str | None) -> Line:
        """Let the trainer work for 100 s; one holder, if any, grants the whole share at once."""
        running = asyncio.create_task(self.trainer().run())
        config = await self.announced()
        if granting is not None:
            await asyncio.sleep(1.0)
            await self.say(granting, Grant(cid=config.cid(), spans=((1, CHUNKS - 1),)))
        await asyncio.sleep(100.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return self.line


def played(chunk_s: dict[str, float], *, granting: str | None) -> Line:
    async def play() -> Line:
        return await Scene(chunk_s).play(granting=granting)

    return in_virtual_time(play())


def test_nobody_hears_of_an_upload_that_nobody_takes() -> None:
    line = played(dict.fromkeys(HOLDERS, NEVER), granting=None)

    assert line.out_s == []
    assert line.beats_s
    assert max(line.beats_s) < 3.0


def test_each_chunk_on_a_slow_line_is_told_of_although_it_is_one_of_many() -> None:
    slow_s = 4.0
    line = played({**dict.fromkeys(HOLDERS, 0.0), ALIVE: slow_s}, granting=ALIVE)

    until_s = slow_s * CHUNKS
    told_s = [at_s for at_s in line.beats_s if at_s <= until_s]
    gaps_s = np.diff([0.0, *told_s, until_s])
    assert len(told_s) > CHUNKS / 2
    assert max(gaps_s) <= slow_s + 1.0
    assert max(line.beats_s) <= until_s + 1.0


def test_a_dead_holder_beside_a_slow_one_prolongs_nothing() -> None:
    line = played({**dict.fromkeys(HOLDERS, 0.0), DEAD: NEVER, ALIVE: 1.0}, granting=ALIVE)

    last_s = max(line.out_s)
    assert 20.0 <= last_s <= 23.0
    assert last_s - 3.0 <= max(line.beats_s) <= last_s + 3.0
