"""Private nodes that form a cluster: quorum queues outlive the node that led them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aio_pika
import pytest
import pytest_asyncio
from brokers import broker_root, started

from actors.ports import Lane
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.declare import declare as declare_all
from infra.rabbitmq.link import LinkChange, LinkState, RabbitLink
from infra.rabbitmq.policy import LinkPolicy
from infra.rabbitmq.private_cluster import PrivateCluster
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import Topology
from infra.rabbitmq.transport import RabbitTransport
from protocols.round_config import Roster

pytestmark = [pytest.mark.broker, pytest.mark.slow]

QUEUE = "survives"
HASTY = LinkPolicy(first_wait_s=0.1, longest_wait_s=0.5, confirm_s=3.0)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateCluster]:
    pausing = {"cluster_partition_handling": "pause_minority"}
    nodes = PrivateCluster(tmp_path_factory.mktemp("cluster"), root=broker_root(), config=pausing)
    await started(nodes)
    yield nodes
    await nodes.close()


async def declare(node: PrivateNode) -> None:
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})


async def publish(node: PrivateNode, body: bytes) -> None:
    async with await aio_pika.connect(node.url) as connection:
        channel = await connection.channel()
        message = aio_pika.Message(body, delivery_mode=2)
        await channel.default_exchange.publish(message, routing_key=QUEUE)


async def taken(node: PrivateNode) -> bytes:
    async with await aio_pika.connect(node.url) as connection:
        queue = await (await connection.channel()).get_queue(QUEUE)
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                return message.body
    raise AssertionError("the consumer was cancelled")


async def test_quorum_queues_have_a_member_on_each_node(cluster: PrivateCluster) -> None:
    await declare(cluster.nodes[0])

    listed = await cluster.nodes[1].ctl("list_queues", "members", "--formatter", "json")

    assert {name for queue in json.loads(listed) for name in queue["members"]} == {
        node.name for node in cluster.nodes
    }


async def test_two_nodes_go_on_without_the_leader_and_take_it_in_again(
    cluster: PrivateCluster,
) -> None:
    leader, second, third = cluster.nodes
    await declare(leader)
    await publish(leader, b"confirmed before")
    await leader.settle()

    await leader.kill()

    assert await taken(second) == b"confirmed before"
    await publish(third, b"confirmed meanwhile")
    assert await cluster.running() == {second.name, third.name}
    await cluster.start()
    assert await cluster.running() == {node.name for node in cluster.nodes}
    assert await taken(leader) == b"confirmed meanwhile"


async def test_no_message_is_lost_with_a_node_that_is_cut_off_from_the_others(
    cluster: PrivateCluster,
) -> None:
    address = BrokerAddress.parse(cluster.urls)
    roster = Roster(federation="apart", coordinator="ann", holders=("bob",), trainers=())
    await declare_all(address, Topology(roster, replicated=True))
    changes: list[LinkChange] = []
    link = RabbitLink("ann", address, policy=HASTY, notice=changes.append)
    other = RabbitLink("bob", address, policy=HASTY)
    ann, bob = RabbitTransport("ann", link), RabbitTransport("bob", other)
    link.start()
    other.start()
    await asyncio.gather(link.opened(), other.opened())
    place = next(change.reason for change in changes if change.state is LinkState.OPEN)
    cut_off = next(node for node in cluster.nodes if place.endswith(f":{node.port}"))
    bodies = {b"%d" % number for number in range(60)}

    async def send_all() -> None:
        for body in sorted(bodies):
            await ann.send("bob", body, lane=Lane.CONTROL)

    heard = asyncio.create_task(all_of(bob, bodies))
    await ann.send("bob", b"0", lane=Lane.CONTROL)
    await cluster.isolate(cut_off)
    await asyncio.wait_for(send_all(), 60)

    assert await asyncio.wait_for(heard, 60) == bodies
    assert link.reconnects >= 1  # it went on by way of another node
    await cluster.reunite(cut_off)
    assert await cluster.running() == {node.name for node in cluster.nodes}
    await asyncio.gather(link.close(), other.close())


async def all_of(transport: RabbitTransport, bodies: set[bytes]) -> set[bytes]:
    heard: set[bytes] = set()
    async for delivery in transport.deliveries():
        heard.add(delivery.body)
        await delivery.ack()
        if heard == bodies:
            break
    return heard
