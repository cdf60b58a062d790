"""Private nodes that form a cluster: quorum queues outlive the node that led them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aio_pika
import pytest
import pytest_asyncio
from brokers import broker_root, started

from infra.rabbitmq.private_cluster import PrivateCluster
from infra.rabbitmq.private_node import PrivateNode

pytestmark = [pytest.mark.broker, pytest.mark.slow]

QUEUE = "survives"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateCluster]:
    nodes = PrivateCluster(tmp_path_factory.mktemp("cluster"), root=broker_root())
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
