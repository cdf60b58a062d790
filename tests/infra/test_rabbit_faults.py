"""A link and its transport through everything that a broker and a network do to them."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator

import aiormq
import pytest
from brokers import Vhost
from fakes.rabbit_rig import TIMEOUT_S, RabbitRig, Traffic, receive

from actors.ports import Lane, LinkLost
from infra.rabbitmq.errors import MessageTooLarge
from infra.rabbitmq.link import LinkPolicy, LinkState
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.topology import MAX_MESSAGE_BYTES, Sizes


@pytest.fixture
async def rig(own_broker: PrivateNode) -> AsyncIterator[RabbitRig]:
    made = RabbitRig(Vhost(own_broker, name="/"))
    yield made
    await made.close()
    await made.remove()


async def test_killed_broker_loses_nothing_that_was_confirmed(rig: RabbitRig) -> None:
    traffic = Traffic(await rig.transport("ann"), "bob", await rig.transport("bob"))
    # RabbitMQ 3.10 can lose a quorum queue for good that is younger than a second.
    await traffic.flows(2000)

    await rig.vhost.node.settle()
    await rig.vhost.node.kill()
    await rig.logs["ann"].becomes(LinkState.LOST)
    await rig.vhost.node.start()

    await traffic.flows()
    await traffic.end()
    assert rig.links["ann"].reconnects >= 1


async def test_forced_close_of_all_connections_is_survived_and_explained(rig: RabbitRig) -> None:
    traffic = Traffic(await rig.transport("ann"), "bob", await rig.transport("bob"))
    await traffic.flows()

    await rig.vhost.node.ctl("close_all_connections", "--global", "maintenance tonight")

    lost = await rig.logs["ann"].becomes(LinkState.LOST)
    assert "CONNECTION_FORCED - maintenance tonight" in lost.reason
    await traffic.flows()
    await traffic.end()


@pytest.mark.parametrize("stalled", ["ann", "bob"])
async def test_half_open_connection_is_given_up_and_replaced(rig: RabbitRig, stalled: str) -> None:
    quick = LinkPolicy(first_wait_s=0.02, longest_wait_s=0.2, heartbeat_s=1)
    traffic = Traffic(
        await rig.transport("ann", policy=quick), "bob", await rig.transport("bob", policy=quick)
    )
    await traffic.flows()

    rig.lines[stalled].stall()
    lost = await rig.logs[stalled].becomes(LinkState.LOST)
    assert "nothing was heard" in lost.reason
    await rig.lines[stalled].heal()

    await traffic.flows()
    await traffic.end()


async def test_frozen_broker_is_noticed_without_heartbeats(rig: RabbitRig) -> None:
    watchful = LinkPolicy(first_wait_s=0.02, longest_wait_s=0.2, pulse_s=0.1, pulse_limit_s=0.3)
    ann = await rig.transport("ann", policy=watchful)

    rig.vhost.node.pause()
    try:
        lost = await rig.logs["ann"].becomes(LinkState.LOST)
    finally:
        rig.vhost.node.resume()

    assert "does nothing" in lost.reason
    await ann.send("ann", b"hello", lane=Lane.CONTROL)
    assert await receive(ann, 1) == [b"hello"]


async def test_a_frozen_broker_stalls_a_link_that_is_open_and_a_full_queue_does_not(
    own_broker: PrivateNode,
) -> None:
    rig = RabbitRig(Vhost(own_broker, name="/"), Sizes(bulk=1 << 10))
    ann = await rig.transport("ann")
    await rig.declare(["bob"])
    await ann.send("bob", bytes(1 << 10), lane=Lane.BULK)
    no_room = asyncio.create_task(ann.send("bob", bytes(1 << 10), lane=Lane.BULK))
    await ann.send("bob", b"there", lane=Lane.CONTROL)
    full_s = ann.stalled_s()

    own_broker.pause()
    try:
        frozen = asyncio.create_task(ann.send("bob", b"vote", lane=Lane.CONTROL))
        answered, _ = await asyncio.wait({frozen}, timeout=0.3)
        stalled_s = ann.stalled_s()
        state = rig.links["ann"].state
    finally:
        own_broker.resume()
    await frozen

    assert not answered
    assert full_s == 0.0
    assert stalled_s >= 0.3
    assert state is LinkState.OPEN
    assert ann.stalled_s() == 0.0
    no_room.cancel()
    await asyncio.gather(no_room, return_exceptions=True)
    await rig.close()
    await rig.remove()


async def test_a_link_that_is_lost_stalls_until_it_is_back(rig: RabbitRig) -> None:
    ann = await rig.transport("ann")
    await rig.lines["ann"].cut()
    await rig.logs["ann"].becomes(LinkState.LOST)
    first_s = ann.stalled_s()
    seen = len(rig.logs["ann"].changes)
    await rig.logs["ann"].becomes(LinkState.LOST, after=seen)  # again: it tries on and on
    later_s = ann.stalled_s()

    await rig.lines["ann"].heal()
    async with asyncio.timeout(TIMEOUT_S):
        await rig.links["ann"].opened()

    assert first_s < later_s
    assert ann.stalled_s() == 0.0


async def test_alarm_blocks_publishers_and_doubles_or_loses_nothing(rig: RabbitRig) -> None:
    watchful = LinkPolicy(pulse_s=0.1, pulse_limit_s=1.0)  # the alarm lasts for longer
    ann, bob = await rig.transport("ann", policy=watchful), await rig.transport("bob")
    await ann.send("bob", b"before", lane=Lane.CONTROL)
    (before,) = [await anext(bob.deliveries())]
    bodies = [b"%d" % n for n in range(200)]

    await rig.vhost.node.fill("memory")
    try:
        sends = [asyncio.create_task(ann.send("bob", b, lane=Lane.BULK)) for b in bodies]
        blocked = await rig.logs["ann"].becomes(LinkState.BLOCKED)
        assert "memory" in blocked.reason
        # Consuming has a connection of its own: acknowledgements get through all the time.
        await before.ack()
        await rig.vhost.node.ctl("list_queues", "--vhost", rig.vhost.name)
        # Some may get in before the broker's connections hear of the alarm, and none after that.
        got_in = [send.done() for send in sends]
        await rig.vhost.node.ctl("list_queues", "--vhost", rig.vhost.name)
        assert [send.done() for send in sends] == got_in
        assert not all(got_in)
    finally:
        await rig.vhost.node.relieve("memory")

    await asyncio.gather(*sends)
    assert sorted(await receive(bob, len(bodies))) == sorted(bodies)
    await ann.send("bob", b"after", lane=Lane.CONTROL)
    assert await receive(bob, 1) == [b"after"]
    assert rig.links["ann"].state is LinkState.OPEN
    assert LinkState.LOST not in rig.logs["ann"].states()


async def test_broker_with_a_lower_limit_refuses_the_large_message_only(rig: RabbitRig) -> None:
    bob = await rig.transport("bob")
    node = rig.vhost.node
    for_all = "application:set_env(rabbit, max_message_size, {0}), "
    set_limit = for_all + "persistent_term:put(max_message_size, {0})."
    await node.ctl("eval", set_limit.format(1000))
    try:
        ann = await rig.transport("ann")
        bodies = [bytes([n]) * (1001 if n % 20 == 10 else 10) for n in range(60)]
        results = await asyncio.gather(
            *(ann.send("bob", body, lane=Lane.BULK) for body in bodies), return_exceptions=True
        )
    finally:
        await node.ctl("eval", set_limit.format(MAX_MESSAGE_BYTES))

    wrong = [n for n in range(60) if isinstance(results[n], MessageTooLarge)]
    assert wrong == [10, 30, 50]
    assert "limit of 1000" in str(results[10])
    received: set[bytes] = set()
    while len(received) < 57:
        received.update(await receive(bob, 1))
    assert LinkState.LOST not in rig.logs["ann"].states()


@pytest.mark.parametrize("trouble", ["none", "stalled", "blocked", "gone"])
async def test_close_under_load_is_quick_and_leaves_nothing(rig: RabbitRig, trouble: str) -> None:
    before = asyncio.all_tasks()
    ann, bob = await rig.transport("ann"), await rig.transport("bob")
    lines = {task for task in asyncio.all_tasks() if "CuttableLink" in repr(task)}
    traffic = Traffic(ann, "bob", bob)
    await traffic.flows()
    if trouble == "stalled":
        rig.lines["ann"].stall()
    elif trouble == "blocked":
        await rig.vhost.node.fill()
        await rig.logs["ann"].becomes(LinkState.BLOCKED)
    elif trouble == "gone":
        await rig.lines["ann"].cut()

    began_s = asyncio.get_running_loop().time()
    await ann.close()
    took_s = asyncio.get_running_loop().time() - began_s
    if trouble == "blocked":
        await rig.vhost.node.relieve()

    assert took_s < 5.0
    results = await asyncio.gather(*traffic._sending, return_exceptions=True)
    assert {type(result) for result in results} == {LinkLost}
    traffic._receiving.cancel()
    await bob.close()
    await rig.close()
    await asyncio.gather(traffic._receiving, return_exceptions=True)
    left = asyncio.all_tasks() - before - lines
    assert not {task for task in left if "CuttableLink" not in repr(task)}


def living(*kinds: type) -> int:
    gc.collect()
    # By type: to ask anything else of the objects of other libraries may wake them up.
    return sum(issubclass(type(thing), kinds) for thing in gc.get_objects())


@pytest.mark.slow
async def test_hundred_reconnects_leave_no_more_behind_than_one(
    rig: RabbitRig, caplog: pytest.LogCaptureFixture
) -> None:
    # Captured tracebacks would keep every lost connection in memory.
    caplog.set_level(logging.CRITICAL, "aiormq")
    hasty = LinkPolicy(first_wait_s=0.001, longest_wait_s=0.001)
    ann, bob = await rig.transport("ann", policy=hasty), await rig.transport("bob")
    traffic = Traffic(ann, "bob", bob)

    async def count() -> tuple[int, ...]:
        await traffic.flows()
        line = rig.lines["ann"].connections
        consumers = await rig.vhost.node.ctl("list_consumers", "--vhost", rig.vhost.name)
        tasks = {t for t in asyncio.all_tasks() if "consumer" not in repr(t)}
        return (
            len({t.get_name() for t in tasks if not t.get_name().startswith("Task-")}),
            line,
            consumers.count("ann."),
            living(aiormq.Connection),
            living(aiormq.Channel),
        )

    await rig.cut("ann")
    await rig.links["ann"].opened()
    once = await count()
    for _ in range(100):
        await rig.cut("ann")
        await rig.links["ann"].opened()

    assert await count() == once
    assert rig.links["ann"].reconnects == 101
    await traffic.end()
