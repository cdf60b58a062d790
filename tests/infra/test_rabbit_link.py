"""A link and its transport on a broker that works: what goes through, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiormq
import pytest
from brokers import Vhost
from fakes.ports import yield_turns
from fakes.rabbit_rig import POLICY, TIMEOUT_S, RabbitRig, declare_lanes, receive

from actors.ports import Lane, LinkLost
from infra.rabbitmq.address import BrokerAddress
from infra.rabbitmq.errors import MessageTooLarge, NotPermitted, UnknownRecipient
from infra.rabbitmq.link import Incoming, LinkPolicy, LinkState, RabbitLink
from infra.rabbitmq.topology import EXCHANGE, MAX_MESSAGE_BYTES, Sizes, Topology
from infra.rabbitmq.transport import RabbitTransport
from infra.rabbitmq.window import WindowSize
from protocols.round_config import Roster


@pytest.fixture
async def rig(vhost: Vhost) -> AsyncIterator[RabbitRig]:
    made = RabbitRig(vhost)
    yield made
    await made.close()


async def test_one_of_several_hosts_is_enough(rig: RabbitRig) -> None:
    await rig.declare(["ann"])
    link = await rig.link("ann")
    dead = rig.lines["ann"]
    await dead.cut()
    alive = rig.vhost.node.port
    vhost = rig.vhost.name
    address = BrokerAddress.parse(
        [f"amqp://guest:guest@127.0.0.1:{port}/{vhost}" for port in (dead.port, alive, dead.port)]
    )
    rig.links["ann"] = link = RabbitLink("ann", address, policy=POLICY, notice=rig.logs["ann"])

    link.start()
    async with asyncio.timeout(TIMEOUT_S):
        await link.opened()

    assert rig.logs["ann"].changes[-1].reason == f"connected to 127.0.0.1:{alive}"


async def test_copy_that_got_past_the_rights_is_dropped(rig: RabbitRig) -> None:
    ann, bob = await rig.transport("ann"), await rig.transport("bob")
    async with aiormq.connect(rig.vhost.url) as connection:
        channel = await connection.channel()
        await channel.basic_publish(
            b"copy",
            exchange=EXCHANGE,
            routing_key="eve.ann.control",
            properties=aiormq.spec.Basic.Properties(
                headers={"CC": ["eve.bob.control", "eve.ann.bulk"]}
            ),
        )
    await ann.send("bob", b"hello", lane=Lane.CONTROL)
    await bob.send("ann", b"chunk", lane=Lane.BULK)

    assert await receive(bob, 1) == [b"hello"]
    assert sorted(await receive(ann, 2)) == [b"chunk", b"copy"]


# --- what is not there, or not allowed ------------------------------------------------------


async def test_missing_queue_is_explained_and_waited_for(rig: RabbitRig) -> None:
    link = await rig.link("ann")
    ann = RabbitTransport("ann", link)
    link.start()

    lost = await rig.logs["ann"].becomes(LinkState.LOST)
    assert "ann.control" in lost.reason
    assert "quorate broker apply" in lost.reason
    await rig.declare(["ann"])

    await ann.send("ann", b"hello", lane=Lane.CONTROL)
    assert await receive(ann, 1) == [b"hello"]


async def test_deleted_queue_is_explained_and_waited_for(rig: RabbitRig) -> None:
    ann = await rig.transport("ann")

    async with aiormq.connect(rig.vhost.url) as connection:
        await (await connection.channel()).queue_delete("ann.control")
    lost = await rig.logs["ann"].becomes(LinkState.LOST)
    assert "ann.control" in lost.reason
    assert "quorate broker apply" in lost.reason
    await declare_lanes(rig.vhost.url, ["ann"])

    await ann.send("ann", b"hello", lane=Lane.CONTROL)
    assert await receive(ann, 1) == [b"hello"]


async def test_deleted_exchange_is_explained_and_waited_for(rig: RabbitRig) -> None:
    ann = await rig.transport("ann")

    async with aiormq.connect(rig.vhost.url) as connection:
        await (await connection.channel()).exchange_delete(EXCHANGE)
    send = asyncio.create_task(ann.send("ann", b"hello", lane=Lane.CONTROL))
    lost = await rig.logs["ann"].becomes(LinkState.LOST)
    assert EXCHANGE in lost.reason
    assert "quorate broker apply" in lost.reason
    await declare_lanes(rig.vhost.url, ["ann"])

    await send
    assert await receive(ann, 1) == [b"hello"]


async def test_refused_account_is_explained_and_tried_again(rig: RabbitRig) -> None:
    await rig.declare(["ann"])
    patient = LinkPolicy(first_wait_s=0.02, refused_wait_s=0.2)
    stranger = rig.vhost.url.replace("guest:guest", "ann:not-yet-there")
    link = await rig.link("ann", url=stranger, policy=patient)
    link.start()

    lost = await rig.logs["ann"].becomes(LinkState.LOST)
    assert "user or password is refused" in lost.reason
    assert "not-yet-there" not in lost.reason
    await rig.vhost.account("ann", read=".*")
    await rig.vhost.node.ctl("change_password", "ann", "not-yet-there")

    async with asyncio.timeout(TIMEOUT_S):
        await link.opened()


async def test_missing_virtual_host_is_explained(rig: RabbitRig) -> None:
    url = rig.vhost.url.replace(rig.vhost.name, "nowhere")
    link = await rig.link("ann", url=url)
    link.start()

    lost = await rig.logs["ann"].becomes(LinkState.LOST)

    assert "virtual host" in lost.reason


async def test_messages_to_nobody_are_refused_and_those_between_them_arrive(
    rig: RabbitRig,
) -> None:
    ann, bob = await rig.transport("ann"), await rig.transport("bob")
    names = ["bob", "nobody"] * 100

    results = await asyncio.gather(
        *(ann.send(to, b"%d" % n, lane=Lane.CONTROL) for n, to in enumerate(names)),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [type(None), UnknownRecipient] * 100
    assert isinstance(results[1], UnknownRecipient)
    assert results[1].name == "nobody"
    assert len(set(await receive(bob, 100))) == 100


async def test_largest_message_arrives_and_a_larger_one_is_not_sent(rig: RabbitRig) -> None:
    ann = await rig.transport("ann")

    with pytest.raises(MessageTooLarge, match="16777217 bytes to 'ann'"):
        await ann.send("ann", bytes(MAX_MESSAGE_BYTES + 1), lane=Lane.BULK)
    await ann.send("ann", bytes(MAX_MESSAGE_BYTES), lane=Lane.BULK)

    assert await receive(ann, 1) == [bytes(MAX_MESSAGE_BYTES)]
    assert LinkState.LOST not in rig.logs["ann"].states()


async def test_message_that_no_empty_queue_would_take_is_not_sent(rig: RabbitRig) -> None:
    """A trainer's inbox, a classic queue, would refuse it for ever."""
    ann = await rig.transport("ann")
    limit_bytes = Sizes().trainer_control
    await _declare_inbox(rig)

    async with asyncio.timeout(TIMEOUT_S):
        with pytest.raises(MessageTooLarge, match=f"{limit_bytes + 1} bytes to 'cat'"):
            await ann.send("cat", bytes(limit_bytes + 1), lane=Lane.CONTROL)
        await ann.send("cat", bytes(limit_bytes), lane=Lane.CONTROL)


async def _declare_inbox(rig: RabbitRig) -> None:
    roster = Roster(federation="test", coordinator="boss", holders=(), trainers=("cat",))
    (inbox,) = (queue for queue in Topology(roster).queues() if queue.name == "cat.control")
    async with aiormq.connect(rig.vhost.url) as connection:
        channel = await connection.channel()
        await channel.queue_declare(inbox.name, durable=True, arguments=dict(inbox.arguments))
        source, key = inbox.source
        await channel.queue_bind(inbox.name, source, key)


async def test_forbidden_message_fails_alone(rig: RabbitRig) -> None:
    bob = await rig.transport("bob")
    url = await rig.vhost.account("test.ann", write=f"^{EXCHANGE}$", read=r"^ann\.")
    await rig.vhost.topics("test.ann", EXCHANGE, write=r"^ann\..*")
    ann = await rig.transport("ann", url=url)
    link = rig.links["ann"]

    def send(n: int) -> asyncio.Task[None]:
        sender = "eve" if n % 20 == 10 else "ann"
        key = f"{sender}.bob.control"
        return asyncio.create_task(link.publish(key, b"%d" % n, lane=Lane.CONTROL))

    results = await asyncio.gather(*(send(n) for n in range(100)), return_exceptions=True)

    wrong = {n for n in range(100) if isinstance(results[n], NotPermitted)}
    assert wrong == {10, 30, 50, 70, 90}
    assert "eve.bob.control" in str(results[10])
    assert [result for n, result in enumerate(results) if n not in wrong] == [None] * 95
    received: set[bytes] = set()
    while len(received) < 95:
        received.update(await receive(bob, 1))
    assert not received & {b"%d" % n for n in wrong}
    await ann.send("bob", b"after", lane=Lane.CONTROL)
    assert LinkState.LOST not in rig.logs["ann"].states()


async def test_account_that_may_send_nothing_is_told_so(rig: RabbitRig) -> None:
    await rig.declare(["bob"])
    ann = await rig.transport("ann", url=await rig.vhost.account("test.mute", read=r"^ann\."))

    results = await asyncio.gather(
        *(ann.send("bob", b"hello", lane=Lane.CONTROL) for _ in range(20)), return_exceptions=True
    )

    assert {type(result) for result in results} == {NotPermitted}


# --- windows, full queues, order of things --------------------------------------------------


async def test_full_queue_holds_up_its_own_senders_only(vhost: Vhost) -> None:
    rig = RabbitRig(vhost, Sizes(bulk=4 << 16))
    policy = LinkPolicy(bulk=WindowSize(messages=2, size_bytes=1 << 20))
    ann = await rig.transport("ann", policy=policy)
    await rig.declare(["bob", "cat"])
    bodies = [bytes([n]) + bytes((1 << 16) - 1) for n in range(12)]
    confirmed = asyncio.Semaphore(0)

    async def send(body: bytes) -> None:
        await ann.send("bob", body, lane=Lane.BULK)
        confirmed.release()

    sends = [asyncio.create_task(send(body)) for body in bodies]
    async with asyncio.timeout(TIMEOUT_S):
        for _ in range(4):
            await confirmed.acquire()
        # All the others are refused again and again now, and wait outside the window.
        for _ in range(20):
            await ann.send("cat", b"small", lane=Lane.BULK)
    assert sum(send.done() for send in sends) == 4

    received = await receive(await rig.transport("bob"), len(bodies))
    await asyncio.gather(*sends)
    assert sorted(received) == sorted(bodies)
    await rig.close()


async def test_vote_does_not_wait_behind_a_bulk_window_that_gets_no_answer(
    rig: RabbitRig,
) -> None:
    policy = LinkPolicy(bulk=WindowSize(messages=1, size_bytes=1 << 20))
    ann, bob = await rig.transport("ann", policy=policy), await rig.transport("bob")
    outlet = rig.links["ann"]._outlets[Lane.BULK]
    async with outlet.window.room(1 << 20):
        chunk = asyncio.create_task(ann.send("bob", b"chunk", lane=Lane.BULK))

        await ann.send("bob", b"vote", lane=Lane.CONTROL)

        assert await receive(bob, 1) == [b"vote"]
        assert not chunk.done()
    await chunk


async def test_cancelled_send_frees_its_window(rig: RabbitRig) -> None:
    policy = LinkPolicy(
        first_wait_s=0.02,
        longest_wait_s=0.2,
        control=WindowSize(messages=1, size_bytes=100),
    )
    ann, bob = await rig.transport("ann", policy=policy), await rig.transport("bob")
    window = rig.links["ann"]._outlets[Lane.CONTROL].window
    rig.lines["ann"].stall()
    first = asyncio.create_task(ann.send("bob", b"first", lane=Lane.CONTROL))
    second = asyncio.create_task(ann.send("bob", b"second", lane=Lane.CONTROL))
    await yield_turns()

    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert window.size_bytes == len(b"second")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    assert (window.messages, window.size_bytes) == (0, 0)
    await rig.lines["ann"].heal()
    await ann.send("bob", b"third", lane=Lane.CONTROL)
    assert await receive(bob, 1) == [b"third"]


# --- consuming ------------------------------------------------------------------------------


async def test_stale_and_repeated_acknowledgements_have_no_effect(rig: RabbitRig) -> None:
    ann = await rig.transport("ann")
    await ann.send("ann", b"hello", lane=Lane.CONTROL)
    stale = await anext(ann.deliveries())
    await rig.cut("ann")
    again = await anext(ann.deliveries())

    await stale.ack()
    await stale.ack()
    await again.ack()
    await again.ack()

    # A wrong tag would have closed the channel by the time the broker answers this.
    await ann.send("ann", b"more", lane=Lane.CONTROL)
    assert await receive(ann, 1) == [b"more"]
    assert rig.logs["ann"].states().count(LinkState.LOST) == 1
    assert (again.body, again.redelivered) == (b"hello", True)


async def test_acknowledgements_right_before_the_end_are_not_lost(rig: RabbitRig) -> None:
    ann, bob = await rig.transport("ann"), await rig.transport("bob", prefetch=200)
    await asyncio.gather(*(ann.send("bob", b"old", lane=Lane.BULK) for _ in range(200)))
    async with asyncio.timeout(TIMEOUT_S):
        taken = [await anext(bob.deliveries()) for _ in range(200)]

    await asyncio.gather(*(delivery.ack() for delivery in taken))
    await bob.close()

    bob = await rig.transport("bob")
    await ann.send("bob", b"new", lane=Lane.BULK)
    assert await receive(bob, 1) == [b"new"]


async def test_messages_that_were_waiting_when_the_link_broke_are_handed_out_once(
    rig: RabbitRig,
) -> None:
    ann, bob = await rig.transport("ann"), await rig.transport("bob", prefetch=8)
    for n in range(8):
        await ann.send("bob", b"%d" % n, lane=Lane.CONTROL)
    await anext(bob.deliveries())  # so that those behind it lie with the transport

    await rig.cut("bob")

    assert await receive(bob, 8) == [b"%d" % n for n in range(8)]


async def test_transport_without_bulk_needs_no_bulk_queue(rig: RabbitRig) -> None:
    await rig.declare(["ann"])
    async with aiormq.connect(rig.vhost.url) as connection:
        await (await connection.channel()).queue_delete("ann.bulk")

    ann = await rig.transport("ann", lanes=[Lane.CONTROL])

    await ann.send("ann", b"hello", lane=Lane.CONTROL)
    assert await receive(ann, 1) == [b"hello"]


async def test_subscription_can_begin_and_end_under_way_and_comes_back_with_new_arguments(
    rig: RabbitRig,
) -> None:
    await rig.declare(["ann", "bob"])
    bob = await rig.transport("bob")
    link = await rig.link("ann")
    link.start()
    taken: asyncio.Queue[Incoming] = asyncio.Queue()
    asked: list[int] = []

    def arguments() -> dict[str, int]:
        asked.append(len(asked))
        return {"x-priority": len(asked)}

    subscription = link.subscribe("ann.bulk", taken.put_nowait, prefetch=1, arguments=arguments)
    with pytest.raises(ValueError, match=r"ann\.bulk has a subscription"):
        link.subscribe("ann.bulk", taken.put_nowait, prefetch=1)
    await bob.send("ann", b"one", lane=Lane.BULK)
    first = await taken.get()
    await rig.cut("ann")
    again = await taken.get()
    assert (first.body, again.body, again.redelivered) == (b"one", b"one", True)
    assert asked == [0, 1]

    await link.unsubscribe(subscription)
    await again.ack()
    link.subscribe("ann.bulk", taken.put_nowait, prefetch=1)

    third = await taken.get()
    assert (third.body, third.key) == (b"one", "bob.ann.bulk")
    assert rig.logs["ann"].states().count(LinkState.LOST) == 1


async def test_headers_travel_as_they_were_given(rig: RabbitRig) -> None:
    await rig.declare(["ann"])
    link = await rig.link("ann")
    taken: asyncio.Queue[Incoming] = asyncio.Queue()
    link.subscribe("ann.bulk", taken.put_nowait, prefetch=1)
    link.start()
    headers = {"digest": bytes(range(256)), "chunk": 2**40, "small": -1, "name": "m\N{OX}del"}

    await link.publish("ann.ann.bulk", b"", lane=Lane.BULK, headers=headers)

    async with asyncio.timeout(TIMEOUT_S):
        assert (await taken.get()).headers == headers


# --- the end --------------------------------------------------------------------------------


async def test_close_while_connecting_or_waiting_ends_at_once(rig: RabbitRig) -> None:
    before = asyncio.all_tasks()
    link = await rig.link("ann")
    rig.lines["ann"].stall()
    link.start()
    waiting = asyncio.create_task(link.opened())
    await rig.lines["ann"].connected(1)

    async with asyncio.timeout(10.0):  # the attempt to connect would have 15 s
        await link.close()

    with pytest.raises(LinkLost, match="ann"):
        await waiting
    await rig.close()
    assert {t for t in asyncio.all_tasks() - before if "CuttableLink" not in repr(t)} == set()


async def test_link_that_was_never_started_can_be_closed(rig: RabbitRig) -> None:
    link = await rig.link("ann")

    await link.close()
    await link.close()
    link.start()

    with pytest.raises(LinkLost):
        await link.opened()
    with pytest.raises(LinkLost):
        await link.publish("ann.ann.control", b"", lane=Lane.CONTROL)


async def test_listener_that_fails_does_not_harm_the_link(rig: RabbitRig) -> None:
    await rig.declare(["ann"])
    address = BrokerAddress.parse(rig.vhost.url)

    def broken(_: object) -> None:
        raise OSError("the disk of the status file is full")

    link = rig.links["ann"] = RabbitLink("ann", address, notice=broken)
    link.start()

    async with asyncio.timeout(TIMEOUT_S):
        await link.opened()
