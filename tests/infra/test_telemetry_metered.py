"""A metered transport keeps every promise of the one inside, and counts."""

from __future__ import annotations

import asyncio

import pytest
from contracts import test_transport_contract as contract
from contracts.homes import MemoryTransportHome
from fakes.ports import FakeClock, yield_turns
from fakes.telemetry_parts import subject

from actors.ports import Lane, LinkLost, Transport
from infra.memory_bus import MemoryBus
from infra.telemetry.metered import MeteredTransport, Watch
from infra.telemetry.metrics import Metrics
from infra.telemetry.traffic import Inbox, Traffic


class Meter:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics(subject())
        self.inbox = Inbox(self.clock)
        self.heard: list[str] = []
        self.life: list[str] = []

    def around(self, transport: Transport, traffic: Traffic) -> MeteredTransport:
        watch = Watch(
            traffic=traffic,
            inbox=self.inbox,
            heard=self.heard.append,
            opened=lambda: self.life.append("opened"),
            closed=lambda: self.life.append("closed"),
        )
        return MeteredTransport(transport, watch)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"quorate_{name}", labels)


class MeteredHome(MemoryTransportHome):
    async def connect(self, name: str, *, prefetch: int = 16) -> Transport:
        meter = Meter()
        traffic = Traffic(meter.metrics.registry, meter.clock)
        return meter.around(await super().connect(name, prefetch=prefetch), traffic)


@pytest.fixture
async def network() -> MeteredHome:
    return MeteredHome()


# The whole contract, with `network` from here.
globals().update({name: t for name, t in vars(contract).items() if name.startswith("test_")})


def pair() -> tuple[Meter, MeteredTransport, Transport, MemoryBus]:
    bus, meter = MemoryBus(), Meter()
    for name in ("ann", "bob"):
        bus.declare(name)
    traffic = Traffic(meter.metrics.registry, meter.clock)
    return meter, meter.around(bus.connect("ann", prefetch=8), traffic), bus.connect("bob"), bus


async def test_what_goes_out_is_counted_once_confirmed() -> None:
    meter, ann, _, _ = pair()

    await ann.send("bob", b"12345", lane=Lane.BULK)
    await ann.send("bob", b"1", lane=Lane.CONTROL)

    assert meter.value("messages_total", direction="out", lane="bulk") == 1
    assert meter.value("message_bytes_total", direction="out", lane="bulk") == 5
    assert meter.value("message_bytes_total", direction="out", lane="control") == 1
    assert meter.value("send_seconds_count", lane="bulk") == 1
    assert meter.value("sends_pending", lane="bulk") == 0


async def test_a_failed_send_is_no_sent_message() -> None:
    meter, ann, _, bus = pair()
    bus.disconnect("ann")

    with pytest.raises(LinkLost):
        await ann.send("bob", b"12345", lane=Lane.BULK)

    assert meter.value("send_failures_total", lane="bulk") == 1
    assert meter.value("messages_total", direction="out", lane="bulk") is None
    assert meter.value("sends_pending", lane="bulk") == 0


async def test_the_oldest_unacknowledged_message_has_an_age() -> None:
    meter, ann, bob, _ = pair()
    await bob.send("ann", b"1", lane=Lane.CONTROL)
    await bob.send("ann", b"2", lane=Lane.CONTROL)
    incoming = ann.deliveries()

    first = await anext(incoming)
    await meter.clock.advance(5.0)
    second = await anext(incoming)
    await meter.clock.advance(2.0)

    assert (meter.inbox.depth, meter.inbox.oldest_s()) == (2, 7.0)
    await first.ack()
    assert (meter.inbox.depth, meter.inbox.oldest_s()) == (1, 2.0)
    await second.ack()
    assert (meter.inbox.depth, meter.inbox.oldest_s()) == (0, 0.0)


async def test_a_closed_transport_holds_nothing_and_its_actor_is_gone() -> None:
    meter, ann, bob, _ = pair()
    await bob.send("ann", b"1", lane=Lane.CONTROL)
    await anext(ann.deliveries())

    await ann.close()

    assert meter.inbox.depth == 0
    assert meter.life == ["opened", "closed"]


async def test_who_sent_a_message_was_heard_where_the_transport_vouches_for_it() -> None:
    class Vouching:
        body, redelivered, sender, lane = b"123", True, "bob", Lane.BULK

        async def ack(self) -> None: ...

    class OneMessage:
        async def send(self, to: str, body: bytes, *, lane: Lane) -> None: ...

        async def deliveries(self):  # type: ignore[no-untyped-def]
            yield Vouching()

        async def close(self) -> None: ...

    meter = Meter()
    ann = meter.around(OneMessage(), Traffic(meter.metrics.registry, meter.clock))

    delivery = await anext(ann.deliveries())

    assert meter.heard == ["bob"]
    assert getattr(delivery, "sender", None) == "bob"
    assert meter.value("messages_redelivered_total") == 1
    assert meter.value("message_bytes_total", direction="in", lane="bulk") == 3


async def test_a_cancelled_wait_for_a_message_does_not_end_the_iteration() -> None:
    _, ann, bob, _ = pair()
    incoming = ann.deliveries()
    waiting = asyncio.ensure_future(anext(incoming))
    await yield_turns()

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await bob.send("ann", b"later", lane=Lane.CONTROL)

    assert (await anext(incoming)).body == b"later"
