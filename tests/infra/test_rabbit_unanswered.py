"""A link to a broker that works, but for one question that it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from fakes.hand_made_broker import TIMEOUT_S, HandMadeBroker
from fakes.ports import yield_turns
from fakes.rabbit_rig import LinkLog
from pamqp.commands import Connection

from actors.ports import Lane, LinkLost
from infra.rabbitmq.errors import NotPermitted
from infra.rabbitmq.link import Incoming, LinkPolicy, LinkState, RabbitLink
from infra.rabbitmq.topology import MAX_MESSAGE_BYTES

HASTY = LinkPolicy(first_wait_s=0.01, longest_wait_s=0.02, answer_s=0.3, close_s=0.3)
PATIENT = LinkPolicy(close_s=0.3)


@pytest.fixture
async def peer() -> AsyncIterator[HandMadeBroker]:
    async with HandMadeBroker() as made:
        yield made


class Rig:
    """A link, and what it went through."""

    def __init__(self, peer: HandMadeBroker, policy: LinkPolicy) -> None:
        self.log = LinkLog()
        self.link = RabbitLink("ann", peer.address, policy=policy, notice=self.log)

    async def opened(self) -> None:
        self.link.start()
        async with asyncio.timeout(TIMEOUT_S):
            await self.link.opened()


@pytest.fixture
async def hasty(peer: HandMadeBroker) -> AsyncIterator[Rig]:
    made = Rig(peer, HASTY)
    await made.opened()
    yield made
    await made.link.close()


@pytest.fixture
async def patient(peer: HandMadeBroker) -> AsyncIterator[Rig]:
    made = Rig(peer, PATIENT)
    await made.opened()
    yield made
    await made.link.close()


def ignore(_: Incoming) -> None:
    pass


async def ended(task: asyncio.Task[None]) -> None:
    """Wait for the end of a task, whatever it is."""
    _, rest = await asyncio.wait([task], timeout=TIMEOUT_S)
    assert not rest, f"{task} goes on"


# --- questions that get no answer -----------------------------------------------------------


@pytest.mark.parametrize("method", ["Channel.Open", "Basic.Qos", "Basic.Consume"])
async def test_subscription_that_is_not_answered_loses_the_session_and_comes_back(
    peer: HandMadeBroker, hasty: Rig, method: str
) -> None:
    peer.held.add(method)

    hasty.link.subscribe("slow", ignore, prefetch=1)

    lost = await hasty.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("subscribing to queue slow was not answered in time")
    peer.release()
    await peer.until(lambda: peer.consumed == ["slow"])


@pytest.mark.parametrize("method", ["Basic.Cancel", "Channel.Close"])
async def test_end_of_a_subscription_that_is_not_answered_loses_the_session(
    peer: HandMadeBroker, hasty: Rig, method: str
) -> None:
    subscription = hasty.link.subscribe("slow", ignore, prefetch=1)
    await peer.until(lambda: peer.consumed == ["slow"])
    peer.held.add(method)

    await ended(asyncio.create_task(hasty.link.unsubscribe(subscription)))

    lost = await hasty.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("ending the subscription to queue slow was not answered in time")
    peer.release()
    hasty.link.subscribe("next", ignore, prefetch=1)
    await peer.until(lambda: peer.consumed == ["next"])


# --- streams that have no copy on this node -------------------------------------------------


async def test_stream_without_a_copy_here_is_read_once_it_has_one_and_costs_nothing_else(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, PATIENT)
    peer.homeless.add("stream")
    rig.link.subscribe("stream", ignore, prefetch=1)
    rig.link.subscribe("queue", ignore, prefetch=1)

    await rig.opened()

    assert peer.consumed == ["queue"]
    asked = peer.asked["Basic.Consume"]
    await peer.until(lambda: peer.asked["Basic.Consume"] > asked)
    peer.homeless.clear()
    await peer.until(lambda: peer.consumed == ["queue", "stream"])
    assert rig.log.states() == [LinkState.CONNECTING, LinkState.OPEN]
    await rig.link.close()


async def test_stream_that_gets_no_copy_here_is_looked_for_on_another_node(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, replace(HASTY, answer_s=PATIENT.answer_s, replica_s=0.1))
    peer.homeless.add("stream")
    rig.link.subscribe("stream", ignore, prefetch=1)

    await rig.opened()

    lost = await rig.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("stream has no copy on this node of the broker")
    peer.homeless.clear()
    await peer.until(lambda: peer.consumed == ["stream"])
    await rig.link.close()


async def test_stream_without_a_copy_here_need_not_be_waited_for(peer: HandMadeBroker) -> None:
    rig = Rig(peer, PATIENT)
    peer.homeless.add("stream")
    subscription = rig.link.subscribe("stream", ignore, prefetch=1)
    await rig.opened()

    await ended(asyncio.create_task(rig.link.unsubscribe(subscription)))
    rig.link.subscribe("queue", ignore, prefetch=1)

    await peer.until(lambda: peer.consumed == ["queue"])
    assert rig.log.states() == [LinkState.CONNECTING, LinkState.OPEN]
    await rig.link.close()


async def refuse_one(peer: HandMadeBroker, link: RabbitLink, *, first: object = None) -> None:
    """Have one message refused, which costs its lane the channel; send a notice before."""
    peer.held.add("Basic.Publish")
    sending = asyncio.create_task(link.publish("ann.bob.bulk", b"", lane=Lane.BULK))
    await peer.until(lambda: "Basic.Publish" in peer.asked)
    if first is not None:
        peer.tell(first)
    peer.refuse("Basic.Publish")
    with pytest.raises(NotPermitted):
        await sending


async def test_lane_whose_new_channel_is_not_answered_loses_the_session(
    peer: HandMadeBroker, hasty: Rig
) -> None:
    peer.held.add("Channel.Open")

    await refuse_one(peer, hasty.link)

    lost = await hasty.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("opening a channel for bulk was not answered in time")


async def test_lane_waits_for_its_new_channel_while_the_broker_reads_nothing(
    peer: HandMadeBroker, hasty: Rig
) -> None:
    peer.held.add("Channel.Open")
    await refuse_one(peer, hasty.link, first=Connection.Blocked("memory"))

    await asyncio.sleep(3 * HASTY.answer_s)

    assert hasty.link.state is LinkState.BLOCKED
    peer.tell(Connection.Unblocked())
    await hasty.log.becomes(LinkState.LOST, after=len(hasty.log.changes))


async def test_end_of_a_subscription_that_the_library_gives_up_loses_the_session(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, LinkPolicy(heartbeat_s=1))
    await rig.opened()
    subscription = rig.link.subscribe("slow", ignore, prefetch=1)
    await peer.until(lambda: peer.consumed == ["slow"])
    peer.held.add("Channel.Close")

    await rig.link.unsubscribe(subscription)

    lost = await rig.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("closing the channel of queue slow was not answered")
    await rig.link.close()


async def test_link_to_a_broker_that_reads_nothing_closes_in_time(
    peer: HandMadeBroker, patient: Rig
) -> None:
    peer.ignore()
    sending = asyncio.create_task(
        patient.link.publish("ann.bob.bulk", bytes(MAX_MESSAGE_BYTES), lane=Lane.BULK)
    )
    await yield_turns()

    async with asyncio.timeout(TIMEOUT_S):
        await patient.link.close()

    with pytest.raises(LinkLost):
        await sending


async def test_link_ends_its_subscriptions_before_it_says_goodbye(peer: HandMadeBroker) -> None:
    rig = Rig(peer, PATIENT)
    rig.link.subscribe("queue", ignore, prefetch=1)
    await rig.opened()

    await rig.link.close()

    assert peer.asked.get("Basic.Cancel") == 1


# --- messages that are not confirmed --------------------------------------------------------


async def test_message_that_is_not_confirmed_loses_the_session_and_is_sent_again(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, LinkPolicy(first_wait_s=0.01, longest_wait_s=0.02, confirm_s=0.3, close_s=0.3))
    await rig.opened()
    peer.held.add("Basic.Publish")

    sending = asyncio.create_task(rig.link.publish("ann.bob.bulk", b"", lane=Lane.BULK))

    lost = await rig.log.becomes(LinkState.LOST)
    assert lost.reason.endswith("a message to 'bob' was not confirmed in 0.3 s")
    await peer.until(lambda: peer.asked["Basic.Publish"] == 2)
    again = await rig.log.becomes(LinkState.LOST, after=len(rig.log.changes))
    assert again.reason.endswith("a message to 'bob' was not confirmed in 0.6 s")
    sending.cancel()
    await rig.link.close()


async def test_message_may_wait_for_its_confirmation_while_the_broker_reads_nothing(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, LinkPolicy(confirm_s=0.2, close_s=0.3))
    await rig.opened()
    peer.held.add("Basic.Publish")
    sending = asyncio.create_task(rig.link.publish("ann.bob.bulk", b"", lane=Lane.BULK))
    await peer.until(lambda: "Basic.Publish" in peer.asked)
    peer.tell(Connection.Blocked("memory"))
    await rig.log.becomes(LinkState.BLOCKED)

    await asyncio.sleep(3 * 0.2)

    assert rig.link.state is LinkState.BLOCKED
    peer.tell(Connection.Unblocked())
    await rig.log.becomes(LinkState.LOST)
    sending.cancel()
    await rig.link.close()


# --- channels that refuse -------------------------------------------------------------------


async def test_message_that_a_channel_goes_on_to_refuse_is_sent_by_another(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, replace(PATIENT, refused_s=0.1))
    await rig.opened()
    peer.confirms, refused = True, set[int]()

    def refuses(channel: int) -> bool:
        refused.add(channel)
        return len(refused) == 1

    peer.refuses = refuses

    async with asyncio.timeout(TIMEOUT_S):
        await rig.link.publish("ann.bob.bulk", b"", lane=Lane.BULK)

    await peer.until(lambda: "Channel.Close" in peer.asked)
    assert len(refused) == 2
    assert rig.log.states() == [LinkState.CONNECTING, LinkState.OPEN]
    await rig.link.close()


async def test_queue_that_stays_full_costs_a_channel_now_and_then_only(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, replace(PATIENT, refused_s=0.05, renewal_s=0.3))
    await rig.opened()
    peer.confirms, peer.refuses = True, lambda channel: True
    opened, began_s = peer.asked["Channel.Open"], asyncio.get_running_loop().time()
    sending = [
        asyncio.create_task(rig.link.publish(f"ann.bob-{number}.bulk", b"", lane=Lane.BULK))
        for number in range(20)
    ]

    await peer.until(lambda: peer.asked["Channel.Open"] == opened + 4)

    assert asyncio.get_running_loop().time() - began_s > 3 * 0.3
    peer.refuses = lambda channel: False
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*sending)
    assert rig.log.states() == [LinkState.CONNECTING, LinkState.OPEN]
    await rig.link.close()


async def test_channel_that_is_replaced_is_not_closed_before_its_messages_are_confirmed(
    peer: HandMadeBroker,
) -> None:
    rig = Rig(peer, replace(PATIENT, refused_s=0.05))
    await rig.opened()
    peer.held.add("Basic.Publish")
    slow = asyncio.create_task(rig.link.publish("ann.bob.bulk", b"", lane=Lane.BULK))
    await peer.until(lambda: "Basic.Publish" in peer.asked)
    peer.held.clear()
    first, opened = set[int](), peer.asked["Channel.Open"]

    def refuses(channel: int) -> bool:
        first.add(channel)
        return len(first) == 1

    peer.confirms, peer.refuses = True, refuses
    async with asyncio.timeout(TIMEOUT_S):
        await rig.link.publish("ann.cas.bulk", b"", lane=Lane.BULK)

    assert peer.asked["Channel.Open"] == opened + 1
    assert "Channel.Close" not in peer.asked
    assert not slow.done()
    peer.confirm_held()
    async with asyncio.timeout(TIMEOUT_S):
        await slow
    await peer.until(lambda: "Channel.Close" in peer.asked)
    await rig.link.close()


# --- an end that is interrupted -------------------------------------------------------------


async def test_cancelled_end_of_a_subscription_happens_all_the_same(
    peer: HandMadeBroker, patient: Rig
) -> None:
    subscription = patient.link.subscribe("first", ignore, prefetch=1)
    await peer.until(lambda: peer.consumed == ["first"])
    peer.held.add("Basic.Consume")
    patient.link.subscribe("second", ignore, prefetch=1)
    await peer.until(lambda: peer.asked["Basic.Consume"] == 2)
    unsubscribing = asyncio.create_task(patient.link.unsubscribe(subscription))
    await yield_turns()

    unsubscribing.cancel()
    await ended(unsubscribing)
    peer.release()

    await peer.until(lambda: peer.consumed == ["second"])
    assert LinkState.LOST not in patient.log.states()


@pytest.mark.parametrize("turns", range(20))
async def test_cancellation_is_not_lost_whenever_it_comes(
    peer: HandMadeBroker, patient: Rig, turns: int
) -> None:
    subscription = patient.link.subscribe("queue", ignore, prefetch=1)
    await peer.until(lambda: peer.consumed == ["queue"])
    peer.held.add("Channel.Close")

    async def end_and_wait() -> None:
        await patient.link.unsubscribe(subscription)
        await asyncio.Event().wait()

    task = asyncio.create_task(end_and_wait())
    await peer.until(lambda: "Channel.Close" in peer.asked)
    peer.release()
    await yield_turns(turns)

    task.cancel()

    await asyncio.wait([task], timeout=1.0)
    assert task.cancelled()
