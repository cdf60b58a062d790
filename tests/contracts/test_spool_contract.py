"""What every spool promises."""

import asyncio

import pytest
from contracts.homes import SpoolHome

from actors.ports import Spool, StorageFailed


async def test_new_spool_is_empty(spool: Spool) -> None:
    assert await spool.streams() == ()
    assert await spool.indices("round-1/ann") == frozenset()


async def test_chunks_are_there_after_reopening(spool: Spool, spool_home: SpoolHome) -> None:
    await spool.put("round-1/ann", 7, b"seven")
    await spool.put("round-1/ann", 0, b"")

    again = await spool_home.open()

    assert await again.indices("round-1/ann") == frozenset({0, 7})
    assert await again.get("round-1/ann", 7) == b"seven"
    assert await again.get("round-1/ann", 0) == b""


async def test_equal_put_again_changes_nothing(spool: Spool) -> None:
    await spool.put("a", 0, b"chunk")
    await spool.put("a", 0, b"chunk")

    assert await spool.get("a", 0) == b"chunk"
    assert await spool.indices("a") == frozenset({0})


async def test_another_put_to_the_same_index_replaces_the_chunk(spool: Spool) -> None:
    await spool.put("a", 0, b"a longer chunk")
    await spool.put("a", 0, b"chunk")

    assert await spool.get("a", 0) == b"chunk"


async def test_missing_chunk_is_named(spool: Spool) -> None:
    await spool.put("a", 0, b"chunk")

    with pytest.raises(StorageFailed, match="chunk 1 of 'a'"):
        await spool.get("a", 1)
    with pytest.raises(StorageFailed, match="chunk 0 of 'b'"):
        await spool.get("b", 0)


async def test_streams_are_sorted_and_may_lie_below_each_other(spool: Spool) -> None:
    for stream in ("b", "a/x", "a", "a-b", "a.b/c_d", "a/0"):
        await spool.put(stream, 0, stream.encode())

    assert await spool.streams() == ("a", "a-b", "a.b/c_d", "a/0", "a/x", "b")
    assert await spool.get("a/0", 0) == b"a/0"


async def test_erase_removes_the_stream_and_those_below_and_no_other(spool: Spool) -> None:
    for stream in ("r/1", "r/1/ann", "r/1/bob/x", "r/10", "r/1-b", "r"):
        await spool.put(stream, 0, b"chunk")

    await spool.erase("r/1")

    assert await spool.streams() == ("r", "r/1-b", "r/10")
    assert await spool.indices("r/1") == frozenset()


async def test_erasing_what_is_absent_is_fine(spool: Spool) -> None:
    await spool.put("a/b", 0, b"chunk")

    await spool.erase("a/c")
    await spool.erase("a/b/c")
    await spool.erase("a/b")
    await spool.erase("a/b")

    assert await spool.streams() == ()


async def test_erased_stream_can_be_filled_again(spool: Spool) -> None:
    await spool.put("a/b", 0, b"old")
    await spool.erase("a")

    await spool.put("a/b", 1, b"new")

    assert await spool.indices("a/b") == frozenset({1})


async def test_puts_from_several_tasks_all_arrive(spool: Spool) -> None:
    await asyncio.gather(*(spool.put(f"s/{n % 3}", n, b"%d" % n) for n in range(12)))

    assert await spool.streams() == ("s/0", "s/1", "s/2")
    assert await spool.indices("s/1") == frozenset({1, 4, 7, 10})


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "./a",
        ".incoming",
        "A",
        "a b",
        "a\x00",
        "a\n",
        "a\\b",
        "é",
        "0.chunk",
        "a/0.chunk/b",
        "a" * 201,
    ],
)
async def test_other_names_are_refused(spool: Spool, name: str) -> None:
    with pytest.raises(StorageFailed, match="can't name a stream"):
        await spool.put(name, 0, b"")
    with pytest.raises(StorageFailed, match="can't name a stream"):
        await spool.get(name, 0)
    with pytest.raises(StorageFailed, match="can't name a stream"):
        await spool.indices(name)
    with pytest.raises(StorageFailed, match="can't name a stream"):
        await spool.erase(name)


@pytest.mark.parametrize("index", [-1, 2**32])
async def test_other_indices_are_refused(spool: Spool, index: int) -> None:
    with pytest.raises(StorageFailed, match="number chunks"):
        await spool.put("a", index, b"")


async def test_largest_chunk_is_kept_and_a_larger_one_refused(spool: Spool) -> None:
    await spool.put("a" * 200, 2**32 - 1, bytes(16 << 20))

    with pytest.raises(StorageFailed, match="cut it smaller"):
        await spool.put("a", 0, bytes((16 << 20) + 1))

    assert await spool.get("a" * 200, 2**32 - 1) == bytes(16 << 20)
