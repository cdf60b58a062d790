"""How streams are looked through while they come in, and what of them is read again."""

from __future__ import annotations

import hashlib

import pytest
from fakes.ports import FakeSpool, InlineOffload
from fakes.round_parts import chunks_of, config_of, header_of

from actors.ports import StorageFailed
from actors.stream_checks import StreamChecks
from protocols.effects import CheckStream, StoreChunk
from protocols.secagg.chunks import chunk_count
from protocols.secagg.salts import SALT_BYTES

CONFIG = config_of(dimension=128 * 20)
CHUNKS = [bytes([number, 0, 0, 0, 0, 0, 0, 1]) * 128 for number in range(20)]
CHUNKS[-1] += b"s" * SALT_BYTES
DIGEST = hashlib.sha256(b"".join(CHUNKS)).digest()
STREAM = "r/share/ann"


class CountedSpool(FakeSpool):
    """A spool that remembers what was read, and can't read some of it."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []
        self.rotten: set[int] = set()

    async def get(self, stream: str, index: int) -> bytes:
        self.read.append(index)
        if index in self.rotten:
            raise StorageFailed(f"chunk {index} has rotted")
        return await super().get(stream, index)


class Scene:
    """Checks over a spool; what comes is stored and looked through, as an actor does it."""

    def __init__(self) -> None:
        self.spool = CountedSpool()
        self.checks = StreamChecks(self.spool, InlineOffload())

    def restart(self) -> None:
        self.checks = StreamChecks(self.spool, InlineOffload())

    async def take(
        self, *indices: int, stream: str = STREAM, instead: dict[int, bytes] | None = None
    ) -> None:
        some = {index: (instead or {}).get(index, CHUNKS[index]) for index in indices}
        await self.checks.take(
            [StoreChunk(CONFIG, stream, index, chunk) for index, chunk in some.items()]
        )
        for index, chunk in some.items():
            await self.spool.put(stream, index, chunk)

    async def matches(self, *, stream: str = STREAM, digest: bytes = DIGEST) -> bool:
        return await self.checks.matches(CheckStream(CONFIG, stream, digest))


@pytest.mark.parametrize("at_once", [1, 3, 20])
async def test_what_comes_in_its_turn_is_not_read_again(at_once: int) -> None:
    scene = Scene()
    assert chunk_count(CONFIG) == len(CHUNKS)

    for first in range(0, 20, at_once):
        turn = range(first, min(20, first + at_once))
        await scene.take(*reversed(turn))  # the order within a turn is nobody's promise

    assert await scene.matches()
    assert scene.spool.read == []


@pytest.mark.parametrize("damaged", [0, 7, 19])
async def test_another_byte_anywhere_is_another_digest(damaged: int) -> None:
    scene = Scene()

    for index in range(20):
        await scene.take(index, instead={damaged: b"\x03" * 1024})

    assert not await scene.matches()


@pytest.mark.parametrize("damaged", [0, 7, 19])
async def test_what_is_no_residue_fails_a_stream_of_the_right_digest(damaged: int) -> None:
    scene = Scene()
    chunks = {**dict(enumerate(CHUNKS)), damaged: b"\xff" * len(CHUNKS[damaged])}
    digest = hashlib.sha256(b"".join(chunks.values())).digest()

    for index in range(20):
        await scene.take(index, instead=chunks)

    assert not await scene.matches(digest=digest)


async def test_only_what_comes_before_its_turn_is_read_again() -> None:
    scene = Scene()

    await scene.take(0, 1, 4)
    await scene.take(3, 6)
    assert scene.spool.read == []
    await scene.take(2)

    assert scene.spool.read == [3, 4]
    await scene.take(5, *range(7, 20))
    assert scene.spool.read == [3, 4, 6]
    assert await scene.matches()
    assert scene.spool.read == [3, 4, 6]


async def test_what_comes_in_a_bad_order_is_left_to_the_check_but_for_a_few_chunks() -> None:
    scene = Scene()
    await scene.take(0, *range(2, 20))

    await scene.take(1)

    assert scene.spool.read == list(range(2, 17))
    assert await scene.matches()
    assert scene.spool.read == list(range(2, 20))


async def test_after_a_restart_all_is_read_once() -> None:
    scene = Scene()
    await scene.take(*range(12))

    scene.restart()
    await scene.take(*range(12, 20))

    assert await scene.matches()
    assert scene.spool.read == list(range(20))


async def test_streams_that_come_side_by_side_are_told_apart() -> None:
    scene = Scene()
    other = {0: b"\x05" * 1024}
    digest = hashlib.sha256(other[0] + b"".join(CHUNKS[1:])).digest()

    for index in range(20):
        await scene.take(index)
        await scene.take(index, stream="r/share/bob", instead=other)

    assert await scene.matches()
    assert await scene.matches(stream="r/share/bob", digest=digest)
    assert scene.spool.read == []


async def test_a_stream_that_begins_again_is_looked_through_from_its_beginning() -> None:
    scene = Scene()
    await scene.take(*range(20), instead={3: bytes(1024)})

    await scene.take(*range(20))

    assert await scene.matches()


async def test_a_check_uses_up_what_was_looked_through() -> None:
    scene = Scene()
    await scene.take(*range(20))
    assert await scene.matches()

    await scene.spool.put(STREAM, 7, bytes(1024))

    assert not await scene.matches()


@pytest.mark.parametrize(("prefix", "read"), [("r", True), (STREAM, True), ("r/share/an", False)])
async def test_an_erased_stream_is_forgotten_and_no_neighbour(prefix: str, *, read: bool) -> None:
    scene = Scene()
    await scene.take(*range(20))

    scene.checks.forget(prefix)

    assert await scene.matches()
    assert bool(scene.spool.read) is read


async def test_a_chunk_that_cannot_be_read_again_fails_the_check_and_nothing_before() -> None:
    scene = Scene()
    scene.spool.rotten.add(2)

    await scene.take(0, 2)
    await scene.take(1)
    await scene.take(*range(3, 20))

    with pytest.raises(StorageFailed):
        await scene.matches()


BOUND = config_of(checks=True, threshold=2, norm_bound=100)


async def matches_as_dealt(payloads: list[bytes]) -> bool:
    header = header_of(BOUND, "ann")
    assert header.tails is not None
    scene = Scene()
    for index, payload in enumerate(payloads):
        chunk = StoreChunk(BOUND, STREAM, index, payload)
        await scene.checks.take([chunk])
        await scene.spool.put(STREAM, index, payload)
    digest, tail = header.share_digests[0], header.tails.digests[0]
    return await scene.checks.matches(CheckStream(BOUND, STREAM, digest, masks=True, tail=tail))


async def test_a_share_with_a_tail_has_two_digests() -> None:
    payloads = [chunk.payload for chunk in chunks_of(BOUND, "ann")]

    assert len(payloads) > 6
    assert await matches_as_dealt(payloads)
    for index, place in ((0, 0), (1, 8), (2, 0), (2, 31), (2, 32), (3, 0), (-1, -8)):
        changed = list(payloads)
        spoilt = bytearray(changed[index])
        spoilt[place] ^= 1
        changed[index] = bytes(spoilt)
        assert not await matches_as_dealt(changed), (index, place)


async def test_a_tail_that_is_missing_in_part_is_a_failure_of_storage() -> None:
    payloads = [chunk.payload for chunk in chunks_of(BOUND, "ann")]

    with pytest.raises(StorageFailed):
        await matches_as_dealt(payloads[:-1])


async def test_words_above_the_modulus_in_a_tail_are_found_although_the_digests_are_right() -> None:
    payloads = [chunk.payload for chunk in chunks_of(BOUND, "ann")]
    payloads[-1] = b"\xff" * len(payloads[-1])
    whole = hashlib.sha256(b"".join(payloads[:2]) + payloads[2][:32]).digest()
    tail = hashlib.sha256(b"".join(payloads[2:])).digest()
    scene = Scene()
    for index, payload in enumerate(payloads):
        await scene.spool.put(STREAM, index, payload)

    check = CheckStream(BOUND, STREAM, whole, masks=True, tail=tail)

    assert not await scene.checks.matches(check)
