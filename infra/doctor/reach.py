"""Whether a broker's host answers: its name, its port, its encryption, its version, our login."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import TypeVar

from aiormq.exceptions import AMQPError, InvalidFrameError

from infra.rabbitmq.address import AddressError, BrokerAddress
from infra.rabbitmq.errors import is_refusal, reason_of
from infra.rabbitmq.wire import Wire

from .finding import Finding, fine, problem, warning
from .greeting import Greeting, NoBroker, Place, greet

OLDEST, TOO_NEW = (3, 10), (5, 0)
SOON = timedelta(days=30)
_STEP_S = 10.0
_HEARTBEAT_S = 10

R = TypeVar("R")

# What OpenSSL calls the faults that people make, and what to do about each.
WANTS_CERTIFICATE = "the broker asks for a client certificate and got none"
_TLS_FAULTS = {
    "CERTIFICATE_REQUIRED": (
        WANTS_CERTIFICATE,
        "name cert_file and key_file of this actor's certificate",
    ),
    "HANDSHAKE_FAILURE": (
        "the broker refuses the handshake, often for want of a client certificate",
        "name cert_file and key_file of this actor's certificate",
    ),
    "UNKNOWN_CA": (
        "the broker does not know who signed our certificate",
        "use a certificate signed by the authority in the broker's ssl_options.cacertfile",
    ),
    "CERTIFICATE_EXPIRED": (
        "the broker refuses our certificate: it has expired",
        "renew it: quorate tls FOLDER --actor NAME --renew",
    ),
    "UNSUPPORTED_CERTIFICATE": (
        "the broker refuses our certificate: it is not one for clients",
        "use the actor's own certificate, not the broker's",
    ),
    "BAD_CERTIFICATE": (
        "the broker refuses our certificate",
        "use a certificate for clients, signed by the authority that the broker trusts",
    ),
    "WRONG_VERSION_NUMBER": (
        "what listens on this port is not encrypted",
        "use the broker's TLS port, 5671 unless it was changed",
    ),
    "PROTOCOL_VERSION": (
        "we and the broker have no TLS version in common",
        "let the broker offer TLS 1.2 or 1.3 (ssl_options.versions)",
    ),
}


async def name_found(place: Place) -> Finding:
    """Look the host's name up."""
    check, (host, port) = "broker.name", place
    try:
        found = await within(
            asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except (OSError, TimeoutError) as error:
        return problem(
            check,
            f"the name {host} can't be resolved ({_said(error)})",
            "correct the host in the broker's address, or its entry in DNS or /etc/hosts",
        )
    addresses = sorted({str(entry[4][0]) for entry in found})
    return fine(check, f"{host} is {', '.join(addresses)}")


async def port_open(place: Place) -> Finding:
    """Open a connection and close it."""
    check, (host, port) = "broker.port", place
    try:
        _, writer = await within(asyncio.open_connection(host, port))
    except (OSError, TimeoutError) as error:
        return problem(
            check,
            f"{host}:{port} does not accept connections ({_said(error)})",
            "start the broker, correct the port, or open it in the firewalls between here and "
            "there",
        )
    writer.close()
    return fine(check, f"{host}:{port} accepts connections")


async def greeted(address: BrokerAddress, place: Place) -> Greeting | Finding:
    """Begin the protocol, encrypted if the address says so; a Finding is what hindered it."""
    host, port = place
    where = f"{host}:{port}"
    try:
        return await within(greet(address, place))
    except AddressError as error:
        return problem("broker.tls", str(error), "correct the files named in [broker]")
    except ssl.SSLCertVerificationError as error:
        return problem("broker.tls", f"{where}: {error.verify_message}", _trust(error))
    except ssl.SSLError as error:
        return _tls_fault(where, error)
    except ConnectionError:
        what = "hung up during the handshake" if address.tls else "hung up"
        return problem("broker.amqp", f"{where} {what}", _hint_of_hanging_up(address))
    except (NoBroker, OSError, TimeoutError) as error:
        return problem(
            "broker.amqp",
            f"{where} is no AMQP broker ({_said(error)})",
            _hint_of_hanging_up(address),
        )


def version_supported(place: Place, greeting: Greeting) -> Finding:
    """Compare the version that the broker names with those that are known to work."""
    check, where = "broker.version", f"{place[0]}:{place[1]} is {greeting.product}"
    numbers = re.match(r"(\d+)\.(\d+)", greeting.version)
    if greeting.product != "RabbitMQ" or numbers is None:
        return warning(
            check,
            f"{where} {greeting.version}, which is unknown here",
            "use RabbitMQ 3.10 to 4.x",
        )
    version = int(numbers[1]), int(numbers[2])
    if version < OLDEST:
        return problem(
            check,
            f"{where} {greeting.version}, too old",
            "upgrade it to 3.10 or newer; streams and delivery limits are missing before",
        )
    if version >= TOO_NEW:
        return warning(
            check, f"{where} {greeting.version}, newer than what was tried", "try it in staging"
        )
    return fine(check, f"{where} {greeting.version}")


def certificate_lasts(place: Place, greeting: Greeting, now: datetime) -> Finding:
    """Look when the certificate that the broker shows ends."""
    where = f"the certificate of {place[0]}:{place[1]}"
    if greeting.expires is None:
        return warning(
            "broker.tls",
            f"{place[0]}:{place[1]} is not encrypted",
            "use amqps:// wherever the broker is not on this machine",
        )
    return lasting("broker.tls", where, greeting.expires, now)


def lasting(check: str, what: str, expires: datetime, now: datetime) -> Finding:
    """Say whether a certificate has ended or will soon, 30 days ahead."""
    until = f"{what} is valid until {expires:%Y-%m-%d}"
    if expires <= now:
        return problem(
            check, f"{what} has expired on {expires:%Y-%m-%d}", "renew it (quorate tls --renew)"
        )
    if expires - now < SOON:
        return warning(check, until, "renew it before (quorate tls --renew)")
    return fine(check, until)


async def logged_in(address: BrokerAddress, place: Place) -> Wire | Finding:
    """Log in and enter the virtual host; a Finding is what hindered it."""
    check, where = "broker.login", f"{place[0]}:{place[1]}"
    opening = Wire.open(
        address,
        place,
        name=f"{address.user} doctor",
        heartbeat_s=_HEARTBEAT_S,
        blocked=lambda _: None,
    )
    try:
        return await within(opening)
    except InvalidFrameError:
        return problem(
            check,
            f"{where} does not let {address.user} into the virtual host {address.vhost}",
            "correct the virtual host, or create it and its rights with `quorate broker apply`; a "
            "limit of connections looks the same",
        )
    except (AMQPError, OSError, TimeoutError) as error:
        fix = (
            "correct user and password of this actor, or provision its account again"
            if is_refusal(error)
            else "look into the broker's log"
        )
        return problem(check, f"{where}: {address.user}: {reason_of(error)}", fix)


async def within(step: Awaitable[R]) -> R:
    """Wait for one step of talking to a broker, 10 s at most. Raises `TimeoutError`."""
    async with asyncio.timeout(_STEP_S):
        return await step


def _trust(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.lower()
    if "expired" in said:
        return "renew the broker's certificate (quorate tls --host ... --renew) and restart it"
    if "match" in said or "hostname" in said or "ip address" in said:
        return (
            "use one of the names in the broker's certificate, or issue it again for this one "
            "(quorate tls --host ... --renew)"
        )
    return "name in ca_file the authority that signed the broker's certificate"


def _tls_fault(where: str, error: ssl.SSLError) -> Finding:
    reason = error.reason or ""
    for mark, (what, fix) in _TLS_FAULTS.items():
        if mark in reason:
            return problem("broker.tls", f"{where}: {what}", fix)
    return problem(
        "broker.tls", f"{where}: no encryption ({reason or error})", "look into the broker's log"
    )


def _hint_of_hanging_up(address: BrokerAddress) -> str:
    if address.tls is None:
        return "use the port for AMQP, 5672, and amqps:// for the encrypted one, 5671"
    if address.tls.cert_file is None:
        return "the broker may ask for a client certificate: name cert_file and key_file"
    return "use a certificate that the broker's authority signed and that has not expired"


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_STEP_S:.0f} s"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)
