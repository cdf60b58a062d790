"""What a link to RabbitMQ can't do, and the library's errors in words for people."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable
from typing import TypeVar

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from actors.ports import LinkLost, PortError

R = TypeVar("R")

APPLY = "`quorate broker apply` makes what is missing"

_NO_REPLICA = "does not have a replica on the local node"

# What the library raises for a connection or a channel that is gone, or about to be.
GONE = (AMQPError, OSError, RuntimeError, EOFError, LinkLost)


class UnknownRecipient(PortError):
    """No queue takes messages with this routing key."""

    def __init__(self, name: str, key: str) -> None:
        super().__init__(f"no queue takes messages to {name!r} (routing key {key}): {APPLY}")
        self.name = name
        self.key = key


class MessageTooLarge(PortError):
    """A message above the broker's limit; nothing was sent."""

    def __init__(self, name: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"a message of {size_bytes} bytes to {name!r} is above the broker's limit of "
            f"{limit_bytes}: set max_message_size = 16777216 in rabbitmq.conf, or a smaller "
            f"limits.chunk_kb in the job"
        )
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class NotPermitted(PortError):
    """Our account may not send this; the broker did not take it."""

    def __init__(self, key: str, said: str) -> None:
        super().__init__(
            f"the broker does not let this account send with the routing key {key} ({said}): use "
            f"the account provisioned for this actor; {APPLY}"
        )
        self.key = key


class Unconfirmed(Exception):
    """The broker answers all else, and does not say that it took a message."""

    def __init__(self, name: str, limit_s: float) -> None:
        super().__init__(f"a message to {name!r} was not confirmed in {limit_s:g} s")


class NoReplica(Exception):
    """A stream has no running copy on the node that we are connected to, or not yet."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"{queue} has no copy on this node of the broker")


def lacks_replica(error: BaseException | None) -> bool:
    """Return whether the broker says so; after a node is lost it does until there is a leader."""
    return isinstance(error, ChannelPreconditionFailed) and _NO_REPLICA in str(error)


async def guarded(wait: Awaitable[R]) -> R:
    """Return `await wait`, with `LinkLost` where the library cancels it.

    A connection that its heartbeat gives up ends every pending wait with a bare
    CancelledError, which would pass for the end of our own task, and one that is closed with a
    bare Exception. On the other hand the library swallows a cancellation that comes just as a
    channel closes; ours always comes through.
    """
    before = _cancellations()
    try:
        result = await wait
    except asyncio.CancelledError:
        if _cancellations():
            raise
        raise LinkLost("the connection was given up while something waited for it") from None
    except Exception as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        if type(error) is Exception:
            raise LinkLost("the connection was closed while something waited for it") from None
        raise
    if _cancellations() > before:
        raise asyncio.CancelledError
    return result


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


# How OpenSSL names what the other side told of our certificate: expired, required, unknown ...
_OUR_CERTIFICATE = re.compile(r"_ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA)\b")


def reason_of(error: BaseException | None) -> str:
    """Return what an error of the library means, in one line and without secrets."""
    said = " ".join(str(error or "").split())
    match error:
        case asyncio.CancelledError():
            said = "nothing was heard from the broker any more"
        case TimeoutError():
            said = "no answer in time"
        case ChannelNotFoundEntity():
            said = f"{said}: {APPLY}"
        case ProbableAuthenticationError() | AuthenticationError():
            said = f"user or password is refused: {said}"
        case ConnectionClosed(args=(int(), str(text))):
            said = text
        case InvalidFrameError():
            said = "the broker refuses the virtual host or this account's access to it"
        case ssl.SSLCertVerificationError():
            said = f"the broker's certificate is not trusted: {error.verify_message}"
    if "WRONG_VERSION_NUMBER" in said:
        said = "this port speaks no TLS: amqps:// needs the broker's port for it, often 5671"
    elif _OUR_CERTIFICATE.search(said):
        said = f"the broker refuses our certificate: {said}"
    return said or ("closed" if error is None else type(error).__name__)


def is_refusal(error: BaseException) -> bool:
    """Return whether the broker answered that it does not want us."""
    return isinstance(
        error,
        ProbableAuthenticationError
        | AuthenticationError
        | ChannelAccessRefused
        | InvalidFrameError,
    )
