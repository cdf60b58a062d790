"""A RabbitMQ that demands certificates of clients, and federations on it, for all tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from brokers import broker_root

from infra.casting import first_state
from infra.config import Job, load_job
from infra.homes.access import topology_of
from infra.homes.provisioning import Access
from infra.homes.provisioning import Provisioning as Homes
from infra.identity.trial import TrialIdentities
from infra.rabbitmq.address import BrokerAddress, Tls
from infra.rabbitmq.management import Management
from infra.rabbitmq.private_node import NodeTls, PrivateNode
from infra.rabbitmq.provisioning import Provisioning
from infra.rabbitmq.topology import Topology
from infra.tls_material import TlsFolder

_JOB = """
[job]
name = "{name}"
algorithm = "probe"
max_rounds = 3

[federation]
broker = "amqps://127.0.0.1:{port}/{name}"
holders = 3
threshold = 2
minimum = 3

[[owner]]
name = "north"
[[owner]]
name = "middle"
[[owner]]
name = "south"
"""


@dataclass(frozen=True)
class TlsBroker:
    """The node, and the folder with its authority's material, where `client` has a certificate."""

    node: PrivateNode
    tls: Path

    @property
    def port(self) -> int:
        assert self.node.tls_port is not None
        return self.node.tls_port

    def files(self, client: str = "client") -> Tls:
        tls = self.tls
        return Tls(tls / "ca.pem", tls / f"{client}.pem", tls / f"{client}.key")

    def address(self, tls: Tls, *, host: str = "127.0.0.1") -> BrokerAddress:
        return BrokerAddress.parse(f"amqps://guest:guest@{host}:{self.port}/", tls=tls)

    @property
    def api(self) -> Management:
        return Management(f"http://127.0.0.1:{self.node.management_port}", "guest", "guest")


@dataclass(frozen=True)
class Federation:
    """A job on the broker as planned, with a home for each actor."""

    broker: TlsBroker
    folder: Path
    job: Job

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def topology(self) -> Topology:
        return topology_of(self.job)

    def home(self, actor: str) -> Path:
        return self.folder / "homes" / actor

    async def admit_guest(self) -> None:
        """Let the administrator read and send."""
        everything = dict.fromkeys(("configure", "write", "read"), ".*")
        await self.broker.node.api("PUT", f"/permissions/{self.name}/guest", everything)

    async def rights(self, actor: str, **changed: str) -> None:
        """Change what an actor's account may: `configure`, `write`, `read`."""
        user = self.topology.user(actor)
        account = next(found for found in self.topology.accounts() if found.user == user)
        planned = {"configure": account.configure, "write": account.write, "read": account.read}
        await self.broker.node.api("PUT", f"/permissions/{self.name}/{user}", planned | changed)


async def federation(broker: TlsBroker, folder: Path) -> Federation:
    """Provision a new federation."""
    file = folder / "job.toml"
    file.write_text(_JOB.format(name=f"fed-{uuid4().hex[:8]}", port=broker.port))
    made = Federation(broker, folder, load_job(file))
    passwords = {account.user: uuid4().hex for account in made.topology.accounts()}
    plan = Provisioning(broker.api, made.topology, made.name)
    plan.create(plan.differences(), passwords)
    tls = broker.files()
    access = {
        name: Access(
            user=made.topology.user(name),
            password=passwords[made.topology.user(name)],
            ca_file=tls.ca_file,
            cert_file=tls.cert_file,
            key_file=tls.key_file,
        )
        for name in ("coordinator", "holder-1", "holder-2", "holder-3", "north", "middle", "south")
    }
    trial = TrialIdentities(folder / "authority")
    Homes(made.job, await first_state(made.job), access, trial).write(folder / "homes")
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tls_broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TlsBroker]:
    """The node that all tests share; what it is for is in its `tls` folder."""
    folder = tmp_path_factory.mktemp("tls-broker")
    tls = folder / "tls"
    TlsFolder(tls, now=datetime.now(UTC)).issue(["127.0.0.1"], ["client"])
    demands = NodeTls(tls / "ca.pem", tls / "server.pem", tls / "server.key", clients=True)
    node = PrivateNode(
        folder / "node",
        root=broker_root(),
        tls=demands,
        management=True,
        config={"collect_statistics_interval": "500"},
    )
    async with node:
        made = TlsBroker(node, tls)
        await _listening(made.port)
        yield made


async def _listening(port: int) -> None:
    """Wait for the encrypted port: it may open after the other one."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
