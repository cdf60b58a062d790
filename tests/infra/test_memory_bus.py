"""What the in-memory bus does beyond the contract of a transport."""

import asyncio
from random import Random

import pytest
from fakes.ports import yield_turns

from actors.ports import Delivery, Lane, LinkLost, PortError, Transport
from infra.memory_blobs import BlobsFull
from infra.memory_bus import AlreadyConnected, MemoryBus, MessageTooLarge, UnknownRecipient
from infra.memory_queue import BusLimits, SendersCrowded, Sent
from protocols.pieces import Pieces


def bus_of(*names: str, bus: MemoryBus | None = None) -> MemoryBus:
    bus = bus or MemoryBus()
    for name in names:
        bus.declare(name)
    return bus


def small_bus(messages: int = 2, size_bytes: int = 100) -> MemoryBus:
    limits = BusLimits(queue_messages=messages, queue_bytes=size_bytes, message_bytes=size_bytes)
    return bus_of("ann", "bob", "cat", "dan", bus=MemoryBus(limits))


def sending(link: Transport, body: bytes, lane: Lane = Lane.BULK) -> asyncio.Task[None]:
    return asyncio.create_task(link.send("bob", body, lane=lane))


async def take(link: Transport, count: int) -> list[Delivery]:
    incoming = link.deliveries()
    return [await anext(incoming) for _ in range(count)]


async def drain(link: Transport, count: int) -> list[bytes]:
    bodies = []
    for _ in range(count):
        (delivery,) = await take(link, 1)
        bodies.append(delivery.body)
        await delivery.ack()
    return bodies


async def test_send_waits_while_the_queue_is_full_of_messages() -> None:
    bus = small_bus(messages=2)
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    await ann.send("bob", b"1", lane=Lane.BULK)

    third = sending(ann, b"2")
    await yield_turns()
    assert not third.done()
    (first,) = await take(bob, 1)
    await yield_turns()
    assert not third.done(), "room is held until the acknowledgement"
    await first.ack()

    await third
    assert bus.depth("bob", Lane.BULK) == 2


async def test_send_waits_while_the_queue_is_full_of_bytes() -> None:
    bus = small_bus(messages=50, size_bytes=100)
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", bytes(60), lane=Lane.BULK)

    second = sending(ann, bytes(41))
    await yield_turns()
    assert not second.done()
    await drain(bob, 1)

    await second


async def test_full_lane_holds_up_neither_the_other_lane_nor_other_recipients() -> None:
    bus = small_bus(messages=1)
    ann = bus.connect("ann")
    await ann.send("bob", b"chunk", lane=Lane.BULK)
    waiting = sending(ann, b"chunk")

    await ann.send("bob", b"vote", lane=Lane.CONTROL)
    await ann.send("cat", b"chunk", lane=Lane.BULK)

    assert not waiting.done()
    waiting.cancel()


async def test_waiting_senders_get_room_in_the_order_they_came() -> None:
    bus = small_bus(messages=1)
    links = [bus.connect(name) for name in ("ann", "cat", "dan")]
    bob = bus.connect("bob")
    await links[0].send("bob", b"first", lane=Lane.BULK)
    sends = []
    for link in (*links, links[0]):
        sends.append(sending(link, b"%d" % len(sends)))
        await yield_turns()

    for count in range(4):
        await drain(bob, 1)
        await yield_turns()
        assert [send.done() for send in sends] == [n <= count for n in range(4)]


async def test_small_message_does_not_overtake_a_large_one_that_waits() -> None:
    bus = small_bus(messages=50, size_bytes=100)
    ann, cat, bob = bus.connect("ann"), bus.connect("cat"), bus.connect("bob")
    await ann.send("bob", bytes(50), lane=Lane.BULK)

    large, small = sending(ann, bytes(100)), sending(cat, b"small")
    await yield_turns()

    assert not large.done()
    assert not small.done()
    assert [len(body) for body in await drain(bob, 3)] == [50, 100, 5]


async def test_cancelled_large_send_lets_the_small_one_behind_it_through() -> None:
    bus = small_bus(messages=50, size_bytes=100)
    ann, cat, bob = bus.connect("ann"), bus.connect("cat"), bus.connect("bob")
    await ann.send("bob", bytes(50), lane=Lane.BULK)
    large, small = sending(ann, bytes(100)), sending(cat, b"small")
    await yield_turns()

    large.cancel()

    await small
    assert [len(body) for body in await drain(bob, 2)] == [50, 5]


async def test_cancelled_sends_leak_no_room() -> None:
    bus = small_bus(messages=2)
    ann, bob = bus.connect("ann"), bus.connect("bob")
    for _ in range(30):
        sends = [sending(ann, b"x") for _ in range(5)]
        await yield_turns()
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        await drain(bob, 2)

    assert bus.depth("bob", Lane.BULK) == 0
    await ann.send("bob", bytes(50), lane=Lane.BULK)
    await ann.send("bob", bytes(50), lane=Lane.BULK)


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_send_cancelled_while_room_comes_is_sent_once_or_not_at_all(
    *, cancel_first: bool
) -> None:
    bus = small_bus(messages=1)
    ann, cat, bob = bus.connect("ann"), bus.connect("cat"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    (first,) = await take(bob, 1)
    torn, behind = sending(ann, b"torn"), sending(cat, b"behind")
    await yield_turns()

    if cancel_first:
        torn.cancel()
    await first.ack()
    torn.cancel()
    await asyncio.gather(torn, return_exceptions=True)

    bodies = [b"behind"] if cancel_first else [b"torn", b"behind"]
    assert await drain(bob, len(bodies)) == bodies
    await behind
    assert torn.cancelled()
    assert bus.depth("bob", Lane.BULK) == 0


async def test_pending_send_raises_when_its_link_breaks_and_holds_no_room() -> None:
    bus = small_bus(messages=1)
    ann, cat, bob = bus.connect("ann"), bus.connect("cat"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    lost, other = sending(ann, b"lost"), sending(cat, b"other")
    await yield_turns()

    bus.disconnect("ann")

    with pytest.raises(LinkLost, match="broken"):
        await lost
    assert await drain(bob, 2) == [b"0", b"other"]
    await other


async def test_link_that_breaks_before_the_confirmation_leaves_the_send_unknown() -> None:
    bus = bus_of("ann", "bob")
    ann, bob = bus.connect("ann"), bus.connect("bob")
    send = sending(ann, b"arrived")
    await yield_turns(1)

    bus.disconnect("ann")

    with pytest.raises(LinkLost, match="unknown"):
        await send
    assert await drain(bob, 1) == [b"arrived"]


async def test_senders_wait_on_when_the_recipient_breaks_and_comes_back() -> None:
    bus = small_bus(messages=2)
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    await ann.send("bob", b"1", lane=Lane.BULK)
    waiting = sending(ann, b"2")
    await take(bob, 2)

    bus.disconnect("bob")
    await yield_turns()

    assert not waiting.done()
    assert await drain(bus.connect("bob"), 3) == [b"0", b"1", b"2"]
    await waiting


async def test_messages_lost_twice_keep_their_place() -> None:
    bus = bus_of("ann", "bob")
    ann, bob = bus.connect("ann"), bus.connect("bob", prefetch=3)
    for body in (b"0", b"1", b"2", b"3"):
        await ann.send("bob", body, lane=Lane.BULK)
    await take(bob, 3)
    bus.disconnect("bob")
    bob = bus.connect("bob", prefetch=3)
    await take(bob, 1)

    bus.disconnect("bob")

    assert await drain(bus.connect("bob"), 4) == [b"0", b"1", b"2", b"3"]


async def test_second_acknowledgement_frees_no_room() -> None:
    bus = bus_of("ann", "bob")
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    await ann.send("bob", b"1", lane=Lane.BULK)
    (delivery,) = await take(bob, 1)

    await delivery.ack()
    await delivery.ack()

    assert bus.depth("bob", Lane.BULK) == 1


@pytest.mark.parametrize("closed", [True, False])
async def test_acknowledgement_on_a_dead_link_frees_no_room(*, closed: bool) -> None:
    bus = bus_of("ann", "bob")
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    (stale,) = await take(bob, 1)
    if closed:
        await bob.close()
    else:
        bus.disconnect("bob")

    await stale.ack()

    assert bus.depth("bob", Lane.BULK) == 1


async def test_senders_take_turns_and_each_keeps_its_order() -> None:
    bus = bus_of("ann", "bob", "cat")
    ann, bob, cat = (bus.connect(name) for name in ("ann", "bob", "cat"))
    for link, letter in ((ann, b"a"), (cat, b"c")):
        for number in range(3):
            await link.send("bob", b"%s%d" % (letter, number), lane=Lane.BULK)

    assert await drain(bob, 6) == [b"a0", b"c0", b"a1", b"c1", b"a2", b"c2"]


async def shuffled(seed: int) -> list[bytes]:
    bus = bus_of("ann", "bob", bus=MemoryBus(order=Random(seed)))
    ann, bob = bus.connect("ann"), bus.connect("bob", prefetch=8)
    for number in range(20):
        await ann.send("bob", b"%02d" % number, lane=Lane.BULK)
    lost = await take(bob, 8)
    bus.disconnect("bob")
    rest = await drain(bus.connect("bob"), 20)
    return [*(delivery.body for delivery in lost), *rest]


async def test_seeded_order_shuffles_one_senders_messages_repeatably() -> None:
    first, again, other = await shuffled(1), await shuffled(1), await shuffled(2)

    assert first == again
    assert first != other
    assert sorted(first[8:]) == [b"%02d" % number for number in range(20)] != first[8:]


async def test_duplicated_message_comes_twice() -> None:
    bus = MemoryBus(duplicate=lambda sent: sent.body == b"twice")
    bus_of("ann", "bob", bus=bus)
    ann, bob = bus.connect("ann"), bus.connect("bob")

    for body in (b"once", b"twice"):
        await ann.send("bob", body, lane=Lane.CONTROL)

    assert await drain(bob, 3) == [b"once", b"twice", b"twice"]
    assert bus.depth("bob", Lane.CONTROL) == 0


async def test_duplicate_is_left_out_where_the_queue_has_no_room_for_it() -> None:
    bus = MemoryBus(BusLimits(queue_messages=1), duplicate=lambda _: True)
    bus_of("ann", "bob", bus=bus)

    await bus.connect("ann").send("bob", b"once", lane=Lane.CONTROL)

    assert bus.depth("bob", Lane.CONTROL) == 1


async def test_observer_sees_each_message_once_when_it_is_accepted() -> None:
    seen: list[Sent] = []
    bus = bus_of("ann", "bob", bus=MemoryBus(BusLimits(queue_messages=1), seen.append))
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    waiting = sending(ann, b"1")
    await yield_turns()
    assert [sent.body for sent in seen] == [b"0"]

    await drain(bob, 1)
    bus.disconnect("bob")
    await drain(bus.connect("bob"), 1)
    await waiting

    assert seen[1] == Sent(sender="ann", recipient="bob", lane=Lane.BULK, body=b"1")
    assert len(seen) == 2


async def test_observer_sees_published_blobs_as_sent_to_all() -> None:
    seen: list[Sent] = []

    await MemoryBus(observer=seen.append).blobs("ann").publish(Pieces.of(b"state"))

    assert seen == [Sent(sender="ann", recipient="*", lane=Lane.BULK, body=b"state")]


async def test_message_is_copied_when_send_is_called() -> None:
    bus = small_bus(messages=1)
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    buffer = bytearray(b"before")
    waiting = sending(ann, buffer)
    await yield_turns()

    buffer[:] = b"after "

    assert await drain(bob, 2) == [b"0", b"before"]
    await waiting


async def test_body_is_not_in_the_repr() -> None:
    sent = Sent(sender="ann", recipient="bob", lane=Lane.BULK, body=b"secret")

    assert "secret" not in repr(sent)


async def test_too_large_message_is_refused_and_takes_no_room() -> None:
    bus = small_bus(size_bytes=100)
    ann = bus.connect("ann")

    with pytest.raises(MessageTooLarge, match=r"101 bytes to 'bob'.*100"):
        await ann.send("bob", bytes(101), lane=Lane.BULK)

    assert bus.depth("bob", Lane.BULK) == 0
    await ann.send("bob", bytes(100), lane=Lane.BULK)


async def test_more_waiting_sends_than_the_limit_are_refused() -> None:
    bus = bus_of("ann", "bob", bus=MemoryBus(BusLimits(queue_messages=1, waiting_sends=1)))
    ann, bob = bus.connect("ann"), bus.connect("bob")
    await ann.send("bob", b"0", lane=Lane.BULK)
    waiting = sending(ann, b"1")
    await yield_turns()

    with pytest.raises(SendersCrowded, match="waiting_sends"):
        await ann.send("bob", b"2", lane=Lane.BULK)

    assert await drain(bob, 2) == [b"0", b"1"]
    await waiting


async def test_undeclared_names_are_refused() -> None:
    bus = bus_of("ann")
    ann = bus.connect("ann")

    with pytest.raises(UnknownRecipient, match=r"declare\('bob'\)"):
        await ann.send("bob", b"hello", lane=Lane.CONTROL)
    with pytest.raises(UnknownRecipient, match="bob"):
        bus.connect("bob")


async def test_name_has_one_live_link() -> None:
    bus = bus_of("ann")
    first = bus.connect("ann")

    with pytest.raises(AlreadyConnected, match="'ann'"):
        bus.connect("ann")

    await first.close()
    bus.connect("ann")


async def test_end_of_an_old_link_leaves_the_new_one_alone() -> None:
    bus = bus_of("ann")
    old = bus.connect("ann")
    bus.disconnect("ann")
    new = bus.connect("ann")

    await old.close()

    await new.send("ann", b"note", lane=Lane.CONTROL)
    assert await drain(new, 1) == [b"note"]


async def test_declaring_again_keeps_what_is_queued() -> None:
    bus = bus_of("ann", "bob")
    await bus.connect("ann").send("bob", b"0", lane=Lane.BULK)

    bus.declare("bob")

    assert bus.depth("bob", Lane.BULK) == 1


async def test_breaking_an_absent_link_is_fine() -> None:
    bus_of("ann").disconnect("ann")


async def test_blobs_are_bounded_per_publisher() -> None:
    bus = MemoryBus(BusLimits(blob_bytes=10))
    ann = bus.blobs("ann")
    await ann.publish(Pieces.of(bytes(6)))
    await bus.blobs("bob").publish(Pieces.of(bytes(10)))

    with pytest.raises(BlobsFull, match="retain"):
        await ann.publish(Pieces.of(bytes(5)))

    await ann.publish(Pieces.of(bytes(6)))
    await ann.retain([])
    await ann.publish(Pieces.of(bytes(5)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue_messages": 0},
        {"message_bytes": 0},
        {"waiting_sends": 0},
        {"blob_bytes": 0},
        {"queue_bytes": 10, "message_bytes": 11},
    ],
)
def test_limits_that_would_block_for_ever_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BusLimits(**wrong)


def test_prefetch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="prefetch"):
        bus_of("ann").connect("ann", prefetch=0)


async def test_errors_are_port_errors() -> None:
    kinds = (AlreadyConnected, BlobsFull, MessageTooLarge, SendersCrowded, UnknownRecipient)

    assert all(issubclass(kind, PortError) for kind in kinds)
