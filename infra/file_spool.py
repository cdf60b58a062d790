"""Bulk on disk: one checked file per chunk, there as a whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from actors.ports import StorageFailed
from infra.durable_files import make_folder, sync_folder
from infra.system import ThreadOffload

MAX_CHUNK_BYTES = 16 << 20
MAX_INDEX = 2**32 - 1
MAX_NAME_LENGTH = 200
MAX_KNOWN_FOLDERS = 4096
CHECKSUM_BYTES = 16
SUFFIX = ".chunk"
# No part of a stream's name can begin with a dot, so this file never meets a stream.
INCOMING = ".incoming"

_PART = r"(?!\.)[a-z0-9._-]+(?<!\.chunk)"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_CHUNK_FILE = re.compile(r"(0|[1-9][0-9]{0,9})\.chunk")


def checked_name(name: str) -> str:
    """Return a stream's name if it is one.

    Raises `StorageFailed` for other letters than `a-z 0-9 - _ .` and `/`, an empty part, one
    that begins with a dot or ends with `.chunk`, and more than 200 characters.
    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise StorageFailed(
            f"{name[:MAX_NAME_LENGTH]!r} can't name a stream of the spool: use at most "
            f"{MAX_NAME_LENGTH} of a-z 0-9 - _ . and /, no part beginning with a dot or "
            f"ending with {SUFFIX}"
        )
    return name


def checked_chunk(stream: str, index: int, chunk: bytes = b"") -> None:
    """Raise `StorageFailed` where the spool takes no such chunk."""
    checked_name(stream)
    if not 0 <= index <= MAX_INDEX:
        raise StorageFailed(f"chunk {index} of {stream!r}: number chunks from 0 to {MAX_INDEX}")
    if len(chunk) > MAX_CHUNK_BYTES:
        raise StorageFailed(
            f"chunk {index} of {stream!r} has {len(chunk)} bytes, the spool takes at most "
            f"{MAX_CHUNK_BYTES}: cut it smaller"
        )


class FileSpool:
    """Chunks as files `<root>/<stream>/<index>.chunk`, written and read by one thread.

    A put to an index that holds other bytes replaces them at once. One process per root:
    the journal's lock beside it sees to that.
    """

    def __init__(self, root: Path) -> None:
        """Open or make the folder, and drop what an interrupted put left there."""
        with _translated("opening the spool", root):
            make_folder(root)
            # Resolved once, so that any symbolic link below is an intruder.
            self._root = root.resolve()
            (self._root / INCOMING).unlink(missing_ok=True)
        self._durable: dict[Path, None] = {}
        self._thread = ThreadOffload(workers=1, name="spool")

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Return once the chunk is durable; an equal put again changes nothing."""
        checked_chunk(stream, index, chunk)
        await self._thread.run_to_end(self._put, stream, index, bytes(chunk))

    async def get(self, stream: str, index: int) -> bytes:
        """Return one chunk. Raises `StorageFailed` if it is missing or unreadable."""
        checked_chunk(stream, index)
        return await self._thread.run_to_end(self._get, stream, index)

    async def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        checked_name(stream)
        return await self._thread.run_to_end(self._indices, stream)

    async def erase(self, prefix: str) -> None:
        """Delete the stream of this name and all streams below it; absent is fine."""
        checked_name(prefix)
        await self._thread.run_to_end(self._erase, prefix)

    async def streams(self) -> tuple[str, ...]:
        """Return the names of all streams, sorted."""
        return await self._thread.run_to_end(self._streams)

    async def close(self) -> None:
        """End the spool's thread; again is fine."""
        await self._thread.close()

    def _put(self, stream: str, index: int, chunk: bytes) -> None:
        with _translated(f"writing chunk {index} of {stream!r}", self._root):
            folder = self._folder(stream)
            target = folder / f"{index}{SUFFIX}"
            if _content(target) != (_checksum(stream, index, chunk), chunk):
                self._make_durable(folder)
                self._write(target, _checksum(stream, index, chunk), chunk)
            # Also for an equal chunk: a crash may have come between its rename and this.
            sync_folder(folder)

    def _make_durable(self, folder: Path) -> None:
        """Make a stream's folder; sync those above it once, a crash may have left them unsynced."""
        if folder in self._durable:
            return
        make_folder(folder)
        for parent in folder.parents[: len(folder.relative_to(self._root).parts)]:
            sync_folder(parent)
        if len(self._durable) >= MAX_KNOWN_FOLDERS:
            self._durable.clear()
        self._durable[folder] = None

    def _write(self, target: Path, checksum: bytes, chunk: bytes) -> None:
        incoming = self._root / INCOMING
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(incoming, flags, 0o600), "wb") as file:
                file.write(checksum)
                file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            incoming.replace(target)
        finally:
            incoming.unlink(missing_ok=True)

    def _get(self, stream: str, index: int) -> bytes:
        with _translated(f"reading chunk {index} of {stream!r}", self._root):
            content = _content(self._folder(stream) / f"{index}{SUFFIX}")
        if content is None:
            raise StorageFailed(f"chunk {index} of {stream!r} is not in spool {self._root}")
        checksum, chunk = content
        if checksum != _checksum(stream, index, chunk):
            raise StorageFailed(
                f"chunk {index} of {stream!r} in spool {self._root} is damaged: erase the stream "
                "and have it sent again"
            )
        return chunk

    def _indices(self, stream: str) -> frozenset[int]:
        with _translated(f"listing {stream!r}", self._root):
            folder = self._folder(stream)
            names = os.listdir(folder) if folder.is_dir() else []
        return frozenset(int(found[1]) for found in map(_CHUNK_FILE.fullmatch, names) if found)

    def _erase(self, prefix: str) -> None:
        with _translated(f"erasing {prefix!r}", self._root):
            folder = self._folder(prefix)
            if not folder.is_dir():
                return
            self._durable.clear()
            shutil.rmtree(folder)
            parent = folder.parent
            while parent != self._root and not os.listdir(parent):
                parent.rmdir()
                parent = parent.parent
            sync_folder(parent)

    def _streams(self) -> tuple[str, ...]:
        with _translated("listing all streams", self._root):
            names = [
                Path(folder).relative_to(self._root).as_posix()
                for folder, _, files in os.walk(self._root, onerror=_fail)
                if any(map(_CHUNK_FILE.fullmatch, files))
            ]
        return tuple(sorted(names))

    def _folder(self, stream: str) -> Path:
        folder = self._root / stream
        if folder.resolve() != folder:
            raise StorageFailed(
                f"the spool's folder {folder} is or crosses a symbolic link: remove the link"
            )
        return folder


def _content(file: Path) -> tuple[bytes, bytes] | None:
    """Return the checksum and the chunk as they are in the file, or None if there is none."""
    try:
        with file.open("rb") as opened:
            # One byte more than any chunk, so that a file that is too long fails its check.
            return opened.read(CHECKSUM_BYTES), opened.read(MAX_CHUNK_BYTES + 1)
    except FileNotFoundError:
        return None


def _checksum(stream: str, index: int, chunk: bytes) -> bytes:
    # The name is part of it: a file that was moved or swapped is damage too.
    name = f"{stream}/{index}".encode()
    digest = blake2b(len(name).to_bytes(8, "big"), digest_size=CHECKSUM_BYTES)
    digest.update(name)
    digest.update(chunk)
    return digest.digest()


def _fail(error: OSError) -> None:
    raise error


@contextmanager
def _translated(doing: str, root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"{doing} in {root} failed ({error.strerror or error}): check the disk's space, "
            "health and permissions, then start this actor again"
        ) from error
