"""Private RabbitMQ nodes that form a cluster on loopback, each one killed or cut off alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from .erlang_host import ErlangHost, NodeFailed
from .private_node import PrivateNode

_REUNITED_S = 60.0
_LOOK_S = 0.2


class PrivateCluster:
    """`size` nodes with one cookie and one epmd; quorum queues get a member on three of them.

    The first start takes about 10 s on two cores. `root`, `management` and `config` are as for
    `PrivateNode`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        size: int = 3,
        root: Path | None = None,
        management: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self._host = ErlangHost(folder.absolute(), root=root)
        short_names = [f"rabbit{number}" for number in range(1, size + 1)]
        self.nodes = tuple(
            PrivateNode(self._host.folder / name, root=root, management=management, config=config)
            for name in short_names
        )
        for node, name in zip(self.nodes, short_names, strict=True):
            node.share(self._host, name)
        self._formed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def urls(self) -> tuple[str, ...]:
        """The AMQP addresses of all nodes, with the account `guest`."""
        return tuple(node.url for node in self.nodes)

    async def start(self) -> None:
        """Start all nodes that do not run, and wait until each one sees all the others.

        Raises:
            BrokerMissing: RabbitMQ is not installed.
            NodeFailed: a node did not start, or did not join.
        """
        try:
            await asyncio.gather(*(node.start() for node in self.nodes))
            if not self._formed:
                for node in self.nodes[1:]:
                    await self._join(node)
                self._formed = True
            await self._check_members()
        except BaseException:
            await self.close()
            raise

    async def stop(self) -> None:
        """Stop all nodes in good order."""
        await asyncio.gather(*(node.stop() for node in self.nodes))
        self._host.close()

    async def close(self) -> None:
        """End at once all that runs."""
        for node in self.nodes:
            await node.close()
        self._host.close()

    async def running(self) -> frozenset[str]:
        """Return the names of the nodes that the first living node counts as running.

        Raises:
            NodeFailed: no node lives.
        """
        for node in self.nodes:
            if node.runs:
                return await _running_as_seen_by(node)
        raise NodeFailed("no node of the cluster runs")

    async def isolate(self, node: PrivateNode) -> None:
        """Cut a node off from all the others, as a network between their machines would.

        Clients still reach it. With `cluster_partition_handling = pause_minority` in `config` it
        closes its listeners within seconds; without, it goes on and finds a partition afterwards.
        """
        # A peer that is held to another cookie can't come back, whoever of the two tries.
        await node.ctl("eval", self._with_others(node, "erlang:set_cookie(N, apart)"))
        await node.ctl("eval", self._with_others(node, "erlang:disconnect_node(N)"))

    async def reunite(self, node: PrivateNode) -> None:
        """Let a node that was cut off find the others again, and wait until all see all.

        Raises:
            NodeFailed: it was not back after a minute.
        """
        await node.ctl("eval", self._with_others(node, "erlang:set_cookie(N, erlang:get_cookie())"))
        until_s = asyncio.get_running_loop().time() + _REUNITED_S
        while True:
            try:
                return await self._check_members()
            except NodeFailed:
                if asyncio.get_running_loop().time() > until_s:
                    raise
            await asyncio.sleep(_LOOK_S)

    def _with_others(self, node: PrivateNode, call: str) -> str:
        others = ", ".join(f"'{other.name}'" for other in self.nodes if other is not node)
        return f"[{call} || N <- [{others}]]."

    async def _join(self, node: PrivateNode) -> None:
        # Not by peer discovery: 4.0 then waits for minutes for nodes that are yet to come.
        await node.ctl("stop_app")
        await node.ctl("reset")
        await node.ctl("join_cluster", self.nodes[0].name)
        await node.ctl("start_app")

    async def _check_members(self) -> None:
        names = {node.name for node in self.nodes}
        for node in self.nodes:
            seen = await _running_as_seen_by(node)
            if seen != names:
                raise NodeFailed(f"{node.name} is in a cluster with {sorted(seen)} only")


async def _running_as_seen_by(node: PrivateNode) -> frozenset[str]:
    status = json.loads(await node.ctl("cluster_status", "--formatter", "json"))
    return frozenset(status["running_nodes"])
