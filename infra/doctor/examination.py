"""All checks in their order, from the machine outwards to the cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from aiormq.exceptions import AMQPError

from actors.ports import LinkLost
from infra.config import ConfigError
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.errors import reason_of
from infra.rabbitmq.wire import Wire

from .certificates import own_files
from .cluster import Inspection, cluster_findings
from .finding import Finding, Level, fine, problem, warning
from .greeting import Place
from .identity import identity_findings
from .machine import MACHINE, room
from .models import model_findings
from .reach import (
    WANTS_CERTIFICATE,
    certificate_lasts,
    greeted,
    logged_in,
    name_found,
    port_open,
    version_supported,
)
from .rights import Rights
from .subject import Subject, job_findings, open_subject

_GOODBYE_S = 3.0


async def examine(
    path: Path, api: Inspection | None = None, *, ca: Path | None = None
) -> AsyncIterator[Finding]:
    """Yield what is found about a job file or a home; changes nothing anywhere.

    Of a running federation no message is touched and no consumer is replaced. Every step that
    waits for a broker ends after 10 s. `api` is the broker's management interface, if it is to be
    asked too; its calls block. `ca` is the authority of the broker that a job file names.
    """
    for look in MACHINE:
        yield look()
    try:
        subject = open_subject(path, ca)
    except ConfigError as error:
        for sentence in error.problems:
            yield _of_file(sentence)
        return
    for finding in (*job_findings(subject), *identity_findings(subject.home)):
        yield finding
    yield room(subject.job.path.parent)
    if subject.address is None:
        yield fine("broker", "all actors run in one process, without a broker")
        return
    async for finding in _broker(subject, subject.address):
        yield finding
    async for finding in model_findings(subject.home):
        yield finding
    if api is not None:
        for finding in cluster_findings(api, subject.topology, subject.address.vhost):
            yield finding


async def _broker(subject: Subject, address: BrokerAddress) -> AsyncIterator[Finding]:
    for finding in own_files(address, datetime.now(UTC)):
        yield finding
    reached = []
    for place in address.hosts:
        sound = True
        async for found in _host(address, place):
            finding = found if subject.account else _for_strangers(found)
            sound = sound and finding.level is not Level.ERROR
            yield finding
        if sound:
            reached.append(place)
    if not reached:
        return
    if len(reached) < len(address.hosts):
        yield warning(
            "broker",
            f"{len(reached)} of {len(address.hosts)} hosts can be used",
            "bring back the others: a federation survives the loss of a host only if there is "
            "another",
        )
    if subject.account:
        async for finding in _account(subject, address, reached):
            yield finding


async def _host(address: BrokerAddress, place: Place) -> AsyncIterator[Finding]:
    for look in (name_found, port_open):
        finding = await look(place)
        yield finding
        if finding.level is Level.ERROR:
            return
    greeting = await greeted(address, place)
    if isinstance(greeting, Finding):
        yield greeting
        return
    yield certificate_lasts(place, greeting, datetime.now(UTC))
    yield version_supported(place, greeting)


def _for_strangers(finding: Finding) -> Finding:
    """A broker that wants a certificate is well; without an actor's there is no more to see."""
    if not finding.what.endswith(WANTS_CERTIFICATE):
        return finding
    return fine(finding.check, f"{finding.what}; an actor's home has one")


async def _account(
    subject: Subject, address: BrokerAddress, places: list[Place]
) -> AsyncIterator[Finding]:
    wire: Wire | None = None
    for place in places:
        found = await logged_in(address, place)
        if isinstance(found, Finding):
            yield found
            continue
        if wire is not None:
            await found.close(within_s=_GOODBYE_S)
            continue
        wire = found
        yield fine("broker.login", f"{address.user} may enter {address.vhost}")
    if wire is None:
        return
    try:
        async for finding in _rights(subject, wire):
            yield finding
    except TimeoutError:
        yield problem(
            "broker.alarms",
            "the broker stopped answering when we sent something, as it does in an alarm",
            "look for alarms: rabbitmq-diagnostics alarms; give it memory or disk",
        )
    except (AMQPError, OSError, LinkLost) as error:
        yield problem("broker.login", f"lost in between: {reason_of(error)}", "try again")
    finally:
        await wire.close(within_s=_GOODBYE_S)


async def _rights(subject: Subject, wire: Wire) -> AsyncIterator[Finding]:
    yield _heartbeat(wire.connection.connection_tune.heartbeat)
    if subject.actor is None:
        yield warning(
            "broker.rights",
            "the account belongs to no actor of the job, so its rights were not looked at",
            "use the account of an actor, by its home",
        )
        return
    rights = Rights(wire.connection, subject.topology, subject.actor)
    async for finding in rights.findings(subject.job.limits.chunk_bytes):
        yield finding


def _heartbeat(agreed_s: int) -> Finding:
    if agreed_s:
        return fine("broker.heartbeat", f"agreed on every {agreed_s} s")
    return warning(
        "broker.heartbeat",
        "no heartbeats were agreed on",
        "set heartbeat = 15 in rabbitmq.conf: dead connections are not noticed otherwise",
    )


def _of_file(sentence: str) -> Finding:
    what, _, fix = sentence.partition("; ")
    return problem("job", what, fix or "correct the file")
