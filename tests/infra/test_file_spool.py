"""What the file spool does when processes die, disks fill, files rot and names attack."""

import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.ports import StorageFailed
from infra.file_spool import FileSpool

PUT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from infra.file_spool import FileSpool

async def main() -> None:
    spool = FileSpool(Path(sys.argv[1]))
    index = len(await spool.indices("s/t"))
    while True:
        await spool.put("s/t", index, b"%d" % index * 50_000)
        print(index, flush=True)
        index += 1

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


def all_chunks(root: Path, stream: str) -> dict[int, bytes]:
    async def read() -> dict[int, bytes]:
        spool = FileSpool(root)
        try:
            indices = sorted(await spool.indices(stream))
            return {index: await spool.get(stream, index) for index in indices}
        finally:
            await spool.close()

    return asyncio.run(read())


def kill_after(root: Path, puts: int) -> int:
    """Kill a writing process after so many puts; return the last one it reported."""
    with subprocess.Popen(
        [sys.executable, "-c", PUT_FOR_EVER, str(root)], stdout=subprocess.PIPE
    ) as process:
        lines = iter(process.stdout)
        reported = [int(next(lines)) for _ in range(puts)]
        process.send_signal(signal.SIGKILL)
        reported.extend(int(line) for line in lines if line.endswith(b"\n"))
    return reported[-1]


def test_killed_process_leaves_whole_chunks_only(tmp_path: Path) -> None:
    for puts in (1, 2, 4, 7):
        reported = kill_after(tmp_path, puts)

        found = all_chunks(tmp_path, "s/t")
        assert reported + 1 <= len(found) <= reported + 2
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


@pytest.mark.parametrize("kept", [0, 5, 16, 20])
async def test_truncated_chunk_is_found_and_healed_by_a_new_put(
    spool: FileSpool, tmp_path: Path, kept: int
) -> None:
    await spool.put("a", 3, b"chunk")
    file = tmp_path / "spool" / "a" / "3.chunk"
    file.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(StorageFailed, match=r"chunk 3 of 'a'.* damaged"):
        await spool.get("a", 3)

    await spool.put("a", 3, b"chunk")
    assert await spool.get("a", 3) == b"chunk"


@pytest.mark.parametrize("place", [0, 15, 16, 20])
async def test_flipped_bit_is_found(spool: FileSpool, tmp_path: Path, place: int) -> None:
    await spool.put("a", 0, b"chunk")
    file = tmp_path / "spool" / "a" / "0.chunk"
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)

    with pytest.raises(StorageFailed, match="damaged"):
        await spool.get("a", 0)


async def test_chunk_with_more_behind_it_is_found(spool: FileSpool, tmp_path: Path) -> None:
    await spool.put("a", 0, b"chunk")
    with (tmp_path / "spool" / "a" / "0.chunk").open("ab") as file:
        file.write(b"\x00")

    with pytest.raises(StorageFailed, match="damaged"):
        await spool.get("a", 0)


@pytest.mark.parametrize("other", ["a/1.chunk", "b/0.chunk"])
async def test_chunk_in_anothers_place_is_found(
    spool: FileSpool, tmp_path: Path, other: str
) -> None:
    await spool.put("a", 0, b"chunk")
    await spool.put("a", 1, b"CHUNK")
    await spool.put("b", 0, b"CHUNK")
    (tmp_path / "spool" / other).replace(tmp_path / "spool" / "a" / "0.chunk")

    with pytest.raises(StorageFailed, match="damaged"):
        await spool.get("a", 0)


async def test_torn_temporary_file_is_no_chunk_and_goes_on_opening(
    spool: FileSpool, tmp_path: Path
) -> None:
    torn = tmp_path / "spool" / ".incoming"
    torn.write_bytes(b"to")

    again = FileSpool(tmp_path / "spool")

    assert await again.streams() == ()
    assert not torn.exists()
    await again.close()


async def test_put_after_a_torn_temporary_file_writes_the_chunk_alone(
    spool: FileSpool, tmp_path: Path
) -> None:
    (tmp_path / "spool" / ".incoming").write_bytes(b"a longer torn file" * 100)

    await spool.put("a", 0, b"chunk")

    assert await spool.get("a", 0) == b"chunk"
    assert not (tmp_path / "spool" / ".incoming").exists()


async def test_equal_put_leaves_the_file_alone(spool: FileSpool, tmp_path: Path) -> None:
    file = tmp_path / "spool" / "a" / "0.chunk"
    await spool.put("a", 0, b"chunk")
    before = file.stat()

    await spool.put("a", 0, b"chunk")

    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_foreign_files_are_no_chunks(spool: FileSpool, tmp_path: Path) -> None:
    await spool.put("a", 0, b"chunk")
    for name in ("01.chunk", "x.chunk", "1.chunk.bak", "-1.chunk", "notes"):
        (tmp_path / "spool" / "a" / name).write_bytes(b"")

    assert await spool.indices("a") == frozenset({0})


async def test_erase_removes_empty_parents_and_never_the_root(
    spool: FileSpool, tmp_path: Path
) -> None:
    await spool.put("a/b/c", 0, b"chunk")
    await spool.put("a/d", 0, b"chunk")

    await spool.erase("a/b/c")
    assert sorted(path.name for path in (tmp_path / "spool" / "a").iterdir()) == ["d"]
    await spool.erase("a/d")

    assert list((tmp_path / "spool").iterdir()) == []
    await spool.put("a/b/c", 0, b"again")
    assert await spool.get("a/b/c", 0) == b"again"


async def test_symbolic_links_lead_nowhere(spool: FileSpool, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0.chunk").write_bytes(b"precious")
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
    assert [path.name for path in outside.iterdir()] == ["0.chunk"]


async def test_temporary_file_is_not_written_through_a_link(
    spool: FileSpool, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "spool" / ".incoming").symlink_to(precious)

    with pytest.raises(StorageFailed, match="writing chunk 0"):
        await spool.put("a", 0, b"chunk")

    assert precious.read_bytes() == b"precious"


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
    assert modes == ["0o700", "0o700", "0o700", "0o600"]


def test_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"")

    with pytest.raises(StorageFailed, match="opening the spool"):
        FileSpool(tmp_path / "spool")
