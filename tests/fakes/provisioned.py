"""A job's place on the tests' broker, provisioned by the command itself and removed afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from infra.cli.broker_commands import ApplyOptions, PlanOptions
from infra.cli.broker_plan import apply_plan, show_plan
from infra.config import load_job
from infra.homes.access import topology_of
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.management import Management, path
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.provisioning import Provisioning
from infra.rabbitmq.topology import Sizes, Topology

JOB = """
[job]
name = "{name}"
algorithm = "logistic"
max_rounds = 3
[data]
target = "y"
features = ["x"]
[federation]
broker = "memory"
holders = {holders}
threshold = 2
minimum = 3
"""


@dataclass
class Federation:
    """A job of its own name, and the broker it is provisioned on."""

    node: PrivateNode
    folder: Path
    name: str
    owners: tuple[str, ...] = ("north", "south", "a-1", "a-10")
    holders: int = 3

    @classmethod
    def on(cls, node: PrivateNode, folder: Path) -> Federation:
        return cls(node, folder, f"fed-{uuid4().hex[:8]}")

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self.node.management_port}"

    @property
    def api(self) -> Management:
        return Management.parse(self.management_url, credentials="guest:guest")

    @property
    def credentials(self) -> Path:
        return self.folder / "credentials"

    @property
    def job(self) -> Path:
        file = self.folder / "job.toml"
        owners = "".join(
            f'[[owner]]\nname = "{name}"\ndata = "{name}.csv"\n' for name in self.owners
        )
        file.write_text(JOB.format(name=self.name, holders=self.holders) + owners)
        return file

    def topology(self, sizes: Sizes | None = None) -> Topology:
        planned = topology_of(load_job(self.job, files=False))
        return planned if sizes is None else replace(planned, sizes=sizes)

    def provisioning(self) -> Provisioning:
        return Provisioning(self.api, self.topology(), self.name)

    def address(self, name: str | None = None) -> BrokerAddress:
        """Where an actor connects with its own password, or the administrator without a name."""
        user, password = "guest", "guest"
        if name is not None:
            user = f"{self.name}.{name}"
            password = (self.credentials / f"{name}.password").read_text().strip()
        url = f"amqp://127.0.0.1:{self.node.port}/{self.name}"
        return BrokerAddress.parse(url, user=user, password=password)

    def apply(
        self, *, prune: bool = False, force: bool = False, rotate: bool = False, json: bool = True
    ) -> int:
        """Run `quorate broker apply` and return its exit code."""
        options = ApplyOptions(
            self.job,
            self.management_url,
            self.credentials,
            prune=prune,
            force=force,
            rotate=rotate,
            broker=[f"amqp://127.0.0.1:{self.node.port}"],
            json=json,
        )
        return apply_plan(options)

    async def applied(self) -> None:
        """Provision from inside an event loop."""
        assert await asyncio.to_thread(self.apply) == 0

    def plan(self, *, check: bool = True, definitions: Path | None = None) -> int:
        """Run `quorate broker plan` against the broker and return its exit code."""
        options = PlanOptions(
            self.job,
            definitions=definitions,
            credentials=self.credentials if definitions else None,
            management=self.management_url,
            check=check,
            json=True,
        )
        return show_plan(options)

    def remove(self) -> None:
        """Leave nothing of the federation on the broker."""
        self.api.delete(path("vhosts", self.name))
        for user in self.api.users():
            if user["name"].startswith(f"{self.name}."):
                self.api.delete(path("users", user["name"]))
