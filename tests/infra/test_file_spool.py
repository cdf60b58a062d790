"""What the file spool does when processes die, disks fill, files rot and names attack."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actors.ports import StorageFailed
from infra.block_writer import UNIT_BYTES
from infra.file_spool import FileSpool
from infra.stream_records import HEADER_BYTES, MAGIC

PUT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from infra.file_spool import FileSpool

async def main() -> None:
    spool = FileSpool(Path(sys.argv[1]))
    index = len(await spool.indices("s/t"))
    while True:
        some = range(index, index + 3)
        await asyncio.gather(*(spool.put("s/t", i, b"%d" % i * 50_000) for i in some))
        print(some[-1], flush=True)
        index += 3

asyncio.run(main())
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from pathlib import Path
from actors.ports import StorageFailed
from infra.file_spool import FileSpool

async def main() -> None:
    spool = FileSpool(Path(sys.argv[1]))
    await spool.put("s", 0, bytes(10))
    await spool.put("s", 2, bytes(20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    for index in (0, 1):
        try:
            await spool.put("s", index, bytes(100_000))
        except StorageFailed as failed:
            print(failed)
    await spool.close()

asyncio.run(main())
"""


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[FileSpool]:
    opened = FileSpool(tmp_path / "spool")
    yield opened
    await opened.close()


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[FileSpool]:
    again = FileSpool(tmp_path / "spool")
    try:
        yield again
    finally:
        await again.close()


async def filled(tmp_path: Path, *batches: list[tuple[int, bytes]]) -> Path:
    """Put batches of chunks into stream `a/b`; return its file."""
    async with opened(tmp_path) as spool:
        for batch in batches:
            await asyncio.gather(*(spool.put("a/b", index, chunk) for index, chunk in batch))
    return tmp_path / "spool" / "a" / "b.stream"


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def all_chunks(root: Path, stream: str) -> dict[int, bytes]:
    async def read() -> dict[int, bytes]:
        spool = FileSpool(root)
        try:
            indices = sorted(await spool.indices(stream))
            return {index: await spool.get(stream, index) for index in indices}
        finally:
            await spool.close()

    with ThreadPoolExecutor(1) as thread:  # a test may have a loop of its own
        return thread.submit(asyncio.run, read()).result()


def kill_after(root: Path, puts: int) -> int:
    """Kill a writing process after so many batches; return the last chunk it reported."""
    with subprocess.Popen(
        [sys.executable, "-c", PUT_FOR_EVER, str(root)], stdout=subprocess.PIPE
    ) as process:
        lines = iter(process.stdout)
        reported = [int(next(lines)) for _ in range(puts)]
        process.send_signal(signal.SIGKILL)
        reported.extend(int(line) for line in lines if line.endswith(b"\n"))
    return reported[-1]


def test_killed_process_leaves_a_prefix_of_whole_chunks(tmp_path: Path) -> None:
    for puts in (1, 2, 4, 7, 3):
        reported = kill_after(tmp_path, puts)

        found = all_chunks(tmp_path, "s/t")
        assert reported + 1 <= len(found) <= reported + 1 + 3
        assert found == {index: b"%d" % index * 50_000 for index in range(len(found))}


def test_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )

    told = done.stdout.splitlines()
    assert [text.partition(" in ")[0] for text in told] == [
        "writing chunk 0 of 's'",
        "writing chunk 1 of 's'",
    ]
    assert all("check the disk's space" in text for text in told)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert all_chunks(tmp_path, "s") == {0: bytes(10), 2: bytes(20)}


@pytest.mark.parametrize("tail", [b"", bytes(500), MAGIC * 30])
async def test_torn_tail_is_cut_off_wherever_it_tore(tmp_path: Path, tail: bytes) -> None:
    file = await filled(tmp_path, [(0, b"first")], [(7, b"second")])
    whole = file.read_bytes()
    first = UNIT_BYTES
    second = first + HEADER_BYTES + len(b"second")

    # Among the zeros behind the chunk, a file that ends is torn; one that goes on is whole.
    zeros = [] if tail else [second, second + 1, len(whole) - 1]
    for kept in (*range(first, second), *zeros):
        file.write_bytes(whole[:kept] + tail[: len(whole) - kept])
        async with opened(tmp_path) as spool:
            assert await spool.indices("a/b") == frozenset({0}), kept
            assert await spool.get("a/b", 0) == b"first"
            assert file.read_bytes() == whole[:first]
            await spool.put("a/b", 7, b"second")
        assert file.read_bytes() == whole


async def test_batch_of_which_a_part_is_missing_is_cut_off_from_there(tmp_path: Path) -> None:
    file = await filled(tmp_path, [(0, b"first")], [(1, b"torn"), (2, b"after")])
    whole = bytearray(file.read_bytes())
    start = UNIT_BYTES

    for place in range(start, start + HEADER_BYTES + len(b"torn")):
        file.write_bytes(flipped(whole, place))
        async with opened(tmp_path) as spool:
            assert await spool.indices("a/b") == frozenset({0}), place
            assert file.stat().st_size == start


@pytest.mark.parametrize("kept", [0, 1, HEADER_BYTES, HEADER_BYTES + 4])
async def test_stream_without_a_whole_chunk_is_none(tmp_path: Path, kept: int) -> None:
    file = await filled(tmp_path, [(0, b"first")])
    file.write_bytes(file.read_bytes()[:kept])

    async with opened(tmp_path) as spool:
        assert await spool.streams() == ()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_rot_inside_a_chunk_is_told_for_this_chunk_alone(tmp_path: Path) -> None:
    file = await filled(tmp_path, [(0, b"first")], [(1, b"second")], [(2, b"third")])
    whole = file.read_bytes()

    for place in range(whole.index(b"second"), whole.index(b"second") + 6):
        file.write_bytes(flipped(whole, place))
        async with opened(tmp_path) as spool:
            assert await spool.indices("a/b") == frozenset({0, 1, 2})
            with pytest.raises(StorageFailed, match=r"chunk 1 of 'a/b' .*damaged: erase"):
                await spool.get("a/b", 1)
            assert await spool.get("a/b", 0) == b"first"
            assert await spool.get("a/b", 2) == b"third"


async def test_rot_in_a_header_is_told_for_the_stream_until_it_is_erased(tmp_path: Path) -> None:
    file = await filled(tmp_path, [(0, b"first")], [(1, b"second")], [(2, b"third")])
    whole = file.read_bytes()
    start = UNIT_BYTES

    for place in (*range(HEADER_BYTES), *range(start, start + HEADER_BYTES)):
        file.write_bytes(flipped(whole, place))
        async with opened(tmp_path) as spool:
            for index in (0, 1, 2):
                with pytest.raises(StorageFailed, match=rf"chunk {index} of 'a/b' .*damaged: era"):
                    await spool.get("a/b", index)
            with pytest.raises(StorageFailed, match=r"chunk 1 of 'a/b' .*damaged: erase"):
                await spool.put("a/b", 1, b"second")
            assert await spool.streams() == ("a/b",)
        assert file.read_bytes() == flipped(whole, place)

    async with opened(tmp_path) as spool:
        await spool.erase("a")
        await spool.put("a/b", 1, b"second")
        assert await spool.get("a/b", 1) == b"second"


async def test_rotten_header_is_found_when_proof_of_it_is_far_away(tmp_path: Path) -> None:
    for length in range((1 << 20) - HEADER_BYTES - 4, (1 << 20) + 4, 9):
        file = await filled(tmp_path, [(0, bytes(length))], [(1, b"proof")])
        file.write_bytes(flipped(file.read_bytes(), 5))

        async with opened(tmp_path) as spool:
            with pytest.raises(StorageFailed, match="damaged"):
                await spool.get("a/b", 1)
            await spool.erase("a")


async def test_header_inside_a_chunk_is_never_believed(tmp_path: Path) -> None:
    forged = (await filled(tmp_path, [(5, b"first")], [(0, b"forged")])).read_bytes()
    async with opened(tmp_path) as spool:
        await spool.erase("a")
    file = await filled(tmp_path, [(0, forged)])
    file.write_bytes(flipped(file.read_bytes(), 9))

    async with opened(tmp_path) as spool:
        with pytest.raises(StorageFailed):
            await spool.get("a/b", 0)
        assert await spool.indices("a/b") == frozenset()


@pytest.mark.parametrize("place", [HEADER_BYTES, HEADER_BYTES + 4])
async def test_chunk_that_rots_while_the_spool_is_open_is_found_and_healed_by_a_put(
    spool: FileSpool, tmp_path: Path, place: int
) -> None:
    file = tmp_path / "spool" / "a" / "+.stream"
    await spool.put("a", 3, b"chunk")
    file.write_bytes(flipped(file.read_bytes(), place))

    with pytest.raises(StorageFailed, match=r"chunk 3 of 'a'.* damaged"):
        await spool.get("a", 3)

    await spool.put("a", 3, b"chunk")
    assert await spool.get("a", 3) == b"chunk"
    assert all_chunks(tmp_path / "spool", "a") == {3: b"chunk"}


async def test_file_that_was_cut_behind_the_spools_back_takes_no_more(
    spool: FileSpool, tmp_path: Path
) -> None:
    await spool.put("a", 0, b"chunk")
    os.truncate(tmp_path / "spool" / "a" / "+.stream", 9)

    with pytest.raises(StorageFailed, match=r"chunk 0 of 'a'.* damaged"):
        await spool.get("a", 0)
    with pytest.raises(StorageFailed, match=r"chunk 1 of 'a'.* damaged"):
        await spool.put("a", 1, b"chunk")


async def test_file_that_is_gone_is_told(spool: FileSpool, tmp_path: Path) -> None:
    await spool.put("a", 0, b"chunk")
    (tmp_path / "spool" / "a" / "+.stream").unlink()

    with pytest.raises(StorageFailed, match="reading chunk 0 of 'a'"):
        await spool.get("a", 0)
    with pytest.raises(StorageFailed, match="writing chunk 1 of 'a'"):
        await spool.put("a", 1, b"chunk")
    await spool.erase("a")


async def test_another_streams_file_is_found_in_an_open_spool_and_on_opening(
    spool: FileSpool, tmp_path: Path
) -> None:
    await spool.put("a/b", 0, b"chunk")
    await spool.put("a/c", 0, b"CHUNK")
    (tmp_path / "spool" / "a" / "c.stream").replace(tmp_path / "spool" / "a" / "b.stream")

    with pytest.raises(StorageFailed, match="damaged"):
        await spool.get("a/b", 0)
    async with opened(tmp_path) as again:
        with pytest.raises(StorageFailed, match=r"is another stream's, it is damaged"):
            await again.get("a/b", 0)


async def test_newest_of_replaced_chunks_counts_after_reopening(tmp_path: Path) -> None:
    await filled(tmp_path, [(0, b"old"), (1, b"one")], [(0, b"new"), (0, b"newest")], [(2, b"two")])

    assert all_chunks(tmp_path / "spool", "a/b") == {0: b"newest", 1: b"one", 2: b"two"}


async def test_torn_replacement_leaves_the_chunk_it_was_to_replace(tmp_path: Path) -> None:
    file = await filled(tmp_path, [(0, b"old")], [(0, b"new")])
    os.truncate(file, file.stat().st_size - 1)

    assert all_chunks(tmp_path / "spool", "a/b") == {0: b"old"}


async def test_puts_that_wait_together_sync_each_file_and_folder_once(
    spool: FileSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put("r/old", 0, b"chunk")
    root = tmp_path / "spool"
    synced: Counter[Path] = Counter()
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        synced[Path(os.readlink(f"/proc/self/fd/{descriptor}"))] += 1
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)

    streams = ("r/old", "r/new", "s/1", "s/2")
    await asyncio.gather(*(spool.put(streams[n % 4], n // 4 + 1, b"%d" % n) for n in range(40)))

    files = ("r/old.stream", "r/new.stream", "s/1.stream", "s/2.stream", "r", "s", "")
    assert synced == dict.fromkeys((root / file for file in files), 1)
    assert await spool.indices("s/2") == frozenset(range(1, 11))


async def test_chunks_of_all_lengths_are_written_past_the_cache(
    spool: FileSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = os.pwritev, []

    def watched(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        try:
            return real(descriptor, buffers, offset)
        except OSError as error:
            refused.append((error.errno, len(buffers[0]), offset))
            raise

    monkeypatch.setattr(os, "pwritev", watched)
    lengths = (0, 1, 59, 60, UNIT_BYTES - HEADER_BYTES, UNIT_BYTES, 9 * 2**20 + 1)

    for length in lengths:
        await spool.put("a", length, os.urandom(length))
    await asyncio.gather(*(spool.put("b", length, os.urandom(length)) for length in lengths))

    assert refused == []
    assert await spool.indices("b") == frozenset(lengths)


async def test_what_was_asked_for_first_happens_first(spool: FileSpool) -> None:
    await asyncio.gather(
        spool.put("a/b", 0, b"old"),
        spool.put("a/c", 0, b"other"),
        spool.erase("a/b"),
        spool.put("a/b", 1, b"new"),
    )

    assert await spool.indices("a/b") == frozenset({1})
    assert await spool.indices("a/c") == frozenset({0})


async def test_closing_waits_for_what_was_asked_and_refuses_more(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool")
    puts = [asyncio.create_task(spool.put("a", n, b"%d" % n)) for n in range(200)]
    await asyncio.sleep(0)

    await asyncio.gather(spool.close(), spool.close())

    await asyncio.gather(*puts)
    with pytest.raises(StorageFailed, match="the spool is closed"):
        await spool.get("a", 0)
    assert all_chunks(tmp_path / "spool", "a") == {n: b"%d" % n for n in range(200)}


async def test_put_that_is_cancelled_while_it_waits_never_begins(spool: FileSpool) -> None:
    first = asyncio.create_task(spool.put("a", 0, b"chunk"))
    second = asyncio.create_task(spool.put("a", 1, b"chunk"))
    await asyncio.sleep(0)

    second.cancel()
    await first

    assert second.cancelled()
    assert await spool.indices("a") == frozenset({0})


async def test_put_that_is_cancelled_after_it_began_completes_first(spool: FileSpool) -> None:
    await spool.put("a", 0, b"chunk")
    put = asyncio.create_task(spool.put("a", 1, bytes(8 << 20)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    put.cancel()
    await asyncio.wait([put])

    assert put.cancelled()
    assert await spool.indices("a") == frozenset({0, 1})


async def test_failure_of_one_stream_leaves_the_others_of_its_batch(
    spool: FileSpool, tmp_path: Path
) -> None:
    await spool.put("a/good", 0, b"chunk")
    (tmp_path / "spool" / "a" / "bad.stream").mkdir()

    streams = ("a/bad", "a/good", "a/new", "b")
    outcomes = await asyncio.gather(
        *(spool.put(stream, 1, b"chunk") for stream in streams), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [StorageFailed, *[type(None)] * 3]
    assert "writing chunk 1 of 'a/bad'" in str(outcomes[0])
    assert await spool.streams() == ("a/good", "a/new", "b")


@pytest.mark.parametrize("failing", ["file", "folder", "root"])
async def test_chunk_that_could_not_be_synced_is_not_there(
    spool: FileSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    root, fsync = tmp_path / "spool", os.fsync
    broken = {"file": root / "a" / "b.stream", "folder": root / "a", "root": root}[failing]

    def failed(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")) == broken:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failed)
        with pytest.raises(StorageFailed, match="writing chunk 0 of 'a/b'"):
            await spool.put("a/b", 0, b"chunk")
        assert await spool.streams() == ()
    async with opened(tmp_path) as again:
        assert await again.streams() == ()

    await spool.put("a/b", 0, b"chunk")
    assert await spool.get("a/b", 0) == b"chunk"


async def test_batch_that_could_not_be_withdrawn_is_cut_off_before_the_next(
    spool: FileSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spool.put("a/b", 0, b"chunk")

    def failed(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failed)
        patched.setattr(os, "ftruncate", failed)
        outcomes = await asyncio.gather(
            spool.put("a/b", 1, b""), spool.put("a/b", 3, b"ghost"), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [StorageFailed, StorageFailed]
    assert await spool.indices("a/b") == frozenset({0})

    await spool.put("a/b", 2, b"")

    assert all_chunks(tmp_path / "spool", "a/b") == {0: b"chunk", 2: b""}


async def test_equal_put_leaves_the_file_alone(spool: FileSpool, tmp_path: Path) -> None:
    file = tmp_path / "spool" / "a" / "+.stream"
    await spool.put("a", 0, b"chunk")
    before = file.stat()

    await asyncio.gather(*(spool.put("a", 0, b"chunk") for _ in range(3)))

    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


async def test_foreign_files_are_no_streams_and_left_alone(tmp_path: Path) -> None:
    file = await filled(tmp_path, [(0, b"chunk")])
    names = ("B.stream", "b", "x.stream.bak", "+b.stream", ".stream", "b++c.stream", "é.stream")
    for name in names:
        (file.parent / name).write_bytes(b"")
    (file.parent / "c.stream").symlink_to(file)

    async with opened(tmp_path) as spool:
        assert await spool.streams() == ("a/b",)
        await spool.erase("a")

    assert sorted(path.name for path in file.parent.iterdir()) == sorted([*names, "c.stream"])


async def test_erase_removes_empty_folders_and_never_the_root(
    spool: FileSpool, tmp_path: Path
) -> None:
    await spool.put("a/b/c", 0, b"chunk")
    await spool.put("a/d", 0, b"chunk")

    await spool.erase("a/b/c")
    assert sorted(path.name for path in (tmp_path / "spool" / "a").iterdir()) == ["d.stream"]
    await spool.erase("a/d")

    assert list((tmp_path / "spool").iterdir()) == []
    await spool.put("a/b/c", 0, b"again")
    assert await spool.get("a/b/c", 0) == b"again"


async def test_symbolic_links_lead_nowhere(spool: FileSpool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "below.stream").write_bytes(b"precious")
    (tmp_path / "spool" / "link").symlink_to(outside)

    for attempt in (
        spool.put("link", 0, b"x"),
        spool.put("link/below", 0, b"x"),
        spool.get("link", 0),
        spool.indices("link"),
        spool.erase("link"),
    ):
        with pytest.raises(StorageFailed, match="symbolic link"):
            await attempt

    assert await spool.streams() == ()
    assert [path.name for path in outside.iterdir()] == ["below.stream"]
    assert (outside / "below.stream").read_bytes() == b"precious"


@pytest.mark.parametrize("known", [False, True])
async def test_stream_is_neither_written_nor_read_through_a_link(
    spool: FileSpool, tmp_path: Path, *, known: bool
) -> None:
    precious = tmp_path / "precious"
    await spool.put("a/other", 0, b"chunk")
    if known:
        await spool.put("a/b", 0, b"chunk")
        (tmp_path / "spool" / "a" / "b.stream").replace(precious)
    else:
        precious.write_bytes(b"precious")
    before = precious.read_bytes()
    (tmp_path / "spool" / "a" / "b.stream").symlink_to(precious)

    with pytest.raises(StorageFailed, match="symbolic link"):
        await spool.put("a/b", 1, b"chunk")
    with pytest.raises(StorageFailed, match="symbolic link" if known else "not in spool"):
        await spool.get("a/b", 0)

    assert precious.read_bytes() == before


async def test_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    spool = FileSpool(tmp_path / "root")

    await spool.put("a", 0, b"chunk")

    assert await spool.get("a", 0) == b"chunk"
    await spool.close()


async def test_files_and_folders_are_for_the_owner_only(spool: FileSpool, tmp_path: Path) -> None:
    await spool.put("a/b", 0, b"chunk")

    paths = [tmp_path / "spool", *sorted((tmp_path / "spool").rglob("*"))]
    modes = [oct(stat.S_IMODE(path.stat().st_mode)) for path in paths]
    assert modes == ["0o700", "0o700", "0o600"]


def test_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")

    with pytest.raises(StorageFailed, match="opening the spool"):
        FileSpool(tmp_path / "spool")
