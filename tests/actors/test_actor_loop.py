"""What every actor does with a message: decide, store, record, send, acknowledge, in this order."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakSet

import pytest
from fakes.other_forms import in_another_form
from fakes.ports import (
    FakeClock,
    FakeJournal,
    FakeSpool,
    Writes,
    ports_of,
    yield_turns,
)
from fakes.round_parts import COORDINATOR, ROSTER, config_of, header_of
from fakes.round_parts import opened as opened_by
from fakes.signatures import IdealSignatures, signature_of, signed

from actors.actor import Actor, Decide, Ports
from actors.ports import Delivery, Lane, LinkLost, StorageFailed, Transport
from infra.memory_bus import MemoryBus
from infra.memory_queue import Sent
from protocols.codec import VERSION, opened, parse, seal
from protocols.effects import (
    CancelWork,
    CheckStream,
    Effect,
    Erase,
    Forget,
    Record,
    Report,
    Send,
    StoreChunk,
    Upload,
)
from protocols.errors import Misuse, PeerViolation
from protocols.messages import (
    Goodbye,
    Hello,
    ShareChunk,
    Unsupported,
    Vote,
    Welcome,
    Wire,
    read,
    received,
)
from protocols.reports import Incompatible, PeerFault
from protocols.secagg.chunks import chunk_count
from protocols.secagg.salts import SALT_BYTES
from protocols.trust.signing import Statement

SALT = b"s" * SALT_BYTES


class GatedJournal(FakeJournal):
    """A journal whose commits wait for a test's permission."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.error: Exception | None = None

    async def commit(self, writes: Any) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.error is not None:
            raise self.error
        await super().commit(writes)


class Probe(Actor):
    """An actor that does what a test says on every message."""

    def __init__(self, ports: Ports) -> None:
        super().__init__("holder-1", ROSTER, ports)
        self.at_start: list[Effect] = []
        self.at_stop: list[Effect] = []
        self.on_message: Callable[[str, Wire], list[Effect]] = lambda _sender, _message: []
        self.heard: list[Wire] = []
        self.checked: list[tuple[str, bool]] = []
        self.on_checked: list[Effect] = []
        self.work: dict[str, Callable[[], Any]] = {}

    async def restore(self, _records: dict[str, bytes]) -> list[Effect]:
        return self.at_start

    def asked_to_stop(self) -> list[Effect]:
        return self.at_stop

    def decide(self, sender: str, message: Wire, _signature: bytes) -> list[Effect]:
        self.heard.append(message)
        return self.on_message(sender, message)

    def perform(self, effect: Effect) -> None:
        assert isinstance(effect, Upload)
        self.begin(f"{effect.to}/send", self._work(effect.to))

    async def _work(self, name: str) -> Decide:
        result = await self.work[name]()
        return lambda: result

    def stream_checked(self, stream: str, *, ok: bool) -> list[Effect]:
        self.checked.append((stream, ok))
        return self.on_checked


class Scene:
    """One probe on a bus, with a sender at its side."""

    def __init__(self) -> None:
        self.leaving: list[tuple[str, Any]] = []
        self.bodies: list[bytes] = []
        self.strange: list[tuple[str, int, Unsupported]] = []  # in other versions
        self.bus = MemoryBus(observer=self._observe)
        for name in ("holder-1", COORDINATOR, "ann", "mallory"):
            self.bus.declare(name)
        self.journal, self.spool = GatedJournal(), FakeSpool()
        self.events: list[Any] = []
        self.links = {name: self.bus.connect(name) for name in ("ann", "mallory", COORDINATOR)}

    def _observe(self, sent: Sent) -> None:
        if sent.sender != "holder-1":
            return
        self.bodies.append(sent.body)
        envelope = opened(sent.body)
        if envelope.v == VERSION:
            self.leaving.append((sent.recipient, read(sent.body)[1]))
        else:
            answer = parse(envelope.body, Unsupported)
            self.strange.append((sent.recipient, envelope.v, answer))

    def emit(self, event: Any) -> None:
        self.events.append(event)

    def reconnect(self, probe: Probe) -> None:
        """Let a probe go on with a new link, as a transport that mends itself would."""
        probe.ports = replace(probe.ports, transport=self.bus.connect("holder-1"))

    async def tell(self, message: Any, sender: str = "ann") -> None:
        await self.tell_bytes(signed("test", sender, message), sender)

    async def tell_bytes(self, body: bytes, sender: str = "ann") -> None:
        await self.links[sender].send("holder-1", body, lane=Lane.CONTROL)

    async def before_it_is_durable(self, look: Callable[[], T]) -> T:
        """Say hello, look while the journal still writes, and return what was seen, later."""
        self.journal.gate.clear()
        await self.tell(HELLO)
        await yield_turns(60)
        seen = look()
        self.journal.gate.set()
        await yield_turns(60)
        return seen

    def depth(self) -> int:
        return self.bus.depth("holder-1", Lane.CONTROL)

    def build(self) -> Probe:
        transport = self.bus.connect("holder-1")
        return Probe(ports_of(transport, journal=self.journal, spool=self.spool, monitor=self))

    @asynccontextmanager
    async def playing(self, probe: Probe) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(probe.run())
        await yield_turns(40)
        try:
            yield task
        finally:
            probe.stop()
            await yield_turns(40)
            if not task.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await probe.ports.transport.close()


T = TypeVar("T")
HELLO = Hello(role="trainer", software="", suites=(), fields=(), sealing=())
WELCOME = Welcome(job="sum", number=1)


def writes(**values: bytes | None) -> Writes:
    return tuple(values.items())


async def test_a_message_is_acknowledged_only_once_its_decision_is_durable() -> None:
    scene = Scene()
    probe = scene.build()
    probe.on_message = lambda *_: [Send("ann", WELCOME), Record("vote", b"1")]

    async with scene.playing(probe):
        during = await scene.before_it_is_durable(
            lambda: (scene.journal.waiting, scene.depth(), list(scene.leaving))
        )

        assert during == (1, 1, [])
        assert scene.depth() == 0
        assert scene.leaving == [("ann", WELCOME)]
        assert scene.journal.commits == [writes(vote=b"1")]


async def test_chunks_are_stored_before_the_records_that_speak_of_them() -> None:
    scene = Scene()
    probe = scene.build()
    chunk = StoreChunk(config_of(), "s/share/ann", 0, b"x")
    probe.on_message = lambda *_: [Record("share", b"1"), chunk]
    scene.journal.gate.clear()

    async with scene.playing(probe):
        await scene.tell(HELLO)
        await yield_turns(60)

        assert scene.journal.waiting == 1
        assert scene.spool.chunks == {"s/share/ann": {0: b"x"}}


async def test_streams_are_erased_only_after_the_records_are_durable() -> None:
    scene = Scene()
    scene.spool.chunks = {"s/share/ann": {0: b"x"}}
    probe = scene.build()
    probe.on_message = lambda *_: [Erase("s"), Record("share", None)]

    async with scene.playing(probe):
        during = await scene.before_it_is_durable(lambda: dict(scene.spool.chunks))

        assert during
        assert scene.spool.chunks == {}


async def test_a_message_whose_decision_was_not_durable_is_delivered_again() -> None:
    scene = Scene()
    first = scene.build()
    first.on_message = lambda *_: [Record("vote", b"1"), Send("ann", WELCOME)]
    scene.journal.error = StorageFailed("the disk of a test")

    async with scene.playing(first) as task:
        await scene.tell(HELLO)
        await yield_turns(60)
        assert isinstance(task.exception(), StorageFailed)
    assert scene.depth() == 1
    assert scene.leaving == []
    scene.journal.error = None
    second = scene.build()

    async with scene.playing(second):
        assert second.heard == [HELLO]
        assert scene.depth() == 0


async def test_decisions_that_wait_together_are_written_at_once_and_in_order() -> None:
    scene = Scene()
    for number in range(3):
        await scene.tell(Welcome(job="sum", number=number))
    probe = scene.build()
    probe.on_message = lambda _, message: [Record("number", str(message.number).encode())]

    async with scene.playing(probe):
        assert [m.number for m in probe.heard] == [0, 1, 2]
        assert scene.journal.contents() == {"number": b"2"}
        assert len(scene.journal.commits) < 3


async def test_forgetting_deletes_what_is_there_and_what_was_just_written() -> None:
    scene = Scene()
    await scene.journal.commit([("round/1/vote", b"1"), ("round/2/vote", b"1"), ("last", b"1")])
    probe = scene.build()
    probe.on_message = lambda *_: [
        Record("round/1/answer", b"1"),
        Forget("round/1/"),
        Record("round/3/vote", b"1"),
    ]

    async with scene.playing(probe):
        await scene.tell(HELLO)
        await yield_turns(40)

        assert sorted(scene.journal.contents()) == ["last", "round/2/vote", "round/3/vote"]


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        b"",
        seal("mallory", HELLO)[:-3],
        seal("mallory", HELLO).replace(b"trainer", b"admiral"),
    ],
    ids=["no msgpack", "empty", "cut short", "bad message"],
)
async def test_bad_bytes_are_counted_acknowledged_and_dropped(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    probe = scene.build()

    with caplog.at_level(logging.CRITICAL):
        async with scene.playing(probe):
            await scene.tell_bytes(body, "mallory")
            await scene.tell(HELLO)
            await yield_turns(40)

            assert [(e.actor, e.peer) for e in scene.events] == [("holder-1", "mallory")]
            assert probe.heard == [HELLO]
            assert scene.depth() == 0


async def test_a_signature_over_other_bytes_of_the_same_meaning_is_none() -> None:
    scene = Scene()
    probe = scene.build()
    vote = Vote(cid=bytes(32), set_digest=bytes(32))

    def sign(digest: bytes) -> bytes:
        return IdealSignatures("ann").sign(Statement.about("test", "ann", vote, digest).to_bytes())

    async with scene.playing(probe):
        await scene.tell_bytes(in_another_form("ann", vote, sign))
        await scene.tell(vote)
        await yield_turns(40)

        assert probe.heard == [vote]
        (fault,) = scene.events
        assert fault.reason.startswith("did not sign this Vote")


@pytest.mark.parametrize(
    "body",
    [
        seal("ann", HELLO),
        seal("ann", HELLO).replace(b"trainer", b"admiral"),
        seal("ann", HELLO, version=99),
    ],
    ids=["good message", "bad message", "other version"],
)
async def test_a_message_under_anothers_name_is_the_fault_of_who_really_sent_it(
    body: bytes,
) -> None:
    scene = Scene()
    probe = scene.build()

    async with scene.playing(probe):
        await scene.tell_bytes(body, "mallory")
        await yield_turns(40)

        reason = "sent a message under the name 'ann'"
        assert scene.events == [PeerFault(actor="holder-1", peer="mallory", reason=reason)]
        assert probe.heard == []
        assert scene.depth() == 0


@pytest.mark.parametrize(
    ("body", "peer", "reason"),
    [
        (seal("ann", HELLO), "ann", "did not sign this Hello"),
        (signed("elsewhere", "ann", HELLO), "ann", "did not sign this Hello"),
        (signed("test", "mallory", HELLO), "mallory", "is no member of the federation"),
        (signed("test", "bob", HELLO, name="ann"), "ann", "did not sign this Hello"),
        (
            signed("test", "ann", WELCOME).replace(b"sum", b"hum"),
            "ann",
            "did not sign this Welcome",
        ),
        (
            seal("ann", WELCOME, signature=signature_of("test", "ann", HELLO)),
            "ann",
            "did not sign this Welcome",
        ),
    ],
    ids=["unsigned", "another federation", "a stranger", "another's key", "changed", "another's"],
)
async def test_what_a_member_did_not_sign_is_not_even_decided_on(
    body: bytes, peer: str, reason: str
) -> None:
    scene = Scene()
    probe = scene.build()

    async with scene.playing(probe):
        await scene.tell_bytes(body, peer)
        await scene.tell(HELLO)
        await yield_turns(40)

        (fault,) = scene.events
        assert (fault.actor, fault.peer) == ("holder-1", peer)
        assert fault.reason.startswith(reason)
        assert probe.heard == [HELLO]
        assert scene.depth() == 0


async def test_all_that_an_actor_says_is_signed_over_the_bytes_that_travel() -> None:
    scene = Scene()
    probe = scene.build()
    probe.at_start = [Send("ann", HELLO), Send(COORDINATOR, WELCOME)]

    async with scene.playing(probe):
        await yield_turns(40)

        for sent in scene.bodies:
            envelope, message = received(sent)
            assert envelope.signature == signature_of("test", "holder-1", message)
        assert len(scene.bodies) == 2


async def test_another_version_is_answered_in_it_once_and_told_with_what_to_upgrade(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    probe = scene.build()
    newer = seal("ann", HELLO, version=7)

    async with scene.playing(probe):
        for body in (newer, newer, seal("ann", Unsupported(versions=(7,)), version=7)):
            await scene.tell_bytes(body)
        await yield_turns(40)

        assert scene.strange == [("ann", 7, Unsupported(versions=(VERSION,)))]
        assert scene.events == [Incompatible(actor="holder-1", peer="ann", versions=(7,))]
        assert probe.heard == []
        assert scene.depth() == 0
    assert "upgrade holder-1" in caplog.text


async def test_who_can_not_read_us_is_told_of_and_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    probe = scene.build()

    async with scene.playing(probe):
        await scene.tell(Unsupported(versions=(0,)))
        await yield_turns(40)

        assert scene.events == [Incompatible(actor="holder-1", peer="ann", versions=(0,))]
        assert (scene.leaving, scene.strange, probe.heard) == ([], [], [])
    assert "upgrade ann" in caplog.text


async def test_a_stranger_of_another_version_is_counted_and_never_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    probe = scene.build()

    with caplog.at_level(logging.CRITICAL):
        async with scene.playing(probe):
            await scene.tell_bytes(seal("mallory", HELLO, version=7), "mallory")
            await yield_turns(40)

            assert [(e.peer, type(e)) for e in scene.events] == [("mallory", PeerFault)]
            assert (scene.leaving, scene.strange) == ([], [])


async def test_a_stop_is_decided_on_even_if_it_comes_before_the_start() -> None:
    scene = Scene()
    probe = scene.build()
    probe.at_start = [Send("ann", WELCOME)]
    probe.at_stop = [Send(COORDINATOR, Goodbye())]
    probe.stop()

    await probe.run()

    assert sorted(scene.leaving, key=str) == [("ann", WELCOME), (COORDINATOR, Goodbye())]
    await probe.ports.transport.close()


async def test_each_message_travels_to_whom_and_in_which_version_it_is_meant() -> None:
    scene = Scene()
    probe = scene.build()
    old = Unsupported(versions=(VERSION,))
    probe.at_start = [
        Send("ann", WELCOME),
        Send("mallory", WELCOME),
        Send("ann", Goodbye()),
        Send("mallory", old, version=7),
        Send("ann", old, version=8),
        Send("mallory", WELCOME),
    ]

    async with scene.playing(probe):
        await yield_turns(40)

    assert [m for to, m in scene.leaving if to == "ann"] == [WELCOME, Goodbye()]
    assert [m for to, m in scene.leaving if to == "mallory"] == [WELCOME, WELCOME]
    assert sorted(scene.strange) == [("ann", 8, old), ("mallory", 7, old)]


async def test_a_stop_while_a_decision_is_made_durable_is_decided_on_next() -> None:
    scene = Scene()
    probe = scene.build()
    probe.on_message = lambda *_: [Record("a", b"1")]
    probe.at_stop = [Send(COORDINATOR, Goodbye())]
    scene.journal.gate.clear()

    async with scene.playing(probe) as task:
        await scene.tell(HELLO)
        await yield_turns(40)
        probe.stop()
        scene.journal.gate.set()
        await yield_turns(40)

        assert task.done()
        assert scene.leaving == [(COORDINATOR, Goodbye())]


async def test_a_violation_is_counted_and_the_actor_goes_on() -> None:
    scene = Scene()
    probe = scene.build()

    def offended(sender: str, message: Wire) -> list[Effect]:
        if sender == COORDINATOR:
            raise PeerViolation(sender, "broke a rule")
        return []

    probe.on_message = offended

    async with scene.playing(probe) as task:
        await scene.tell(HELLO, sender=COORDINATOR)
        await scene.tell(HELLO)
        await yield_turns(40)

        fault = PeerFault(actor="holder-1", peer=COORDINATOR, reason="broke a rule")
        assert scene.events == [fault]
        assert len(probe.heard) == 2
        assert scene.depth() == 0
        assert not task.done()


async def test_our_own_mistake_ends_the_actor_and_acknowledges_nothing() -> None:
    scene = Scene()
    probe = scene.build()

    def mistaken(*_: Any) -> list[Effect]:
        raise Misuse("a bug")

    probe.on_message = mistaken

    async with scene.playing(probe) as task:
        await scene.tell(HELLO)
        await yield_turns(40)

        assert isinstance(task.exception(), Misuse)
        assert scene.depth() == 1


async def test_a_failure_while_starting_sends_nothing_and_leaves_no_task_behind() -> None:
    scene = Scene()
    probe = scene.build()
    probe.at_start = [Send("ann", WELCOME), Record("last", b"1")]
    scene.journal.error = StorageFailed("the disk of a test")

    with pytest.raises(StorageFailed):
        await probe.run()

    assert scene.leaving == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await probe.ports.transport.close()


class StuckSpool(FakeSpool):
    """A spool that can't erase."""

    async def erase(self, prefix: str) -> None:
        raise StorageFailed(f"{prefix} stays")


async def test_a_failure_after_work_was_begun_at_the_start_ends_that_work() -> None:
    scene = Scene()
    scene.spool = StuckSpool()
    probe = scene.build()
    probe.work["x"] = asyncio.Event().wait
    probe.at_start = [upload_to("x"), Erase("s")]

    with pytest.raises(StorageFailed):
        await probe.run()

    assert asyncio.all_tasks() == {asyncio.current_task()}
    await probe.ports.transport.close()


async def test_an_actor_that_ends_leaves_no_task_behind() -> None:
    scene = Scene()
    probe = scene.build()
    probe.work["x"] = asyncio.Event().wait
    probe.at_start = [upload_to("x"), Send("ann", WELCOME)]

    async with scene.playing(probe):
        pass

    assert scene.leaving == [("ann", WELCOME)]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_transport_that_breaks_ends_the_actor() -> None:
    scene = Scene()
    probe = scene.build()

    async with scene.playing(probe) as task:
        scene.bus.disconnect("holder-1")
        await yield_turns(40)

        assert isinstance(task.exception(), LinkLost)


# --- work beside the loop -------------------------------------------------------------


def upload_to(name: str) -> Upload:
    (one,) = opened_by("holder-1")
    return Upload(config_of(), None, name, one.sealing_key, (0,))  # type: ignore[arg-type]


async def test_what_work_returns_is_decided_on_in_the_loop() -> None:
    scene = Scene()
    probe = scene.build()

    async def work() -> list[Effect]:
        return [Record("done", b"1"), Send("ann", WELCOME)]

    probe.work["x"] = work
    probe.at_start = [upload_to("x")]

    async with scene.playing(probe):
        assert scene.journal.contents() == {"done": b"1"}
        assert scene.leaving == [("ann", WELCOME)]


async def test_the_same_work_is_not_begun_twice_and_may_be_begun_by_its_own_result() -> None:
    scene = Scene()
    probe = scene.build()
    begun: list[int] = []

    async def work() -> list[Effect]:
        begun.append(len(begun))
        await asyncio.sleep(0)
        return [upload_to("x"), upload_to("x")] if len(begun) < 3 else []

    probe.work["x"] = work
    probe.at_start = [upload_to("x"), upload_to("x")]

    async with scene.playing(probe):
        assert begun == [0, 1, 2]


async def test_cancelled_work_has_no_result_and_other_work_goes_on() -> None:
    scene = Scene()
    probe = scene.build()
    gate = asyncio.Event()

    async def work() -> list[Effect]:
        await gate.wait()
        return [Send("ann", WELCOME)]

    probe.work |= {"s/x": work, "s/xy": work, "t/x": work}
    probe.at_start = [upload_to("s/x"), upload_to("s/xy"), upload_to("t/x"), CancelWork("s/x")]

    async with scene.playing(probe):
        gate.set()
        await yield_turns(40)

        assert len(scene.leaving) == 2


async def test_work_that_fails_ends_the_actor() -> None:
    scene = Scene()
    probe = scene.build()

    async def work() -> list[Effect]:
        raise StorageFailed("gone")

    probe.work["x"] = work
    probe.at_start = [upload_to("x")]

    async with scene.playing(probe) as task:
        assert isinstance(task.exception(), StorageFailed)


@pytest.mark.parametrize(
    ("last", "ok"),
    [(b"\x07" * 8 * 72 + SALT, True), (b"\xff" * 8 * 72 + SALT, False), (None, False)],
)
async def test_a_stream_is_checked_for_its_digest_and_its_residues(
    last: bytes | None, ok: bool
) -> None:
    config = config_of()
    chunks = {0: bytes(1024)} if last is None else {0: bytes(1024), 1: last}
    digest = hashlib.sha256(b"".join(chunks.values())).digest()
    scene = Scene()
    scene.spool.chunks = {"s/share/ann": chunks, "s/share/bob": dict(chunks)}
    probe = scene.build()
    probe.at_start = [
        CheckStream(config, "s/share/ann", digest),
        CheckStream(config, "s/share/bob", b"d" * 32),
    ]

    async with scene.playing(probe):
        assert chunk_count(config) == 2
        assert dict(probe.checked) == {"s/share/ann": ok, "s/share/bob": False}


async def test_chunks_that_came_in_messages_are_checked_without_reading_them_again() -> None:
    config, stream = config_of(), "s/share/ann"
    chunks = [bytes(1024), b"\x07" * 8 * 72 + SALT]
    digest = hashlib.sha256(b"".join(chunks)).digest()
    scene = Scene()
    probe = scene.build()
    probe.on_message = lambda *_: [
        *(StoreChunk(config, stream, index, chunk) for index, chunk in enumerate(chunks)),
        CheckStream(config, stream, digest),
    ]
    read = scene.spool.refuse_reads()

    async with scene.playing(probe):
        await scene.tell(HELLO)
        await yield_turns(40)

        assert probe.checked == [(stream, True)]
        assert read == []


async def test_what_a_check_decides_is_durable_before_it_is_told_and_takes_no_commit_more() -> None:
    config, stream = config_of(), "s/share/ann"
    chunks = [bytes(1024), b"\x07" * 8 * 72 + SALT]
    digest = hashlib.sha256(b"".join(chunks)).digest()
    scene = Scene()
    probe = scene.build()
    probe.on_message = lambda *_: [
        Record("share", b"begun"),
        *(StoreChunk(config, stream, index, chunk) for index, chunk in enumerate(chunks)),
        CheckStream(config, stream, digest),
    ]
    probe.on_checked = [Record("share", b"whole"), Send("ann", WELCOME)]

    async with scene.playing(probe):
        before = await scene.before_it_is_durable(lambda: list(scene.leaving))

        assert before == []
        assert scene.leaving == [("ann", WELCOME)]
        assert scene.journal.commits == [writes(share=b"whole")]


async def test_a_check_that_would_have_a_chunk_stored_is_our_own_mistake() -> None:
    config, stream = config_of(), "s/share/ann"
    chunks = [bytes(1024), b"\x07" * 8 * 72 + SALT]
    store = [StoreChunk(config, stream, index, chunk) for index, chunk in enumerate(chunks)]
    scene = Scene()
    probe = scene.build()
    digest = hashlib.sha256(b"".join(chunks)).digest()
    probe.on_message = lambda *_: [*store, CheckStream(config, stream, digest)]
    probe.on_checked = [StoreChunk(config, "s/other", 0, b"x")]

    async with scene.playing(probe) as task:
        await scene.tell(HELLO)
        await yield_turns(60)

        assert isinstance(task.exception(), Misuse)
        assert "s/other" not in scene.spool.chunks


async def test_what_was_looked_through_of_an_erased_stream_counts_no_more() -> None:
    config, stream = config_of(), "s/share/ann"
    chunks = [bytes(1024), b"\x07" * 8 * 72 + SALT]
    scene = Scene()
    probe = scene.build()
    store = [StoreChunk(config, stream, index, chunk) for index, chunk in enumerate(chunks)]
    digest = hashlib.sha256(b"".join(chunks)).digest()
    said: list[list[Effect]] = [[*store, Erase("s")], [CheckStream(config, stream, digest)]]
    probe.on_message = lambda *_: said.pop(0)

    async with scene.playing(probe):
        await scene.tell(HELLO)
        await yield_turns(40)
        await scene.tell(HELLO)
        await yield_turns(40)

        assert probe.checked == [(stream, False)]


async def test_a_stream_is_sent_whole_in_order_and_again_after_a_lost_link() -> None:
    scene = Scene()
    scene.spool.chunks = {"s/upload/ann": {0: b"a" * 1024, 1: b"b" * 576}}
    probe = scene.build()
    clock = probe.ports.clock
    assert isinstance(clock, FakeClock)
    scene.bus.disconnect("holder-1")

    async def wrap(index: int, payload: bytes) -> Any:
        return Welcome(job="sum", number=index * 10_000 + len(payload))

    sending = asyncio.create_task(probe.send_stream(config_of(), "s/upload/ann", "ann", wrap))
    await clock.advance(3.0)
    waiting = not sending.done()
    scene.reconnect(probe)
    await clock.advance(1.0)
    await sending

    assert waiting
    assert [message.number for _, message in scene.leaving] == [1024, 10_576]


async def test_reports_reach_the_monitor_after_the_records() -> None:
    scene = Scene()
    probe = scene.build()
    probe.on_message = lambda *_: [Report("an event"), Record("a", b"1")]

    async with scene.playing(probe):
        during = await scene.before_it_is_durable(lambda: list(scene.events))

        assert during == []
        assert scene.events == ["an event"]


async def test_between_long_messages_others_get_their_turn() -> None:
    scene = Scene()
    probe, turns = scene.build(), []
    opened: list[int] = []

    def noting(_sender: str, message: Wire) -> Wire:
        opened.append(len(turns))
        return message

    async def others() -> None:
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    probe.unboxed = noting  # type: ignore[method-assign]
    long = ShareChunk(header=header_of(config_of(), "ann"), index=0, payload=bytes(2**16))
    for _ in range(4):
        await scene.tell(long)
    beside = asyncio.create_task(others())
    async with scene.playing(probe):
        pass
    beside.cancel()

    assert len(opened) == 4
    assert len(set(opened)) == 4, "opened several long messages in one turn"


class Parted:
    """A delivery that is acknowledged without it, as those of RabbitMQ are."""

    redelivered = False

    def __init__(self, whole: Delivery) -> None:
        self.body, self.sender, self.ack = whole.body, whole.sender, whole.ack


class PartingTransport:
    """Hands out deliveries of this kind, and knows which of them are still held by somebody."""

    def __init__(self, transport: Transport) -> None:
        self.held: WeakSet[Parted] = WeakSet()
        self.send, self.stalled_s = transport.send, transport.stalled_s
        self.close, self._whole = transport.close, transport.deliveries

    async def deliveries(self) -> AsyncIterator[Delivery]:
        async for whole in self._whole():
            parted = Parted(whole)
            self.held.add(parted)
            yield parted


async def test_a_long_message_that_was_read_is_let_go_of_before_it_is_acknowledged() -> None:
    scene = Scene()
    probe = scene.build()
    transport = PartingTransport(probe.ports.transport)
    probe.ports = replace(probe.ports, transport=transport)
    probe.on_message = lambda *_: [Record("a", b"1")]
    scene.journal.gate.clear()
    long = ShareChunk(header=header_of(config_of(), "ann"), index=0, payload=bytes(2**16))

    async with scene.playing(probe):
        for _ in range(3):
            await scene.tell(long)
        await yield_turns(60)

        assert (scene.journal.waiting, scene.depth()) == (1, 3)
        assert len(transport.held) == 1, "only the last, while the next is waited for"
        scene.journal.gate.set()
        await yield_turns(60)
        assert scene.depth() == 0


class Toil:
    """A clock that says that all which is decided or performed takes 3 ms."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def now_s(self) -> float:
        return self.spent_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def work(self) -> None:
        self.spent_s += 0.003


async def test_a_long_batch_of_short_decisions_leaves_others_their_turn() -> None:
    scene, toil = Scene(), Toil()
    probe = scene.build()
    probe.ports = replace(probe.ports, clock=toil)
    turns, seen = 0, list[int]()

    def decide(_sender: str, _message: Wire) -> list[Effect]:
        toil.work()
        seen.append(turns)
        return [Record("heard", b"")]

    probe.on_message = decide
    async with scene.playing(probe):
        scene.journal.gate.clear()
        for _ in range(13):
            await scene.tell(WELCOME)
        await yield_turns(60)
        assert len(seen) == 1  # the others are a batch of their own, behind its commit

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        scene.journal.gate.set()
        await yield_turns(60)
        other.cancel()

    assert len(seen) == 13
    assert len(set(seen[1:])) == 6  # two decisions of 3 ms, and then the others


async def test_effects_that_take_long_leave_others_their_turn() -> None:
    scene, toil = Scene(), Toil()
    probe = scene.build()
    probe.ports = replace(probe.ports, clock=toil)
    turns, seen = 0, list[int]()

    class Noting:
        def emit(self, _event: object) -> None:
            toil.work()
            seen.append(turns)

    probe.ports = replace(probe.ports, monitor=Noting())
    probe.on_message = lambda _sender, _message: [Report(WELCOME)] * 12

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with scene.playing(probe):
        other = asyncio.create_task(others())
        await scene.tell(WELCOME)
        await yield_turns(60)
        other.cancel()

    assert len(seen) == 12
    assert len(set(seen)) == 6
