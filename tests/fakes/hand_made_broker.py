"""A broker of a few lines that answers what a link asks, and keeps back what a test wants."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from pamqp import frame
from pamqp.commands import Basic, Channel, Confirm, Connection
from pamqp.exceptions import UnmarshalingException

from infra.rabbitmq.address import BrokerAddress

TIMEOUT_S = 30.0

_HOMELESS = "in vhost 'test' does not have a replica on the local node"
_CAN = {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True}
_ANSWERS: dict[str, Callable[[Any], Any]] = {
    "ProtocolHeader": lambda _: Connection.Start(server_properties={"capabilities": _CAN}),
    "Connection.StartOk": lambda _: Connection.Tune(2047, 131_072, 60),
    "Connection.Open": lambda _: Connection.OpenOk(),
    "Connection.Close": lambda _: Connection.CloseOk(),
    "Channel.Open": lambda _: Channel.OpenOk(),
    "Channel.Close": lambda _: Channel.CloseOk(),
    "Confirm.Select": lambda _: Confirm.SelectOk(),
    "Basic.Qos": lambda _: Basic.QosOk(),
    "Basic.Consume": lambda asked: Basic.ConsumeOk(asked.consumer_tag),
    "Basic.Cancel": lambda asked: Basic.CancelOk(asked.consumer_tag),
}


@dataclass(eq=False)
class _Line:
    """A connection, and the queues that are consumed on it by (channel, consumer)."""

    writer: asyncio.StreamWriter
    consumed: dict[tuple[int, str], str] = field(default_factory=dict)
    published: Counter[int] = field(default_factory=Counter)  # by channel


class HandMadeBroker:
    """Speaks AMQP on loopback to links of one test; knows no queue, so every queue is there.

    `asked` counts what it was asked by name of the method. What is in `held` gets its answer
    with `release`, or its channel closed with `refuse`. Whoever consumes one of `homeless` hears
    that the stream has no copy here. Messages are confirmed where `confirms` is set, and refused
    on channels for which `refuses` is true.
    """

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.held: set[str] = set()
        self.homeless: set[str] = set()
        self.confirms = False
        self.refuses: Callable[[int], bool] = lambda channel: False
        self._waiting: list[tuple[_Line, int, Any]] = []
        self._lines: set[_Line] = set()
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.writer.transport.abort()
        await self.until(lambda: not self._lines)

    @property
    def address(self) -> BrokerAddress:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return BrokerAddress.parse(f"amqp://guest:guest@127.0.0.1:{port}/test")

    @property
    def consumed(self) -> list[str]:
        """The queues that have a consumer, once for each."""
        return sorted(queue for line in self._lines for queue in line.consumed.values())

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until what was asked makes something true."""
        async with asyncio.timeout(TIMEOUT_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    def release(self) -> None:
        """Answer what was held back, and hold nothing any more."""
        self.held.clear()
        waiting, self._waiting = self._waiting, []
        for line, channel, asked in waiting:
            self._answer(line, channel, asked)

    def refuse(self, name: str) -> None:
        """Close the channels of what was held back by this name, and hold it no more."""
        self.held.discard(name)
        refused = [each for each in self._waiting if each[2].name == name]
        self._waiting = [each for each in self._waiting if each[2].name != name]
        for line, channel, _ in refused:
            line.writer.write(frame.marshal(Channel.Close(403, "no", 60, 40), channel))

    def ignore(self) -> None:
        """Read nothing any more from the connections that are open."""
        for line in self._lines:
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def tell(self, notice: Connection.Blocked | Connection.Unblocked) -> None:
        """Send a notice on every connection."""
        for line in self._lines:
            line.writer.write(frame.marshal(notice, 0))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(writer)
        self._lines.add(line)
        held = b""
        try:
            while data := await reader.read(65_536):
                held += data
                while held:
                    try:
                        size, channel, asked = frame.unmarshal(held)
                    except UnmarshalingException:
                        break  # the rest is to come
                    held = held[size:]
                    self._hear(line, channel, asked)
        except ConnectionError:
            pass
        finally:
            self._lines.discard(line)
            self._news.set()
            writer.close()

    def confirm_held(self) -> None:
        """Confirm what was held back, each as the first message of its channel."""
        waiting, self._waiting = self._waiting, []
        for line, channel, _ in waiting:
            line.writer.write(frame.marshal(Basic.Ack(1), channel))

    def _hear(self, line: _Line, channel: int, asked: Any) -> None:
        name = asked.name
        self.asked[name] = self.asked.get(name, 0) + 1
        line.published[channel] += name == "Basic.Publish"
        if name in self.held:
            self._waiting.append((line, channel, asked))
        elif name == "Basic.Consume" and asked.queue in self.homeless:
            said = f"PRECONDITION_FAILED - queue '{asked.queue}' {_HOMELESS}"
            line.writer.write(frame.marshal(Channel.Close(406, said, 60, 20), channel))
        elif name == "Basic.Publish" and self.confirms:
            reply = Basic.Nack if self.refuses(channel) else Basic.Ack
            line.writer.write(frame.marshal(reply(line.published[channel]), channel))
        elif name in _ANSWERS:
            self._answer(line, channel, asked)
        self._news.set()

    def _answer(self, line: _Line, channel: int, asked: Any) -> None:
        match asked:
            case Basic.Consume():
                line.consumed[channel, asked.consumer_tag] = asked.queue
            case Basic.Cancel():
                line.consumed.pop((channel, asked.consumer_tag), None)
            case Channel.Close():
                for place in [place for place in line.consumed if place[0] == channel]:
                    del line.consumed[place]
        if not line.writer.is_closing():
            line.writer.write(frame.marshal(_ANSWERS[asked.name](asked), channel))
        self._news.set()
