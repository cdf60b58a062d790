"""A bus for actors in several processes: the memory bus, behind a Unix socket.

The hub is in the process that measures; what it takes is counted for no role. `Wire` is the other
end, one for each process, and gives each actor its `Transport` and its `Blobs`. It guarantees what
the memory bus does, as long as both ends live.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from actors.ports import Delivery, Lane, LinkLost, Transport
from infra.memory_bus import MemoryBus
from infra.memory_queue import Sent
from protocols.pieces import Pieces

_STREAM_BYTES = 2**18
_PIECE_BYTES = 2**19  # of a model state, as over a broker


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[list[Any]]:
    """Iterate over what comes in; ends with the connection."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            yield msgspec.msgpack.decode(await reader.readexactly(size))


class _Writer:
    """Writes whole frames, the next one when the last has left: nothing piles up here."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer, self._free = writer, asyncio.Lock()

    async def write(self, *frame: object) -> None:
        async with self._free:
            data = msgspec.msgpack.encode(frame)  # those that wait share the body
            self._writer.write(len(data).to_bytes(4, "big"))
            self._writer.write(data)
            await self._writer.drain()


class Hub:
    """The bus itself; each connection opens links of as many names as it likes."""

    def __init__(self, names: Sequence[str], observer: Callable[[Sent], None]) -> None:
        self._bus = MemoryBus(observer=observer)
        for name in names:
            self._bus.declare(name)
        self.gone: set[str] = set()  # what is sent to them goes nowhere
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, socket: Path) -> asyncio.AbstractServer:
        """Return the server that listens."""
        return await asyncio.start_unix_server(self._connected, socket, limit=_STREAM_BYTES)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _Peer(self._bus, writer, self.gone)
        async for frame in _frames(reader):
            self._begin(peer.take(frame))
        await peer.close()

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Peer:
    """One process at the hub."""

    def __init__(self, bus: MemoryBus, writer: asyncio.StreamWriter, gone: set[str]) -> None:
        self._bus, self._writer, self._gone = bus, _Writer(writer), gone
        self._links: dict[str, Transport] = {}
        self._held: dict[int, Delivery] = {}
        self._pumps: list[asyncio.Task[None]] = []
        self._tags = 0
        self._published = bytearray()

    async def take(self, frame: list[Any]) -> None:
        kind, name, *rest = frame
        match kind:
            case "open":
                self._links[name] = self._bus.connect(name)
                self._pumps.append(asyncio.create_task(self._pump(name)))
            case "send":
                tag, to, lane, body = rest
                with suppress(LinkLost, ConnectionError):  # its process has ended
                    if to not in self._gone:
                        await self._links[name].send(to, body, lane=Lane(lane))
                    await self._writer.write("sent", tag)
            case "ack":
                await self._held.pop(rest[0]).ack()
            case "publish":
                part, last = rest
                self._published.extend(part)
                if last:
                    published, self._published = self._published, bytearray()
                    await self._bus.blobs(name).publish(Pieces.of(published))
            case "fetch":
                data = await self._bus.blobs(name).fetch(rest[1])
                await self._writer.write("blob", rest[0], data)
            case "retain":
                await self._bus.blobs(name).retain(rest[0])

    async def _pump(self, name: str) -> None:
        async for delivery in self._links[name].deliveries():
            self._tags += 1
            self._held[self._tags] = delivery
            with suppress(ConnectionError):
                await self._writer.write(
                    "delivery", name, self._tags, delivery.sender, delivery.body
                )

    async def close(self) -> None:
        """Give all links up."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for link in self._links.values():
            await link.close()


@dataclass(frozen=True, slots=True)
class _Handed:
    """A message in the hands of an actor."""

    wire: Wire
    name: str
    tag: int
    sender: str
    body: bytes = field(repr=False)
    redelivered: bool = False

    async def ack(self) -> None:
        await self.wire.write("ack", self.name, self.tag)


class Wire:
    """A process's connection to the hub."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, self._frames = writer, _Writer(writer)
        self._inboxes: dict[str, asyncio.Queue[_Handed | None]] = {}
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tags = 0
        self._blobs: dict[bytes, asyncio.Future[bytes]] = {}
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def to(cls, socket: Path) -> Wire:
        """Connect."""
        return cls(*await asyncio.open_unix_connection(socket, limit=_STREAM_BYTES))

    async def open(self, name: str) -> WireLink:
        """Return the link of a name."""
        self._inboxes[name] = asyncio.Queue()
        await self.write("open", name)
        return WireLink(self, name, self._inboxes[name])

    async def write(self, *frame: object) -> None:
        """Send a frame."""
        await self._frames.write(*frame)

    async def asked(self, kind: str, name: str, *rest: object) -> Any:
        """Send a frame and return what is answered."""
        self._tags += 1
        tag, answer = self._tags, asyncio.get_running_loop().create_future()
        self._waiting[tag] = answer
        await self.write(kind, name, tag, *rest)
        return await answer

    async def fetch(self, name: str, digest: bytes) -> bytes:
        """Return a blob; the actors of this process fetch it once."""
        if digest not in self._blobs:
            self._blobs[digest] = asyncio.ensure_future(self.asked("fetch", name, digest))
        return await asyncio.shield(self._blobs[digest])

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        self._writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for frame in _frames(reader):
            match frame:
                case ["delivery", name, tag, sender, body]:
                    self._inboxes[name].put_nowait(_Handed(self, name, tag, sender, body))
                case ["sent", tag]:
                    self._waiting.pop(tag).set_result(None)
                case ["blob", tag, data]:
                    self._waiting.pop(tag).set_result(data)


class WireLink:
    """The `Transport` and the `Blobs` of one name."""

    def __init__(self, wire: Wire, name: str, inbox: asyncio.Queue[_Handed | None]) -> None:
        self._wire, self._name, self._inbox = wire, name, inbox

    async def send(self, to: str, body: bytes, *, lane: Lane) -> None:
        await self._wire.asked("send", self._name, to, lane.value, body)

    async def deliveries(self) -> AsyncIterator[_Handed]:
        while (handed := await self._inbox.get()) is not None:
            yield handed

    def stalled_s(self) -> float:
        return 0.0

    async def close(self) -> None:
        self._inbox.put_nowait(None)

    async def publish(self, data: Pieces) -> bytes:
        starts = range(0, len(data), _PIECE_BYTES)
        for start in starts:
            piece = data.between(start, start + _PIECE_BYTES)
            await self._wire.write("publish", self._name, piece, start == starts[-1])
        return await asyncio.to_thread(data.sha256)

    async def fetch(self, digest: bytes) -> bytes:
        return await self._wire.fetch(self._name, digest)

    async def retain(self, digests: Sequence[bytes]) -> None:
        await self._wire.write("retain", self._name, list(digests))
