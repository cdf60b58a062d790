"""Private RabbitMQ nodes: what they survive, what they say, and that nothing of them remains."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import aiormq
import psutil
import pytest
from brokers import Vhost, broker_root

from infra.rabbitmq.erlang_host import BrokerMissing, NodeFailed
from infra.rabbitmq.private_node import NodeTls, PrivateNode
from infra.tls_material import TlsFolder

MESSAGES = 20
UNHEARD_S = 0.3
LIMIT_S = 20.0

LIVES_LONGER = """
import asyncio, sys
from pathlib import Path
from infra.rabbitmq.private_node import PrivateNode

async def main():
    node = PrivateNode(Path(sys.argv[1]), root=Path(sys.argv[2]) if sys.argv[2] else None)
    await node.start()
    print(node.pid, node.epmd_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def publish(url: str, count: int, *, kind: str) -> None:
    """Declare a queue named after its kind and publish to it, with confirms."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(kind, durable=True, arguments={"x-queue-type": kind})
        for number in range(count):
            message = aio_pika.Message(b"%d" % number, delivery_mode=2)
            await channel.default_exchange.publish(message, routing_key=kind)


async def all_taken(url: str, queue: str) -> list[bytes]:
    """Take MESSAGES messages from a queue."""
    taken: list[bytes] = []
    async with await aio_pika.connect(url) as connection:
        declared = await (await connection.channel()).get_queue(queue)
        async with declared.iterator() as messages:
            async for message in messages:
                await message.ack()
                taken.append(message.body)
                if len(taken) == MESSAGES:
                    break
    return taken


def is_tool(process: psutil.Process) -> bool:
    return process.is_running() and "rabbitmqctl" in " ".join(process.cmdline())


async def test_a_node_listens_on_loopback_only(own_broker: PrivateNode) -> None:
    processes = [psutil.Process(own_broker.pid), psutil.Process(own_broker.epmd_pid)]

    listening = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening <= {"127.0.0.1", "::1"}


async def test_a_node_says_the_version_that_its_files_have(own_broker: PrivateNode) -> None:
    lines = (await own_broker.tool("rabbitmq-diagnostics", "server_version", "-q")).splitlines()

    assert own_broker.version == lines[-1].strip()


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_confirmed_messages_survive_kill_9_on_the_same_port(
    own_broker: PrivateNode, kind: str
) -> None:
    url, killed = own_broker.url, psutil.Process(own_broker.pid)
    await publish(url, MESSAGES, kind=kind)
    await own_broker.settle()

    await own_broker.kill()
    assert not killed.is_running()
    assert "SIGTERM" not in own_broker.log_tail()
    with pytest.raises(aiormq.AMQPConnectionError):
        await aiormq.connect(url)
    await own_broker.start()

    assert own_broker.url == url
    assert await all_taken(url, kind) == [b"%d" % number for number in range(MESSAGES)]


async def test_a_restarted_node_has_another_process_and_the_same_port(
    own_broker: PrivateNode,
) -> None:
    port, pid = own_broker.port, own_broker.pid

    await own_broker.restart()

    assert own_broker.port == port
    assert own_broker.pid != pid


async def test_a_paused_node_takes_connections_and_says_nothing_until_it_goes_on(
    own_broker: PrivateNode,
) -> None:
    own_broker.pause()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", own_broker.port)
        writer.write(b"AMQP\x00\x00\x09\x01")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), UNHEARD_S)
    finally:
        own_broker.resume()

    assert await asyncio.wait_for(reader.read(1), LIMIT_S) == b"\x01"
    writer.close()


@pytest.mark.parametrize("resource", ["memory", "disk"])
async def test_a_full_node_confirms_nothing_until_it_is_relieved(
    own_broker: PrivateNode, resource: str
) -> None:
    await own_broker.fill(resource)
    publishing = asyncio.create_task(publish(own_broker.url, 1, kind="classic"))
    try:
        done, _ = await asyncio.wait({publishing}, timeout=UNHEARD_S)
        assert not done
    finally:
        await own_broker.relieve(resource)

    await asyncio.wait_for(publishing, LIMIT_S)


async def test_a_failed_tool_says_what_it_printed(own_broker: PrivateNode) -> None:
    with pytest.raises(NodeFailed, match="nobody"):
        await own_broker.ctl("change_password", "nobody", "new")


async def test_a_tool_that_is_cancelled_is_killed(own_broker: PrivateNode) -> None:
    own_broker.pause()
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(own_broker.ctl("list_queues"), 1.0)
        assert not [each for each in psutil.Process().children(recursive=True) if is_tool(each)]
    finally:
        own_broker.resume()


async def test_without_management_the_interface_is_refused_with_a_reason(
    own_broker: PrivateNode,
) -> None:
    with pytest.raises(NodeFailed, match="management=True"):
        await own_broker.api("GET", "/overview")


@pytest.mark.broker
async def test_a_node_that_does_not_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path, root=broker_root(), config={"no.such.setting": "1"})

    with pytest.raises(NodeFailed, match=r"no\.such\.setting"):
        await node.start()

    assert not node.runs
    assert node.epmd_pid is None


async def test_without_rabbitmq_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path / "node", root=tmp_path / "empty")

    with pytest.raises(BrokerMissing, match=r"tools/install_broker\.sh"):
        await node.start()


@pytest.mark.broker
async def test_nothing_remains_of_a_node_whose_owner_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIVES_LONGER, str(tmp_path), str(broker_root() or "")]
    owner = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    pids = (await owner.stdout.readline()).split()
    processes = [psutil.Process(int(pid)) for pid in pids]
    processes += processes[0].children(recursive=True)

    owner.kill()
    await owner.wait()

    assert len(processes) > 2
    _, alive = psutil.wait_procs(processes, timeout=10)

    remaining = [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]
    for each in remaining:
        each.kill()
    assert remaining == []


@pytest.mark.broker
async def test_a_tls_listener_has_the_given_certificate_and_can_demand_one(tmp_path: Path) -> None:
    made = tmp_path / "tls"
    TlsFolder(made, now=datetime.now(UTC)).issue(["localhost"], ["north"])
    tls = NodeTls(made / "ca.pem", made / "server.pem", made / "server.key", clients=True)

    async with PrivateNode(tmp_path / "node", root=broker_root(), tls=tls) as node:
        context = ssl.create_default_context(cafile=tls.ca_file)
        url = f"amqps://guest:guest@localhost:{node.tls_port}/"
        with pytest.raises((aiormq.AMQPError, OSError)):
            await aiormq.connect(url, context=context)
        context.load_cert_chain(made / "north.pem", made / "north.key")
        connection = await aiormq.connect(url, context=context)
        await connection.close()


async def test_an_account_of_a_virtual_host_may_do_no_more_than_it_says(vhost: Vhost) -> None:
    url = await vhost.account("reader", configure="^mine$")

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("mine", durable=True)
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await channel.declare_queue("other", durable=True)
