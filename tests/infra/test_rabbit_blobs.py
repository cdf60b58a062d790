"""Blobs over streams of a real broker: what is read, kept, resumed, lost and forgiven."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from hashlib import sha256
from random import Random

import pytest
from brokers import Vhost
from fakes.blob_rig import SMALL_CHUNKS, BlobRig, Header
from fakes.rabbit_rig import TIMEOUT_S, RabbitRig

from actors.ports import Lane, LinkLost, PortError, StorageFailed
from infra.rabbitmq.blobs import BlobFlow
from infra.rabbitmq.declare import remove
from infra.rabbitmq.model_index import TAIL
from infra.rabbitmq.model_writing import StreamTooSmall
from infra.rabbitmq.private_node import PrivateNode
from infra.rabbitmq.publication import Publication
from infra.rabbitmq.topology import MODEL_INDEX, MODEL_STREAM, Sizes, Topology
from protocols.pieces import Pieces
from protocols.round_config import Roster

MIB = 2**20
CHUNKS = 40  # of a blob in most tests
# Messages that are under way when a reader has enough: the broker overshoots the prefetch.
SLACK = 2 * SMALL_CHUNKS.prefetch


@pytest.fixture
async def rig(vhost: Vhost) -> AsyncIterator[BlobRig]:
    links = RabbitRig(vhost)
    made = BlobRig(links)
    yield made
    await made.close()
    await links.close()


@pytest.fixture
async def alone(own_broker: PrivateNode) -> AsyncIterator[BlobRig]:
    """On a broker that may be killed, and is not used by another test afterwards.

    RabbitMQ 3.10 loses what looks after its quorum queues for good if one of them is deleted
    while it elects its leader after a restart.
    """
    links = RabbitRig(Vhost(own_broker, name="/"))
    made = BlobRig(links)
    yield made
    await made.close()
    await links.close()


@pytest.fixture
async def tight(vhost: Vhost) -> AsyncIterator[BlobRig]:
    """Streams that keep about 6 MiB, in segments of 4 MiB."""
    links = RabbitRig(vhost)
    made = BlobRig(links, Sizes(model_bytes=2 * MIB))
    yield made
    await made.close()
    await links.close()


def random_blob(seed: int, chunks: int = CHUNKS) -> bytes:
    """Return a blob whose last chunk is a short one."""
    return Random(seed).randbytes(chunks * SMALL_CHUNKS.chunk_bytes - 7)


class Warnings(logging.Handler):
    """Collects what is warned of, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self._news.set()

    async def say(self, text: str) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not any(text in said for said in self.texts):
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def warnings() -> Iterator[Warnings]:
    heard, logger = Warnings(), logging.getLogger("infra.rabbitmq")
    logger.addHandler(heard)
    yield heard
    logger.removeHandler(heard)


async def soon(fetch: asyncio.Task[bytes]) -> bytes:
    async with asyncio.timeout(TIMEOUT_S):
        return await fetch


# --- what is read -------------------------------------------------------------------


async def test_late_joiner_reads_the_chunks_that_it_needs_and_no_others(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digests = [await ann.publish(Pieces.of(random_blob(seed))) for seed in range(4)]
    bob = await rig.open("bob", flow=SMALL_CHUNKS)

    blob = await bob.fetch(digests[2])

    assert blob == random_blob(2)
    tap = rig.taps["bob"]
    assert tap.chunks()[:CHUNKS] == list(range(CHUNKS))
    assert len(tap.seen[MODEL_STREAM]) <= 1 + CHUNKS + SLACK


async def test_late_joiner_reads_the_tail_of_a_long_index(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    old = [
        Publication(
            digest=sha256(bytes([n])).digest(), size=1, chunk_bytes=1, begin=n, end=n, tag=bytes(8)
        )
        for n in range(4 * TAIL)
    ]
    for entry in old:
        await rig.taps["ann"].publish(f"ann.{MODEL_INDEX}", entry.to_bytes(), lane=Lane.BULK)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    bob = await rig.open("bob", flow=SMALL_CHUNKS)

    assert await bob.fetch(digest) == random_blob(1)

    assert len(rig.taps["bob"].seen[MODEL_INDEX]) <= TAIL + 1


async def test_publishing_the_current_blob_again_sends_no_chunk(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    await ann.publish(Pieces.of(random_blob(1)))

    await ann.publish(Pieces.of(random_blob(1)))

    assert rig.taps["ann"].chunks_sent() == CHUNKS


async def test_blob_that_was_not_retained_is_sent_in_full_again(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    await ann.publish(Pieces.of(random_blob(1)))
    await ann.retain([])

    await ann.publish(Pieces.of(random_blob(1)))

    assert rig.taps["ann"].chunks_sent() == 2 * CHUNKS


async def test_fetches_at_the_same_time_share_one_download(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    digest = sha256(random_blob(1)).digest()
    fetches = [asyncio.create_task(bob.fetch(digest)) for _ in range(3)]
    await ann.publish(Pieces.of(random_blob(1)))

    first, *others = await asyncio.gather(*fetches)

    assert first == random_blob(1)
    assert all(other is first for other in others)
    assert rig.taps["bob"].chunks() == list(range(CHUNKS))


async def test_two_blobs_are_fetched_at_the_same_time(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    digests = [await ann.publish(Pieces.of(random_blob(seed))) for seed in range(2)]

    assert await asyncio.gather(*map(bob.fetch, digests)) == [random_blob(0), random_blob(1)]


async def test_an_empty_blob_and_one_chunk_to_the_byte(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)

    for blob in (b"", b"x" * SMALL_CHUNKS.chunk_bytes):
        assert await bob.fetch(await ann.publish(Pieces.of(blob))) == blob


@pytest.mark.slow
async def test_64_mib_reach_eight_fetchers(rig: BlobRig) -> None:
    ann = await rig.open("ann")
    fetchers = [await rig.open(f"bob-{n}") for n in range(8)]
    blob = os.urandom(64 * MIB)
    fetches = [asyncio.create_task(bob.fetch(sha256(blob).digest())) for bob in fetchers]

    await ann.publish(Pieces.of(blob))

    assert all(fetched == blob for fetched in await asyncio.gather(*fetches))
    for n in range(8):
        assert rig.taps[f"bob-{n}"].chunks() == list(range(64 * MIB // BlobFlow().chunk_bytes))


# --- interruptions ------------------------------------------------------------------


async def begun(rig: BlobRig, digest: bytes, *, after: int = 15) -> asyncio.Task[bytes]:
    """Let bob begin a download and get stuck when some chunks are written."""
    bob = await rig.open("bob", flow=SMALL_CHUNKS)
    tap = rig.taps["bob"]
    tap.hold_after = after
    fetch = asyncio.create_task(bob.fetch(digest))
    await tap.until(lambda: len(tap.done) == after and len(tap.chunks()) > after)
    return fetch


def assert_resumed(chunks: list[int], at: int) -> None:
    """Nothing before a place was read twice, and all behind it after the interruption."""
    first = len(chunks) - (CHUNKS - at)
    assert chunks[first:] == list(range(at, CHUNKS))
    assert chunks[:first] == list(range(first))


async def test_cancelled_download_goes_on_where_it_stopped(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)

    fetch.cancel()
    await asyncio.wait([fetch])
    bob = await rig.open("bob", flow=SMALL_CHUNKS)

    assert await bob.fetch(digest) == random_blob(1)
    assert rig.taps["bob"].chunks() == list(range(15, CHUNKS))


async def test_killed_process_leaves_a_download_that_goes_on(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)
    shutil.copytree(rig.folder("bob"), rig.folder("next bob"))  # as a kill -9 leaves it
    log = next(rig.folder("next bob").glob("*.seen"))
    log.write_bytes(log.read_bytes()[:-5])  # in the middle of a write

    bob = await rig.open("next bob", flow=SMALL_CHUNKS)

    assert await bob.fetch(digest) == random_blob(1)
    assert rig.taps["next bob"].chunks() == list(range(14, CHUNKS))
    fetch.cancel()


async def test_lost_connection_costs_no_chunk_that_was_written(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)

    await rig.cut("bob")
    rig.taps["bob"].release()

    assert await soon(fetch) == random_blob(1)
    assert_resumed(rig.taps["bob"].chunks(), 15)


async def test_cancelled_fetch_leaves_the_download_to_the_others(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    bob = await rig.open("bob", flow=SMALL_CHUNKS)
    fetches = [asyncio.create_task(bob.fetch(digest)) for _ in range(2)]
    await rig.taps["bob"].until(lambda: len(rig.taps["bob"].chunks()) >= 3)

    fetches[0].cancel()

    assert await soon(fetches[1]) == random_blob(1)
    assert rig.taps["bob"].chunks() == list(range(CHUNKS))


async def test_fetch_right_after_the_last_one_was_cancelled(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)
    bob = rig.opened["bob"]
    rig.taps["bob"].hold_after = None

    fetch.cancel()
    again = asyncio.create_task(bob.fetch(digest))

    assert await soon(again) == random_blob(1)
    assert fetch.cancelled()


@pytest.mark.slow
async def test_broker_that_is_killed_and_restarted_during_a_download(
    alone: BlobRig, own_broker: PrivateNode
) -> None:
    ann = await alone.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(alone, digest, after=15)

    await own_broker.settle()
    await own_broker.kill()
    alone.taps["bob"].release()
    await own_broker.start()

    assert await soon(fetch) == random_blob(1)


async def test_closing_ends_a_fetch_with_a_lost_link(rig: BlobRig) -> None:
    bob = await rig.open("bob")
    fetch = asyncio.create_task(bob.fetch(bytes(32)))
    await rig.taps["bob"].until(lambda: bool(rig.taps["bob"].asked))

    await bob.close()

    with pytest.raises(LinkLost, match="closed"):
        await fetch
    with pytest.raises(LinkLost, match="closed"):
        await bob.fetch(bytes(32))


# --- publishers that fail -----------------------------------------------------------


async def test_publisher_that_died_in_the_middle_is_followed_by_one_that_does_not(
    rig: BlobRig,
) -> None:
    blob, bob = random_blob(1), await rig.open("bob", flow=SMALL_CHUNKS)
    fetch = asyncio.create_task(bob.fetch(sha256(blob).digest()))
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    dying = asyncio.create_task(ann.publish(Pieces.of(blob)))
    await rig.taps["ann"].until(lambda: rig.taps["ann"].chunks_sent() >= 20)
    dying.cancel()
    await asyncio.wait([dying])
    assert not fetch.done()

    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    await ann.publish(Pieces.of(blob))

    assert await soon(fetch) == blob
    assert rig.taps["bob"].chunks() == list(range(CHUNKS))


async def test_publisher_that_restarts_has_nothing_read_twice(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)
    for _ in range(2):
        ann = await rig.open("ann", flow=SMALL_CHUNKS)
        await ann.publish(Pieces.of(random_blob(1)))
    await rig.taps["bob"].until(lambda: len(rig.taps["bob"].seen[MODEL_INDEX]) >= 2 + 2)

    rig.taps["bob"].release()

    assert await soon(fetch) == random_blob(1)
    assert rig.taps["bob"].chunks()[:CHUNKS] == list(range(CHUNKS))
    assert len(rig.taps["bob"].chunks()) <= CHUNKS + 2 * SLACK


async def test_wrong_bytes_are_thrown_away_and_another_publication_is_waited_for(
    rig: BlobRig, warnings: Warnings
) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)

    def spoiled(headers: Mapping[str, Header], body: bytes) -> bytes:
        return bytes(len(body)) if headers.get("index") == 3 else body

    rig.taps["ann"].spoil = spoiled
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = asyncio.create_task(bob.fetch(digest))
    await warnings.say("other bytes")
    assert not fetch.done()
    assert list(rig.folder("bob").iterdir()) == []

    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    await ann.publish(Pieces.of(random_blob(1)))

    assert await soon(fetch) == random_blob(1)


async def test_remains_that_rotted_on_disk_are_read_again(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = await begun(rig, digest, after=15)
    fetch.cancel()
    await asyncio.wait([fetch])
    part = next(rig.folder("bob").glob("*.part"))
    part.write_bytes(bytes(part.stat().st_size))

    bob = await rig.open("bob", flow=SMALL_CHUNKS)

    assert await bob.fetch(digest) == random_blob(1)


async def test_chunk_of_a_wrong_length_is_passed_over(rig: BlobRig, warnings: Warnings) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    rig.taps["ann"].spoil = lambda headers, body: body + b"!" if headers.get("index") == 3 else body
    digest = await ann.publish(Pieces.of(random_blob(1)))
    fetch = asyncio.create_task(bob.fetch(digest))
    await warnings.say("lacks 1 of its")

    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    await ann.publish(Pieces.of(random_blob(1)))

    assert await soon(fetch) == random_blob(1)


async def test_what_is_malformed_on_the_streams_is_passed_over_with_one_warning_each(
    rig: BlobRig, warnings: Warnings
) -> None:
    blob, digest = random_blob(1), sha256(random_blob(1)).digest()
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    tap = rig.taps["ann"]
    for body in (b"", b"\xc1", b"\x80", b"x" * 2000, b"\x81\xa1v\x02"):
        await tap.publish(f"ann.{MODEL_INDEX}", body, lane=Lane.BULK)
    fetch = asyncio.create_task(bob.fetch(digest))
    odd: list[dict[str, Header]] = [
        {},
        {"digest": digest.hex()},
        {"digest": "?", "index": 0, "count": 1, "size": 1},
        {"digest": digest.hex(), "index": -1, "count": CHUNKS, "size": len(blob)},
        {"digest": digest.hex(), "index": CHUNKS, "count": CHUNKS, "size": len(blob)},
        {"digest": digest.hex(), "index": 0, "count": 7, "size": 7},
        {"digest": digest.hex(), "index": "0", "count": CHUNKS, "size": len(blob)},
    ]

    tap.strays = odd

    await ann.publish(Pieces.of(blob))

    assert await soon(fetch) == blob
    warned = [text for text in warnings.texts if "passed over" in text]
    assert len(warned) == 3, warned
    assert sum(MODEL_INDEX in text for text in warned) == 1


# --- retention ----------------------------------------------------------------------


async def test_blob_that_retention_dropped_is_waited_for(
    tight: BlobRig, warnings: Warnings
) -> None:
    ann = await tight.open("ann")
    blobs = [os.urandom(2 * MIB) for _ in range(12)]
    digest = await ann.publish(Pieces.of(blobs[0]))
    for blob in blobs[1:]:
        await ann.publish(Pieces.of(blob))
    bob = await tight.open("bob")
    fetch = asyncio.create_task(bob.fetch(digest))
    await warnings.say("lacks")
    assert not fetch.done()

    await ann.publish(Pieces.of(blobs[0]))

    assert await soon(fetch) == blobs[0]


async def test_blob_that_the_stream_cannot_hold_is_an_error_of_the_publisher(
    tight: BlobRig,
) -> None:
    ann = await tight.open("ann")

    with pytest.raises(StreamTooSmall, match="provision it for larger"):
        await ann.publish(Pieces.of(os.urandom(32 * MIB)))


async def test_streams_that_were_made_anew_during_a_download(rig: BlobRig) -> None:
    ann = await rig.open("ann", flow=SMALL_CHUNKS)
    for seed in range(3):
        await ann.publish(Pieces.of(random_blob(seed)))
    digest = sha256(random_blob(2)).digest()
    fetch = await begun(rig, digest, after=15)
    roster = Roster(federation="test", coordinator="nobody", holders=(), trainers=())

    await remove(rig.address, Topology(roster))
    await rig.declare()
    rig.taps["bob"].release()
    await ann.publish(Pieces.of(random_blob(2)))

    assert await soon(fetch) == random_blob(2)


# --- files --------------------------------------------------------------------------


async def test_only_the_newest_blob_stays_on_disk_and_is_not_read_again(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    digests = [await ann.publish(Pieces.of(random_blob(seed))) for seed in range(3)]
    interrupted = await begun(rig, digests[0])
    interrupted.cancel()
    await asyncio.wait([interrupted])
    bob = await rig.open("bob", flow=SMALL_CHUNKS)
    await bob.fetch(digests[1])
    await bob.fetch(digests[2])

    bob = await rig.open("bob", flow=SMALL_CHUNKS)

    assert [path.name for path in rig.folder("bob").iterdir()] == [f"{digests[2].hex()}.blob"]
    assert await bob.fetch(digests[2]) == random_blob(2)
    assert rig.taps["bob"].seen == {}


async def test_kept_blob_that_rotted_is_read_from_the_stream_again(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    await bob.fetch(digest)
    kept = next(rig.folder("bob").iterdir())
    kept.write_bytes(b"!" + kept.read_bytes()[1:])

    assert await bob.fetch(digest) == random_blob(1)


async def test_disk_that_fails_is_named(rig: BlobRig) -> None:
    ann, bob = await rig.open("ann", flow=SMALL_CHUNKS), await rig.open("bob", flow=SMALL_CHUNKS)
    digest = await ann.publish(Pieces.of(random_blob(1)))
    rig.folder("bob").write_bytes(b"a file where the folder should be")

    with pytest.raises(StorageFailed, match="check the disk"):
        await bob.fetch(digest)


@pytest.mark.parametrize("wrong", [{"chunk_bytes": 0}, {"chunk_bytes": 5 * MIB}, {"window": 0}])
def test_flow_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        BlobFlow(**wrong)


async def test_digest_of_a_wrong_length_is_refused(rig: BlobRig) -> None:
    with pytest.raises(PortError, match="32 bytes"):
        await (await rig.open("bob")).fetch(b"short")
