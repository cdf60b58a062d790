"""What the SQLite journal does when processes die, disks fill and files rot."""

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

import pytest
from fakes.ports import yield_turns

from actors.ports import StorageFailed
from infra.sqlite_journal import SqliteJournal, peek

COMMIT_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from infra.sqlite_journal import SqliteJournal

async def main() -> None:
    journal = await SqliteJournal.open(Path(sys.argv[1]))
    number = int((await journal.load()).get("count", b"0"))
    while True:
        number += 1
        value = b"%d" % number * 2000
        last = f"part/{number % 7}"
        await journal.commit(
            [("a", value), (last, None), (last, value), ("b", value), ("count", b"%d" % number)]
        )
        print(number, flush=True)

asyncio.run(main())
"""

OPEN_ONCE = """
import asyncio, sys
from pathlib import Path
from actors.ports import StorageFailed
from infra.sqlite_journal import SqliteJournal

async def main() -> None:
    try:
        await SqliteJournal.open(Path(sys.argv[1]))
    except StorageFailed as refused:
        print(refused)

asyncio.run(main())
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from pathlib import Path
from actors.ports import StorageFailed
from infra.sqlite_journal import SqliteJournal

async def attempt(journal, key, size_bytes):
    try:
        await journal.commit([(key, bytes(size_bytes)), (key + "/2", b"")])
    except StorageFailed as failed:
        print(failed)

async def main() -> None:
    journal = await SqliteJournal.open(Path(sys.argv[1]))
    await journal.commit([("before", b"1")])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    await attempt(journal, "large", 1_000_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await attempt(journal, "small", 1)
    await journal.close()

asyncio.run(main())
"""


def loaded(path: Path) -> dict[str, bytes]:
    async def load() -> dict[str, bytes]:
        journal = await SqliteJournal.open(path)
        try:
            return await journal.load()
        finally:
            await journal.close()

    return asyncio.run(load())


def run_script(script: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def kill_after(path: Path, commits: int) -> int:
    """Kill a committing process after so many commits; return the last one it reported."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMIT_FOR_EVER, str(path)], stdout=subprocess.PIPE
    ) as process:
        lines = iter(process.stdout)
        reported = [int(next(lines)) for _ in range(commits)]
        process.send_signal(signal.SIGKILL)
        reported.extend(int(line) for line in lines if line.endswith(b"\n"))
    return reported[-1]


async def written(path: Path, *writes: tuple[str, bytes | None]) -> None:
    journal = await SqliteJournal.open(path)
    await journal.commit(writes)
    await journal.close()


async def refusal(path: Path) -> str:
    """Return why the journal at `path` can't be opened or loaded."""
    try:
        journal = await SqliteJournal.open(path)
    except StorageFailed as refused:
        return str(refused)
    try:
        found = await journal.load()
    except StorageFailed as refused:
        return str(refused)
    finally:
        await journal.close()
    pytest.fail(f"not refused, but loaded {sorted(found)}")


def is_in_a_file(secret: bytes, folder: Path) -> bool:
    return any(secret in file.read_bytes() for file in folder.iterdir())


def test_killed_process_leaves_whole_commits_only(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    for commits in (1, 2, 3, 5, 8, 13):
        reported = kill_after(path, commits)

        found = loaded(path)
        count = int(found["count"])
        assert reported <= count <= reported + 1
        assert found["a"] == found["b"] == found[f"part/{count % 7}"] == b"%d" % count * 2000


def test_second_process_is_refused_while_the_first_one_lives(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with subprocess.Popen(
        [sys.executable, "-c", COMMIT_FOR_EVER, str(path)], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        refused = run_script(OPEN_ONCE, path)
        process.kill()
        process.stdout.read()

    assert "open already" in refused
    assert str(path) in refused
    assert loaded(path)


def test_full_disk_is_told_and_leaves_the_earlier_commits(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    told = run_script(FILL_THE_DISK, path).splitlines()

    assert "check the disk's space" in told[0]
    assert "failed before: open it again" in told[1]
    assert loaded(path) == {"before": b"1"}


async def test_commit_that_fails_half_way_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(sqlite3.Connection):
        def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
            if "set" in values:
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, values)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Failing))
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.commit([("vote", b"old")])

    with pytest.raises(StorageFailed, match="disk I/O error"):
        await journal.commit([("vote", b"new"), ("set", b"new")])
    await journal.close()

    monkeypatch.undo()
    again = await SqliteJournal.open(tmp_path / "journal.db")
    assert await again.load() == {"vote": b"old"}
    await again.close()


async def test_commit_is_synced_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: list[int] = []

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
            if sql == "COMMIT":
                levels.extend(super().execute("PRAGMA synchronous").fetchone())
            return super().execute(sql, values)

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    journal = await SqliteJournal.open(tmp_path / "journal.db")

    await journal.commit([("vote", b"for a")])
    await journal.commit([("vote", None)])

    full = 2  # what SQLite calls FULL: with a write-ahead log, it syncs at each commit
    assert levels == [full] * 3, "the table and two commits"
    await journal.close()


async def test_event_loop_goes_on_while_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        commit = asyncio.create_task(journal.commit([("a", b"1")]))
        await yield_turns()
        assert not commit.done()
        other.execute("ROLLBACK")
        await commit

    assert await journal.load() == {"a": b"1"}
    await journal.close()


async def test_cancelled_commit_that_has_begun_runs_to_its_end(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = asyncio.create_task(journal.commit([("a", b"1"), ("b", b"2")]))
        queued = asyncio.create_task(journal.commit([("c", b"3")]))
        await yield_turns()

        for _ in range(2):
            begun.cancel()
            queued.cancel()
            await yield_turns()
        assert not begun.done()
        other.execute("ROLLBACK")
        await asyncio.gather(begun, queued, return_exceptions=True)

    assert begun.cancelled()
    assert await journal.load() == {"a": b"1", "b": b"2"}
    await journal.close()


async def test_close_waits_for_a_commit_that_has_begun(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    commit = asyncio.create_task(journal.commit([("a", b"1")]))
    await yield_turns(2)

    await journal.close()
    await commit

    journal = await SqliteJournal.open(tmp_path / "journal.db")
    assert await journal.load() == {"a": b"1"}
    await journal.close()


async def test_changed_value_is_found_and_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path, ("fine", b"1"), ("votes/3", b"aye"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET value = ? WHERE key = 'votes/3'", (b"nay",))

    text = await refusal(path)

    assert "'votes/3'" in text
    assert str(path) in text
    assert "restore its folder from a backup" in text


@pytest.mark.parametrize("damaged", ["", "aye", 12])
async def test_value_of_another_type_is_damage(tmp_path: Path, damaged: str | int) -> None:
    path = tmp_path / "journal.db"
    await written(path, ("votes/3", b"aye"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET value = ?", (damaged,))

    assert "'votes/3'" in await refusal(path)


async def test_value_under_another_key_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path, ("votes/3", b"aye"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET key = 'votes/4'")

    assert "'votes/4'" in await refusal(path)


async def test_overwritten_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path, *((f"key/{n:03}", bytes([n]) * 300) for n in range(100)))
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\xaa" * 4096
    path.write_bytes(content)

    assert "journal.db" in await refusal(path)


@pytest.mark.parametrize("kind", [0x0D, 0x0A])
async def test_page_that_lost_its_rows_is_found(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "journal.db"
    await written(path, *((f"key/{n:03}", bytes([n]) * 300) for n in range(100)))
    content = bytearray(path.read_bytes())
    leaf = next(at for at in range(4096, len(content), 4096) if content[at] == kind)
    # A valid leaf (0x0D of the table, 0x0A of its index) without any cells.
    content[leaf : leaf + 8] = bytes([kind, 0, 0, 0, 0, 0x10, 0, 0])
    path.write_bytes(content)

    assert "is damaged" in await refusal(path)


async def test_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database, " * 100)

    text = await refusal(path)

    assert "not a database" in text
    assert "is damaged" in text


async def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert "opening journal" in await refusal(tmp_path / "file" / "journal.db")


async def test_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path, ("a", b"1"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA user_version = 2")

    assert "format 2" in await refusal(path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (2,)


async def test_refused_open_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await written(path, ("a", b"1"))
    for version in (2, 1):
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(f"PRAGMA user_version = {version}")
        if version == 2:
            assert "format 2" in await refusal(path)

    journal = await SqliteJournal.open(path)
    assert await journal.load() == {"a": b"1"}
    await journal.close()


async def test_deleted_value_is_in_no_file_once_commit_returned(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    secret = b"round key of holder 3 " * 400
    await journal.commit([("key", secret), ("other", b"1")])
    assert is_in_a_file(secret[:22], tmp_path)

    await journal.commit([("key", None)])

    assert not is_in_a_file(secret[:22], tmp_path)
    await journal.close()


@pytest.mark.parametrize("seed", range(3))
async def test_no_key_of_a_round_is_in_a_file_once_its_round_is_forgotten(
    tmp_path: Path, seed: int
) -> None:
    draw = Random(seed)
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    secrets: list[bytes] = []
    for _ in range(4):
        round_id, secret = draw.randbytes(32).hex(), draw.randbytes(32)
        secrets.append(secret)
        known = {f"round/{round_id}/key": b"key" + secret, "round": b"round" + secret}
        await journal.commit([*known.items(), ("last/job", draw.randbytes(60))])
        for number in range(draw.randint(1, 40)):
            # Pages split and values move, and the coordinator writes its record again and again.
            key = f"round/{round_id}/share/{number:02}"
            known[key] = draw.randbytes(draw.randint(60, 900))
            known["round"] = draw.randbytes(draw.randint(1, 6000)) + secret
            await journal.commit([(key, known[key]), ("round", known["round"])])
        assert is_in_a_file(secret, tmp_path)

        await journal.commit([(key, None) for key in known])

        assert not [one for one in secrets if is_in_a_file(one[:12], tmp_path)]
    await journal.close()


async def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "new" / "folder" / "journal.db")
    await journal.commit([("a", b"1")])

    folder = tmp_path / "new" / "folder"
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "journal.db-wal" in modes
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await journal.close()


async def test_a_journal_can_be_looked_into_while_its_actor_writes(tmp_path: Path) -> None:
    path = tmp_path / "a journal?mode=rwc#.sqlite"
    journal = await SqliteJournal.open(path)
    try:
        await journal.commit([("part/1", b"one"), ("part/2", b"two"), ("partly", b"no")])
        await journal.commit([("part/2", None), ("part/%", b"three")])

        seen = peek(path, "part/")
        await journal.commit([("part/1", b"more")])
    finally:
        await journal.close()

    assert seen == {"part/%": b"three", "part/1": b"one"}
    assert peek(path, "part/")["part/1"] == b"more"


async def test_what_is_looked_at_is_checked_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with pytest.raises(StorageFailed, match="can't be read"):
        peek(path, "")
    assert not path.exists()
    journal = await SqliteJournal.open(path)
    await journal.commit([("a", b"1"), ("b", b"2")])
    await journal.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE entries SET value = ? WHERE key = 'a'", (b"other",))
    before = path.read_bytes()

    assert peek(path, "b") == {"b": b"2"}
    with pytest.raises(StorageFailed, match="damaged"):
        peek(path, "")
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageFailed, match="format 99"):
        peek(path, "b")


async def test_a_key_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.commit([("votes/3", b"aye")])
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET key = CAST(key AS BLOB)")

    with pytest.raises(StorageFailed, match="damaged"):
        await journal.load()
    await journal.close()
