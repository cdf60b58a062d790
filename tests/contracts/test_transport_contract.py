"""What every transport promises."""

import asyncio

import pytest
from contracts.homes import TransportHome
from fakes.ports import yield_turns

from actors.ports import Delivery, Lane, LinkLost, PortError, Transport

TIMEOUT_S = 20.0


async def take(link: Transport, count: int) -> list[Delivery]:
    """Return the next deliveries, unacknowledged."""
    incoming = link.deliveries()
    async with asyncio.timeout(TIMEOUT_S):
        return [await anext(incoming) for _ in range(count)]


async def take_and_ack(link: Transport, count: int) -> list[bytes]:
    """Return the next bodies, each acknowledged before the next is taken."""
    bodies = []
    for _ in range(count):
        (delivery,) = await take(link, 1)
        bodies.append(delivery.body)
        await delivery.ack()
    return bodies


def numbered(count: int) -> list[bytes]:
    return [b"%03d" % number for number in range(count)]


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("body", [b"", b"hello", bytes(1 << 20)])
async def test_message_arrives_as_it_was_sent(
    network: TransportHome, lane: Lane, body: bytes
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")

    await ann.send("bob", body, lane=lane)

    (delivery,) = await take(bob, 1)
    assert delivery.body == body
    assert delivery.sender == "ann"
    assert not delivery.redelivered


async def test_actor_can_send_to_itself(network: TransportHome) -> None:
    ann = await network.connect("ann")

    await ann.send("ann", b"note", lane=Lane.CONTROL)

    assert await take_and_ack(ann, 1) == [b"note"]


async def test_message_to_an_absent_actor_waits_for_it(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await bob.close()

    await ann.send("bob", b"hello", lane=Lane.CONTROL)
    await ann.close()

    assert await take_and_ack(await network.connect("bob"), 1) == [b"hello"]


async def test_unknown_recipient_is_refused_by_name(network: TransportHome) -> None:
    ann = await network.connect("ann")

    with pytest.raises(PortError, match="nobody"):
        await ann.send("nobody", b"hello", lane=Lane.CONTROL)


async def test_much_more_than_a_queue_holds_all_arrives(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob", prefetch=4)
    bodies = [body + bytes(4093) for body in numbered(700)]

    async def send_all() -> None:
        for body in bodies:
            await ann.send("bob", body, lane=Lane.BULK)

    sending = asyncio.create_task(send_all())
    received = await take_and_ack(bob, len(bodies))
    await sending

    assert sorted(received) == bodies


async def test_sends_of_several_actors_at_once_all_arrive(network: TransportHome) -> None:
    bob = await network.connect("bob")
    links = [await network.connect(f"trainer-{n}") for n in range(5)]
    sends = [
        link.send("bob", b"%d/%d" % (n, m), lane=Lane.BULK)
        for n, link in enumerate(links)
        for m in range(20)
    ]

    sending = asyncio.gather(*sends)
    received = await take_and_ack(bob, len(sends))
    await sending

    assert len(set(received)) == len(sends)


async def test_no_more_than_the_prefetch_is_handed_out(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob", prefetch=2)
    for body in numbered(3):
        await ann.send("bob", body, lane=Lane.BULK)
    first, _ = await take(bob, 2)

    third = asyncio.create_task(take(bob, 1))
    await yield_turns()
    assert not third.done()
    await first.ack()

    (delivery,) = await third
    assert delivery.body == b"002"


async def test_full_hands_on_one_lane_do_not_hold_up_the_other(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob", prefetch=1)
    await ann.send("bob", b"chunk", lane=Lane.BULK)
    await ann.send("bob", b"chunk", lane=Lane.BULK)
    await take(bob, 1)

    await ann.send("bob", b"vote", lane=Lane.CONTROL)

    (vote,) = await take(bob, 1)
    assert vote.body == b"vote"


async def test_neither_lane_starves_the_other(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    for _ in range(10):
        await ann.send("bob", b"chunk", lane=Lane.BULK)
        await ann.send("bob", b"vote", lane=Lane.CONTROL)

    first = await take_and_ack(bob, 10)

    assert set(first) == {b"chunk", b"vote"}


@pytest.mark.parametrize("end", ["close", "cut"])
async def test_unacknowledged_messages_come_again_in_order_before_newer_ones(
    network: TransportHome, end: str
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob", prefetch=4)
    for body in numbered(6):
        await ann.send("bob", body, lane=Lane.BULK)
    taken = await take(bob, 4)
    await taken[1].ack()
    await take(bob, 1)  # there is room for it only once the acknowledgement has arrived

    await (bob.close() if end == "close" else network.cut("bob"))
    bob = await network.connect("bob", prefetch=4)
    again = await take(bob, 4)
    await again[0].ack()
    again += await take(bob, 1)

    assert [delivery.body for delivery in again] == [b"000", b"002", b"003", b"004", b"005"]
    assert [delivery.redelivered for delivery in again] == [True, True, True, True, False]


async def test_acknowledged_message_never_comes_again(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await ann.send("bob", b"old", lane=Lane.CONTROL)
    await take_and_ack(bob, 1)
    await bob.close()

    bob = await network.connect("bob")
    await ann.send("bob", b"new", lane=Lane.CONTROL)

    assert await take_and_ack(bob, 1) == [b"new"]


@pytest.mark.parametrize("end", ["close", "cut"])
async def test_acknowledgement_on_a_dead_link_has_no_effect(
    network: TransportHome, end: str
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await ann.send("bob", b"hello", lane=Lane.CONTROL)
    (stale,) = await take(bob, 1)
    await (bob.close() if end == "close" else network.cut("bob"))
    bob = await network.connect("bob")

    await stale.ack()
    (again,) = await take(bob, 1)
    await stale.ack()
    await bob.close()

    assert again.body == b"hello"
    (third,) = await take(await network.connect("bob"), 1)
    assert third.body == b"hello"


async def test_iteration_ends_when_the_link_is_closed(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await ann.send("bob", b"hello", lane=Lane.CONTROL)

    async def read() -> list[bytes]:
        return [delivery.body async for delivery in bob.deliveries()]

    reading = asyncio.create_task(read())
    await yield_turns()
    await bob.close()
    await bob.close()

    async with asyncio.timeout(TIMEOUT_S):
        assert set(await reading) <= {b"hello"}


async def test_iteration_says_that_the_link_is_lost_or_goes_on_once_it_healed(
    network: TransportHome,
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    reading = asyncio.create_task(take(bob, 1))
    await yield_turns()

    await network.cut("bob")

    if network.heals:
        await ann.send("bob", b"hello", lane=Lane.CONTROL)
        assert [delivery.body for delivery in await reading] == [b"hello"]
        return
    with pytest.raises(LinkLost):
        await reading
    with pytest.raises(LinkLost):
        await take(bob, 1)


async def test_send_on_a_broken_link_says_so_or_arrives_once_it_healed(
    network: TransportHome,
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await network.cut("ann")

    if network.heals:
        await ann.send("bob", b"hello", lane=Lane.CONTROL)
        assert await take_and_ack(bob, 1) == [b"hello"]
        return
    with pytest.raises(LinkLost, match="ann"):
        await ann.send("bob", b"hello", lane=Lane.CONTROL)


async def test_send_on_a_closed_link_says_so(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await ann.close()

    with pytest.raises(LinkLost, match="ann"):
        await ann.send("bob", b"hello", lane=Lane.CONTROL)

    await bob.close()


async def test_send_that_waits_for_room_ends_when_its_link_is_closed(
    network: TransportHome,
) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob", prefetch=1)

    async def send_for_ever() -> None:
        while True:
            await ann.send("bob", bytes(1 << 16), lane=Lane.BULK)

    sending = asyncio.create_task(send_for_ever())
    await take(bob, 1)
    await ann.close()

    with pytest.raises(LinkLost, match="ann"):
        async with asyncio.timeout(TIMEOUT_S):
            await sending


async def test_cancelled_wait_for_a_message_takes_none(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    waiting = asyncio.create_task(take(bob, 1))
    await yield_turns()

    await ann.send("bob", b"hello", lane=Lane.CONTROL)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if waiting.cancelled():
        (delivery,) = await take(bob, 1)
    else:
        (delivery,) = waiting.result()

    assert delivery.body == b"hello"


async def test_new_link_of_a_name_works_after_the_old_one_broke(network: TransportHome) -> None:
    ann, bob = await network.connect("ann"), await network.connect("bob")
    await network.cut("ann")

    ann = await network.connect("ann")
    await ann.send("bob", b"back", lane=Lane.CONTROL)

    assert await take_and_ack(bob, 1) == [b"back"]
