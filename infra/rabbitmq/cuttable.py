"""A TCP link to a broker that can be cut, stalled, slowed down and healed, for tests and trials."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from .ports import free_port

_CHUNK_BYTES = 65_536
_CHUNKS_UNDER_WAY = 1024  # of a slow link, in each direction of each connection
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Towards(Enum):
    """A direction of the link."""

    BROKER = "broker"
    CLIENT = "client"


@dataclass(eq=False)
class _Pair:
    client: Streams
    broker: Streams
    spoiled: bool = False  # bytes are lost, or an end that the other side was not told of
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class CuttableLink:
    """Listens on loopback and forwards to a port there.

    `port` stays the same through cuts. At most 64 MiB are under way in each direction of a
    connection; then the sender has to wait, as it has to for a slow receiver.
    """

    def __init__(self, broker_port: int) -> None:
        self.port = free_port()
        self.accepted = 0
        self._broker_port = broker_port
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._swallowed: frozenset[Towards] = frozenset()
        self._delay_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    @property
    def connections(self) -> int:
        """How many connections are open, stalled ones among them."""
        return len(self._pairs)

    async def connected(self, count: int) -> None:
        """Wait until `count` connections have been accepted since the beginning."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.accepted >= count)

    async def cut(self) -> None:
        """Reset all connections, and refuse new ones until `heal`."""
        if self._server:
            self._server.close()
            self._server = None
        await self.reset()

    async def reset(self) -> None:
        """Reset all connections (RST to both sides); new ones are welcome as before."""
        await self._end(set(self._pairs))

    def stall(self, towards: Towards | None = None) -> None:
        """Swallow all bytes in one direction or both, and the news that a side went away.

        Connections look open, new ones too, and no sender is slowed down.
        """
        self._swallowed |= {towards} if towards else set(Towards)

    def delay(self, seconds: float) -> None:
        """Let all bytes that come from now on arrive so much later, in both directions."""
        self._delay_s = seconds

    def clog(self) -> None:
        """Keep all bytes of both directions back until `heal`, which lets them arrive."""
        self._flowing.clear()

    async def heal(self) -> None:
        """Forward everything at once again; connections that lost bytes are reset."""
        self._swallowed = frozenset()
        self._delay_s = 0.0
        self._flowing.set()
        await self._end({pair for pair in self._pairs if pair.spoiled})
        await self.reopen()

    async def reopen(self) -> None:
        """After a cut take new connections again; what else was done to the link stays."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _accept(self, *client: *Streams) -> None:
        try:
            broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            _reset(client[1])
            return
        if self._server is None:  # it was cut in the meantime
            _reset(client[1])
            _reset(broker[1])
            return
        pair = _Pair(client, broker)
        self._pairs.add(pair)
        ways = {Towards.BROKER: (client, broker), Towards.CLIENT: (broker, client)}
        for towards, (source, sink) in ways.items():
            flow = asyncio.create_task(self._flow(pair, towards, source[0], sink[1]))
            pair.tasks.add(flow)
        async with self._changed:
            self.accepted += 1
            self._changed.notify_all()

    async def _flow(
        self,
        pair: _Pair,
        towards: Towards,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
    ) -> None:
        """Forward one direction to its end, then end the pair; a swallowed end waits for `heal`."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_UNDER_WAY)
        reading = asyncio.create_task(self._read(source, under_way))
        try:
            while True:
                due_s, chunk = await under_way.get()
                await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
                await self._flowing.wait()
                if towards in self._swallowed or pair.spoiled:
                    pair.spoiled = True
                elif not chunk:
                    break
                else:
                    sink.write(chunk)
                    await sink.drain()
        except ConnectionError:
            if self._swallowed:
                pair.spoiled = True
                return
        finally:
            reading.cancel()
        pair.tasks = {task for task in pair.tasks if task is not asyncio.current_task()}
        await self._end({pair}, reset=False)

    async def _read(
        self, source: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = await source.read(_CHUNK_BYTES)
            except ConnectionError:
                chunk = b""
            await under_way.put((asyncio.get_running_loop().time() + self._delay_s, chunk))

    async def _end(self, pairs: set[_Pair], *, reset: bool = True) -> None:
        for pair in pairs & self._pairs:
            self._pairs.discard(pair)
            for _, writer in (pair.client, pair.broker):
                if reset:
                    _reset(writer)
                else:
                    writer.close()
            for task in pair.tasks:
                task.cancel()
            await asyncio.gather(*pair.tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
