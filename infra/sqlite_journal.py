"""An actor's journal in one SQLite file: a commit is on the disk when it returns."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path

from actors.ports import StorageFailed
from infra.durable_files import make_folder, sync_folder
from infra.system import ThreadOffload

FORMAT = 1
MAX_VALUE_BYTES = 16 << 20
WAL_LIMIT_BYTES = 64 << 20
_CACHE_KIB = 256
CHECKSUM_BYTES = 8
DAMAGE_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
TABLE = "CREATE TABLE entries (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL, sum BLOB)"
UPSERT = "INSERT OR REPLACE INTO entries (key, value, sum) VALUES (?, ?, ?)"

Writes = Sequence[tuple[str, bytes | None]]


class SqliteJournal:
    """Keys and values in SQLite; one thread does all the work, one process has the file.

    Deleted values are overwritten in the file and cut from its log before `commit` returns.
    After a failed commit the journal refuses to go on: only opening it again tells what is
    in the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadOffload(workers=1, name="journal")
        self._lock: int | None = None
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._failed = False

    @classmethod
    async def open(cls, path: Path) -> SqliteJournal:
        """Open or make the journal at `path`; its folder is made where it is missing.

        Raises `StorageFailed` when it is open elsewhere, newer than this code, or damaged.
        """
        journal = cls(path)
        try:
            await journal._thread.run_to_end(journal._start)
        except BaseException:
            await journal.close()
            raise
        return journal

    async def commit(self, writes: Writes) -> None:
        """Write all keys at once; None deletes. A cancelled commit is all there or not at all.

        Raises `StorageFailed`.
        """
        self._require_usable()
        for key, value in writes:
            if value is not None and len(value) > MAX_VALUE_BYTES:
                raise StorageFailed(
                    f"the value of {key!r} has {len(value)} bytes; journal {self._path} takes at "
                    f"most {MAX_VALUE_BYTES}: put it into the spool"
                )
        await self._thread.run_to_end(self._commit, list(writes))

    async def load(self) -> dict[str, bytes]:
        """Return everything, sorted by key. Raises `StorageFailed` on damage."""
        self._require_usable()
        return await self._thread.run_to_end(self._load)

    async def close(self) -> None:
        """Release the file; again is fine."""
        self._closed = True
        if self._lock is not None:
            await self._thread.run_to_end(self._release)
        await self._thread.close()

    def _start(self) -> None:
        with self._translated("opening"):
            make_folder(self._path.parent)
            self._lock = _locked(self._path.with_name(self._path.name + ".lock"))
            if self._lock is None:
                raise StorageFailed(
                    f"journal {self._path} is open already: stop the other process that uses "
                    "it, or give this actor a folder of its own"
                )
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            sync_folder(self._path.parent)
            self._database = sqlite3.connect(self._path, isolation_level=None)
            self._prepare(self._database)

    def _prepare(self, database: sqlite3.Connection) -> None:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise StorageFailed(
                f"journal {self._path} has format {found}, this version of Quorate reads up to "
                f"{FORMAT}: start the newer version that wrote it"
            )
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StorageFailed(
                f"journal {self._path} can't keep a write-ahead log there ({mode}): put it on a "
                "local disk"
            )
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")
        database.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        # What is written is read at the next start only: the usual 2 MB would be for nothing.
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        if found == 0:
            with _transaction(database):
                database.execute(TABLE)
                database.execute(f"PRAGMA user_version = {FORMAT}")

    def _commit(self, writes: Writes) -> None:
        database = self._open_database()
        with self._translated("a commit to"), _transaction(database):
            for key, value in writes:
                if value is None:
                    database.execute("DELETE FROM entries WHERE key = ?", (key,))
                else:
                    database.execute(UPSERT, (key, value, _checksum(key, value)))
        if any(value is None for _, value in writes):
            with self._translated("erasing from"):
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _load(self) -> dict[str, bytes]:
        database = self._open_database()
        with self._translated("reading"):
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise self._damage(verdict)
            rows = database.execute("SELECT key, value, sum FROM entries ORDER BY key")
            return {key: self._verified(key, value, checksum) for key, value, checksum in rows}

    def _verified(self, key: str, value: object, checksum: object) -> bytes:
        if (sound := _sound(key, value, checksum)) is not None:
            return sound
        raise self._damage(f"the value of {key!r} does not match its checksum")

    def _release(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open_database(self) -> sqlite3.Connection:
        # Not `_closed`: what was asked for before the close is still done.
        if self._database is None or self._failed:
            raise self._unusable()
        return self._database

    def _require_usable(self) -> None:
        if self._closed or self._failed:
            raise self._unusable()

    def _unusable(self) -> StorageFailed:
        what = "failed before" if self._failed else "is closed"
        return StorageFailed(f"journal {self._path} {what}: open it again")

    def _damage(self, what: str) -> StorageFailed:
        return StorageFailed(
            f"journal {self._path} is damaged ({what}): restore its folder from a backup, or "
            "move it away and let this actor start anew"
        )

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            self._failed = True
            code = getattr(error, "sqlite_errorcode", 0)
            if code & 0xFF in DAMAGE_CODES or isinstance(error, UnicodeDecodeError):
                raise self._damage(str(error)) from error
            raise StorageFailed(
                f"{doing} journal {self._path} failed ({error}): check the disk's space, health "
                "and permissions, then start this actor again"
            ) from error


def peek(path: Path, prefix: str) -> dict[str, bytes]:
    """Return the entries of a journal below a prefix, sorted by key, and change nothing.

    The actor whose journal it is may be at work: what it has committed is read.

    Raises `StorageFailed` when it is missing, newer than this code, or damaged.
    """
    query = "SELECT key, value, sum FROM entries WHERE substr(key, 1, ?) = ? ORDER BY key"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found > FORMAT:
                raise StorageFailed(f"journal {path} has format {found}: use a newer version")
            rows = database.execute(query, (len(prefix), prefix)).fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # also where damage is in its own words
        raise StorageFailed(f"journal {path} can't be read ({error})") from error
    entries = {key: _sound(key, value, checksum) for key, value, checksum in rows}
    sound = {key: value for key, value in entries.items() if value is not None}
    if len(sound) != len(entries):
        raise StorageFailed(f"journal {path} is damaged: restore its folder from a backup")
    return sound


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _locked(path: Path) -> int | None:
    """Return a descriptor that locks `path` until it is closed, or None if another one does.

    The kernel lets go of it when the process dies, in whatever way.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sound(key: object, value: object, checksum: object) -> bytes | None:
    """Return a value that is as it was written, None for any other."""
    if not isinstance(key, str) or not isinstance(value, bytes):
        return None
    return value if checksum == _checksum(key, value) else None


def _checksum(key: str, value: bytes) -> bytes:
    name = key.encode()
    digest = blake2b(len(name).to_bytes(8, "big"), digest_size=CHECKSUM_BYTES)
    digest.update(name)
    digest.update(value)
    return digest.digest()
