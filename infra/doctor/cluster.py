"""What the broker's management API tells: limits, alarms, and whether all is there as planned."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from infra.rabbitmq.errors import APPLY
from infra.rabbitmq.management import Management, ManagementError, Object, path
from infra.rabbitmq.provisioning import Difference, Provisioning, State
from infra.rabbitmq.topology import DEAD_QUEUE, Topology

from .finding import Finding, fine, problem, warning

_LOW_DISK_LIMIT = 10**9  # bytes; RabbitMQ's default of 50 MB is full before anybody notices
_ROOM = 2**30  # bytes of disk before an alarm: what one holder's queue for uploads may take
_NEARLY = 0.8  # of the memory at which publishers are stopped
_SHORTEST_TIMEOUT_MS = 60_000
_SHOWN = 5
_STANDING = "name,type,members,online,messages,effective_policy_definition"
_CLOCK_TIMEOUT_S = 10.0
_ODD_CLOCK_S = 60.0


class Inspection(Management):
    """The management API with what only an examination asks for."""

    def nodes(self) -> list[Object]:
        """Return the nodes of the cluster; right after a start without their limits."""
        return self._list("/nodes")

    def standings(self, vhost: str) -> list[Object]:
        """Return how the queues are doing, seconds old; new ones may lack some of it."""
        return self._list(f"{path('queues', vhost)}?columns={_STANDING}")

    def clock_ahead_s(self) -> float:
        """Return how much the server's clock is ahead of ours, to a second.

        Raises `OSError` or `HTTPException`, and `ValueError` where the server tells no time.
        """
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            place.hostname or "", place.port, timeout=_CLOCK_TIMEOUT_S
        )
        if place.scheme == "https":
            connection = http.client.HTTPSConnection(
                place.hostname or "",
                place.port,
                timeout=_CLOCK_TIMEOUT_S,
                context=ssl.create_default_context(cafile=self.ca_file),
            )
        with contextlib.closing(connection):
            connection.request("HEAD", f"{place.path}/")
            told = connection.getresponse().getheader("Date", "")
        return parsedate_to_datetime(told).timestamp() - time.time()


def cluster_findings(api: Inspection, topology: Topology, vhost: str) -> Iterator[Finding]:
    """Ask everything; `api` needs an administrator."""
    try:
        nodes = api.nodes()
        for node in nodes:
            yield from node_limits(node)
        differences = Provisioning(api, topology, vhost).differences()
        yield as_planned(differences)
        yield clock(api)
        if any(difference.section == "vhosts" for difference in differences):
            return
        queues = api.standings(vhost)
    except ManagementError as error:
        yield problem("management", str(error), "correct --management, or leave it out")
        return
    yield replicated(queues, nodes)
    yield dead_letters(queues)
    yield from patient(queues)


def node_limits(node: Object) -> Iterator[Finding]:
    """Look at a node's alarms, and at when its disk or its memory would raise one."""
    check, name = "broker.limits", node["name"]
    if not node.get("running", True):
        yield problem("broker.nodes", f"{name} does not run", "start it")
        return
    for alarm, what in (("mem_alarm", "memory"), ("disk_free_alarm", "disk")):
        if node.get(alarm):
            yield problem(
                "broker.alarms",
                f"{name} has raised the {what} alarm: all publishers of the cluster wait",
                f"give it {what}, or take away what fills it",
            )
    limit, free = node.get("disk_free_limit"), node.get("disk_free")
    if not isinstance(limit, int) or not isinstance(free, int):
        yield warning(check, f"{name} has not told its limits yet", "ask again in a few seconds")
        return
    if limit < _LOW_DISK_LIMIT:
        yield warning(
            check,
            f"{name} stops publishers when {limit / 2**20:.0f} MiB of disk are left",
            "set disk_free_limit.absolute = 2GB or more in rabbitmq.conf: a full disk corrupts",
        )
    elif free - limit < _ROOM and not node.get("disk_free_alarm"):
        yield warning(
            check,
            f"{name} stops publishers when {max(0, free - limit) / 2**20:.0f} MiB more of its disk "
            f"are used",
            "give it disk: the queues of a busy federation hold more",
        )
    else:
        yield fine(
            check,
            f"{name}: {free / 2**30:.1f} GiB of disk are free, {limit / 2**30:.1f} are kept free",
        )
    yield from _memory(node)


def _memory(node: Object) -> Iterator[Finding]:
    check, used, limit = "broker.memory", node.get("mem_used"), node.get("mem_limit")
    if node.get("mem_alarm") or not isinstance(used, int) or not isinstance(limit, int):
        return
    what = f"{node['name']} uses {used / 2**20:.0f} of the {limit / 2**20:.0f} MiB of memory"
    if used > _NEARLY * limit:
        fix = "give it memory, or raise vm_memory_high_watermark in rabbitmq.conf"
        yield warning(check, f"{what} above which it stops publishers", fix)
    else:
        yield fine(check, f"{what} above which it would stop publishers")


def as_planned(differences: Sequence[Difference]) -> Finding:
    """Compare queues, their types and arguments, bindings, accounts and rights with the plan."""
    check = "broker.plan"
    wrong = [
        difference
        for difference in differences
        if difference.state is not State.ORPHAN or "permissions" in difference.section
    ]
    if wrong:
        return problem(check, _listed(wrong), APPLY)
    if differences:
        return warning(check, _listed(differences), "take away what nobody needs any more")
    return fine(check, "queues, bindings, accounts and rights are as planned")


def replicated(queues: Sequence[Object], nodes: Sequence[Object]) -> Finding:
    """Look whether quorum queues and streams have a member on every node, up to three."""
    check, wanted = "broker.members", min(len(nodes), 3)
    members = {queue["name"]: queue.get("members") for queue in queues if _has_members(queue)}
    unknown = [name for name, there in members.items() if there is None]
    few = [name for name, there in members.items() if there is not None and len(there) < wanted]
    if few:
        return problem(
            check,
            f"fewer than {wanted} members: {_some(few)}",
            "rabbitmq-queues grow NODE all, and for streams rabbitmq-streams add_replica; before "
            "the next start set cluster_formation.target_cluster_size_hint",
        )
    if wanted < 3:
        return warning(
            check,
            f"the cluster has {len(nodes)} node{'s' if len(nodes) > 1 else ''}: its loss stops all "
            f"and may lose messages",
            "use three nodes where that matters",
        )
    away = [
        queue["name"]
        for queue in queues
        if _has_members(queue) and len(queue.get("online") or ()) < len(queue.get("members") or ())
    ]
    if away:
        return warning(
            check,
            f"members that do not run: {_some(away)}",
            "bring their nodes back: the loss of another may stop these queues",
        )
    if unknown:
        return warning(
            check, f"members not told yet: {_some(unknown)}", "ask again in a few seconds"
        )
    return fine(check, f"quorum queues and streams have {wanted} members or more")


def dead_letters(queues: Sequence[Object]) -> Finding:
    """Look whether anything was given up."""
    check = "broker.dead_letters"
    waiting = next((q.get("messages", 0) for q in queues if q["name"] == DEAD_QUEUE), 0)
    if waiting:
        return warning(
            check,
            f"{waiting} messages could not be delivered",
            "`quorate broker dead-letters list` says which and why, and `redrive` sends them again",
        )
    return fine(check, "nothing was given up")


def patient(queues: Sequence[Object]) -> Iterator[Finding]:
    """Look whether a policy takes deliveries back before an actor had time to store them."""
    for queue in queues:
        policy = queue.get("effective_policy_definition") or {}
        timeout = policy.get("consumer-timeout") if isinstance(policy, dict) else None
        if isinstance(timeout, int) and timeout < _SHORTEST_TIMEOUT_MS:
            yield warning(
                "broker.consumer_timeout",
                f"{queue['name']} takes messages back after {timeout} ms",
                f"set the policy's consumer-timeout to {_SHORTEST_TIMEOUT_MS} or more",
            )


def clock(api: Inspection) -> Finding:
    """Compare clocks, as information only: the protocol never does."""
    try:
        ahead_s = api.clock_ahead_s()
    except (OSError, http.client.HTTPException, ValueError):
        return fine("clock", "the broker's clock can't be seen")
    if abs(ahead_s) > _ODD_CLOCK_S:
        return warning(
            "clock",
            f"the broker's clock is {abs(ahead_s):.0f} s {'ahead' if ahead_s > 0 else 'behind'}",
            "set both clocks by NTP: rounds don't mind, certificates and logs do",
        )
    return fine("clock", "our clock and the broker's agree within a minute")


def _has_members(queue: Object) -> bool:
    return queue.get("type") in ("quorum", "stream")


def _listed(differences: Sequence[Difference]) -> str:
    return _some(
        [
            f"{difference.name}: {difference.detail or difference.state.value}"
            for difference in differences
        ]
    )


def _some(names: Sequence[str]) -> str:
    more = f"; {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more
