"""Fixtures with a real RabbitMQ; it is started once for all tests, and only if one asks for it.

`QUORATE_TEST_BROKER_ROOT` names a chroot with another RabbitMQ than the one of this machine.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio

from infra.rabbitmq.erlang_host import BrokerMissing
from infra.rabbitmq.management import path
from infra.rabbitmq.private_cluster import PrivateCluster
from infra.rabbitmq.private_node import PrivateNode

_OUTPUT = "rabbitmq"  # the name that a worker's versions have in what it tells

_versions: set[str] = set()


def broker_root() -> Path | None:
    """Return the chroot that the tests' brokers run in, None for this machine's RabbitMQ."""
    named = os.environ.get("QUORATE_TEST_BROKER_ROOT")
    return Path(named) if named else None


@dataclass
class Vhost:
    """A virtual host of one test, where `guest` may do everything."""

    node: PrivateNode
    name: str = field(default_factory=lambda: f"test-{uuid4().hex[:12]}")
    users: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.node.port}{path(self.name)}"

    async def create(self) -> None:
        await self.node.api("PUT", path("vhosts", self.name), {})

    async def delete(self) -> None:
        await self.node.api("DELETE", path("vhosts", self.name))
        for user in self.users:
            await self.node.api("DELETE", path("users", user))

    async def account(
        self, user: str, *, configure: str = "", write: str = "", read: str = ""
    ) -> str:
        """Add an account with these rights (regular expressions, "" for none), return its URL."""
        password = uuid4().hex
        self.users.append(user)
        await self.node.api("PUT", path("users", user), {"password": password, "tags": ""})
        rights = {"configure": configure or "^$", "write": write or "^$", "read": read or "^$"}
        await self.node.api("PUT", path("permissions", self.name, user), rights)
        place = f"127.0.0.1:{self.node.port}{path(self.name)}"
        return f"amqp://{quote(user, safe='')}:{password}@{place}"

    async def topics(self, user: str, exchange: str, *, write: str = "", read: str = "") -> None:
        """Bound the routing keys that a user may publish with or bind to (regular expressions)."""
        rights = {"exchange": exchange, "write": write or "^$", "read": read or "^$"}
        await self.node.api("PUT", path("topic-permissions", self.name, user), rights)


async def started(node: PrivateNode | PrivateCluster) -> None:
    """Start what a fixture needs; without RabbitMQ the test fails and says how to install it."""
    try:
        await node.start()
    except BrokerMissing as error:
        pytest.fail(str(error), pytrace=False)
    nodes = node.nodes if isinstance(node, PrivateCluster) else (node,)
    _versions.update(each.version for each in nodes)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateNode]:
    """The node that all tests share: leave it running, with nothing of yours on it."""
    node = PrivateNode(tmp_path_factory.mktemp("broker"), root=broker_root(), management=True)
    await started(node)
    yield node
    await node.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own_broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateNode]:
    """A node that the tests of one file may kill, pause and fill: leave it running and relieved."""
    node = PrivateNode(tmp_path_factory.mktemp("own"), root=broker_root())
    await started(node)
    yield node
    await node.close()


@pytest.fixture
async def vhost(broker: PrivateNode) -> AsyncIterator[Vhost]:
    """A new virtual host on the shared node, deleted with all that is in it."""
    made = Vhost(broker)
    await made.create()
    yield made
    await made.delete()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a broker's fixture, so that `-m "not broker"` leaves it out."""
    for item in items:
        if {"broker", "own_broker"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this one, if it was one of several, which brokers it had."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told[_OUTPUT] = sorted(_versions)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Take in what a worker told at its end; one that broke down told nothing."""
    _versions.update(getattr(node, "workeroutput", {}).get(_OUTPUT, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests had a real broker, and which."""
    count = sum(
        "broker" in report.keywords and report.when == "call"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
    )
    if count:
        versions = " and ".join(sorted(_versions)) or "of unknown version"
        terminalreporter.write_line(
            f"{count} test{'s' * (count > 1)} ran against RabbitMQ {versions}"
        )
