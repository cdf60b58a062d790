"""Bulk on disk: one file per stream, each chunk in it as a whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from actors.ports import StorageFailed

from .block_writer import BlockWriter
from .durable_files import make_folder, sync_folder
from .grouped_calls import GroupedCalls
from .stream_folder import Batches, Failures, StreamFolder

MAX_CHUNK_BYTES = 16 << 20
MAX_INDEX = 2**32 - 1
MAX_NAME_LENGTH = 200
# The ending of an older layout, a file per chunk, whose remains are never taken for streams.
RESERVED = ".chunk"

_PART = rf"(?!\.)[a-z0-9._-]+(?<!{re.escape(RESERVED)})"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")


def checked_name(name: str) -> str:
    """Return a stream's name if it is one.

    Raises `StorageFailed` for other letters than `a-z 0-9 - _ .` and `/`, an empty part, one
    that begins with a dot or ends with `.chunk`, and more than 200 characters.
    """
    if not _is_name(name):
        raise StorageFailed(
            f"{name[:MAX_NAME_LENGTH]!r} can't name a stream of the spool: use at most "
            f"{MAX_NAME_LENGTH} of a-z 0-9 - _ . and /, no part beginning with a dot or "
            f"ending with {RESERVED}"
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


@dataclass(frozen=True, slots=True)
class _Put:
    stream: str
    index: int
    # Left out of repr: a chunk is long, and a share is a secret.
    chunk: bytes = field(repr=False)


class FileSpool:
    """Chunks as records appended to a file per stream, written and read by one thread.

    All that is asked for happens in the order of the calls. Puts that wait at the same time,
    to whatever streams, are a batch: each file and each folder is synced once for all of them.
    A put to an index that holds other bytes replaces them at once. One process per root: the
    journal's lock beside it sees to that. In memory is an index of what is durable, no chunk,
    and no file stays open. `stream_records` says what is made of a crash's remains and of rot.
    """

    def __init__(self, root: Path) -> None:
        """Open or make the folder; what it holds is looked at when it is first asked for."""
        with _translated("opening the spool", root):
            make_folder(root)
            # Resolved once, so that any symbolic link below is an intruder.
            self._root = root.resolve()
            sync_folder(self._root)
        self._folders: dict[str, StreamFolder] = {}
        self._writer = BlockWriter()
        self._calls = GroupedCalls(self._put, name="spool")

    async def put(self, stream: str, index: int, chunk: bytes) -> None:
        """Return once the chunk is durable; an equal put again changes nothing."""
        checked_chunk(stream, index, chunk)
        await self._calls.join(_Put(stream, index, bytes(chunk)))

    async def get(self, stream: str, index: int) -> bytes:
        """Return one chunk. Raises `StorageFailed` if it is missing or unreadable."""
        checked_chunk(stream, index)
        return await self._calls.run(partial(self._get, stream, index))

    async def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        checked_name(stream)
        return await self._calls.run(partial(self._indices, stream))

    async def erase(self, prefix: str) -> None:
        """Delete the stream of this name and all streams below it; absent is fine."""
        checked_name(prefix)
        await self._calls.run(partial(self._erase, prefix))

    async def streams(self) -> tuple[str, ...]:
        """Return the names of all streams, sorted."""
        return await self._calls.run(self._streams)

    async def close(self) -> None:
        """End the spool's thread; again is fine."""
        await self._calls.close()

    def _put(self, puts: Sequence[_Put]) -> list[Exception | None]:
        by_folder: dict[str, Batches] = {}
        for put in puts:
            batches = by_folder.setdefault(_first(put.stream), {})
            batches.setdefault(put.stream, []).append((put.index, put.chunk))
        folders, failures = self._make_folders(by_folder)
        for name, folder in folders.items():
            failures |= self._put_into(folder, by_folder[name])
            self._remember(name, folder)
        return [self._failure(put, failures.get(put.stream)) for put in puts]

    def _make_folders(
        self, by_folder: dict[str, Batches]
    ) -> tuple[dict[str, StreamFolder], Failures]:
        """Return the folders, new ones durable with one sync, and the streams that have none."""
        folders: dict[str, StreamFolder] = {}
        failures: Failures = {}
        made: list[str] = []
        for name, batches in by_folder.items():
            try:
                folders[name] = self._folder(name)
                if folders[name].make():
                    made.append(name)
            except (OSError, StorageFailed) as error:
                folders.pop(name, None)
                failures |= dict.fromkeys(batches, error)
        try:
            if made:
                sync_folder(self._root)
        except OSError as error:
            for name in made:
                del folders[name]
                failures |= dict.fromkeys(by_folder[name], error)
        return folders, failures

    def _put_into(self, folder: StreamFolder, batches: Batches) -> Failures:
        try:
            return folder.put(batches, self._writer)
        except (OSError, StorageFailed) as error:
            return dict.fromkeys(batches, error)
        finally:
            if not folder.streams:
                with suppress(OSError):
                    folder.remove_if_empty()

    def _failure(self, put: _Put, error: OSError | StorageFailed | None) -> Exception | None:
        if not isinstance(error, OSError):
            return error
        failure = _failed(f"writing chunk {put.index} of {put.stream!r}", self._root, error)
        failure.__cause__ = error
        return failure

    def _get(self, stream: str, index: int) -> bytes:
        with _translated(f"reading chunk {index} of {stream!r}", self._root):
            chunk = self._folder(_first(stream)).get(stream, index)
        if chunk is None:
            raise StorageFailed(
                f"chunk {index} of {stream!r} is not in spool {self._root}: have it sent again"
            )
        return chunk

    def _indices(self, stream: str) -> frozenset[int]:
        with _translated(f"listing {stream!r}", self._root):
            return self._folder(_first(stream)).indices(stream)

    def _erase(self, prefix: str) -> None:
        name = _first(prefix)
        with _translated(f"erasing {prefix!r}", self._root):
            folder = self._folder(name)
            changed = folder.erase(prefix)
            self._remember(name, folder)
            if changed is not None:
                sync_folder(changed)

    def _streams(self) -> tuple[str, ...]:
        with _translated("listing all streams", self._root):
            with os.scandir(self._root) as found:
                names = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
            folders = [self._folder(name) for name in names if _is_name(name)]
        return tuple(sorted(stream for folder in folders for stream in folder.streams))

    def _folder(self, name: str) -> StreamFolder:
        known = self._folders.get(name)
        if known is not None:
            return known
        folder = StreamFolder(self._root / name, _is_name)
        self._remember(name, folder)
        return folder

    def _remember(self, name: str, folder: StreamFolder) -> None:
        if folder.streams:
            self._folders[name] = folder
        else:
            self._folders.pop(name, None)


@lru_cache(maxsize=1024)  # each stream is written and read chunk by chunk
def _is_name(name: str) -> bool:
    return len(name) <= MAX_NAME_LENGTH and _NAME.fullmatch(name) is not None


def _first(stream: str) -> str:
    return stream.partition("/")[0]


@contextmanager
def _translated(doing: str, root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failed(doing, root, error) from error


def _failed(doing: str, root: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"{doing} in {root} failed ({error.strerror or error}): check the disk's space, "
        "health and permissions, then start this actor again"
    )
