"""What a broker says before anybody logs in, and the certificate it shows."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pamqp.frame
from pamqp import commands
from pamqp.exceptions import PAMQPException
from pamqp.header import ProtocolHeader

from infra.rabbitmq.address import BrokerAddress

_MAX_BYTES = 64 * 1024
_CLOSE_S = 1.0
_REFUSAL_S = 0.3

Place = tuple[str, int]


class NoBroker(Exception):
    """Something answers that is no AMQP 0-9-1 broker; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The broker's own words; `expires` is the end of its certificate, None without TLS."""

    product: str
    version: str
    expires: datetime | None


async def greet(address: BrokerAddress, place: Place) -> Greeting:
    """Connect, begin the protocol, and hang up.

    Raises:
        OSError: no connection; `ssl.SSLError` if encryption fails on either side.
        AddressError: the certificate files can't be used.
        NoBroker: it is something else.
    """
    async with _stream(address, place) as (reader, writer):
        expires = _expiry(writer.get_extra_info("ssl_object"))
        if address.tls is not None:
            await _refusal(reader)
        writer.write(ProtocolHeader(0, 9, 1).marshal())
        await writer.drain()
        start = await _start(reader)
    properties = start.server_properties or {}
    return Greeting(_text(properties.get("product")), _text(properties.get("version")), expires)


@asynccontextmanager
async def _stream(
    address: BrokerAddress, place: Place
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = place
    context = address.ssl_context()
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=host if context else None
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        # A broker that was hung up on may answer with a reset.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await writer.wait_closed()


async def _refusal(reader: asyncio.StreamReader) -> None:
    """Wait for what a broker may have against our certificate; a sound one waits for us.

    By TLS 1.3 our side of the handshake is over before the broker has looked at it. Its words
    would be lost if we sent something to a connection that it has closed.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REFUSAL_S):
            await reader.read(1)


async def _start(reader: asyncio.StreamReader) -> commands.Connection.Start:
    received = b""
    while len(received) < _MAX_BYTES:
        more = await reader.read(_MAX_BYTES)
        if not more:
            raise NoBroker("it hung up" if not received else "it answers with something else")
        received += more
        try:
            _, _, frame = pamqp.frame.unmarshal(received)
        except PAMQPException:
            # Either it is not complete yet, or it is something else: then the bytes run out.
            if not received.startswith(b"\x01"):
                raise NoBroker("it answers with something else") from None
            continue
        if isinstance(frame, commands.Connection.Start):
            return frame
        raise NoBroker("it speaks another version of AMQP")
    raise NoBroker("it answers with something else")


def _expiry(tls: ssl.SSLObject | None) -> datetime | None:
    shown = None if tls is None else tls.getpeercert()
    if not shown:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
