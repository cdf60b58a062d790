"""The streams whose names begin alike, in one folder: a round comes and goes as one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.ports import StorageFailed

from .block_writer import BlockWriter
from .stream_file import StreamFile

SUFFIX = ".stream"
# Outside the letters of names, so no two streams share a file.
SLASH = "+"

Batches = dict[str, list[tuple[int, bytes]]]
Failures = dict[str, OSError | StorageFailed]


class StreamFolder:
    """The folder `<root>/<first part>`; stream `a/b/c` is its file `b+c.stream`, `a` is `+.stream`.

    Never follows a symbolic link below the root.
    """

    def __init__(self, path: Path, is_name: Callable[[str], bool]) -> None:
        """Index what the folder holds, if there is one; files of other names are left alone."""
        self.path = path
        self.streams: dict[str, StreamFile] = {}
        try:
            with self._opened() as folder:
                self._load(folder, is_name)
        except FileNotFoundError:
            return
        if not self.streams:
            self.remove_if_empty()

    def make(self) -> bool:
        """Make the folder; return whether it is new, so that its parent has to be synced."""
        if self.streams:
            return False
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        return True

    def remove_if_empty(self) -> bool:
        """Remove the folder; return whether it is gone."""
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        return True

    def put(self, batches: Batches, writer: BlockWriter) -> Failures:
        """Append a batch to each stream, durably or not at all; return those that failed."""
        failures: Failures = {}
        written: list[StreamFile] = []
        with self._opened() as folder:
            for stream, chunks in batches.items():
                file = self.streams.get(stream) or StreamFile(stream)
                try:
                    self._append(folder, file, chunks, writer)
                    written.append(file)
                except (OSError, StorageFailed) as error:
                    failures[stream] = error
            failures |= self._sync(folder, [f for f in written if f.stream not in self.streams])
        for file in written:
            if file.stream not in failures:
                file.settle()
                self.streams[file.stream] = file
        return failures

    def get(self, stream: str, index: int) -> bytes | None:
        """Return one chunk, None if it is not there."""
        file = self.streams.get(stream)
        entry = None if file is None else file.entry(index)
        if file is None or entry is None:
            return None
        with self._opened() as folder, _file(folder, self.path, stream, os.O_RDONLY) as opened:
            return file.read(opened, index, entry)

    def indices(self, stream: str) -> frozenset[int]:
        """Return which chunks of a stream are there."""
        file = self.streams.get(stream)
        return frozenset() if file is None else file.indices()

    def erase(self, prefix: str) -> Path | None:
        """Delete the stream of this name and those below; return the folder to be synced."""
        below = f"{prefix}/"
        erased = [name for name in self.streams if name == prefix or name.startswith(below)]
        if not erased:
            return None
        with self._opened() as folder:
            for stream in erased:
                with suppress(FileNotFoundError):
                    os.unlink(file_name(stream), dir_fd=folder)
                del self.streams[stream]
        gone = not self.streams and self.remove_if_empty()
        return self.path.parent if gone else self.path

    def _load(self, folder: int, is_name: Callable[[str], bool]) -> None:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if entry.is_file(follow_symlinks=False)]
        for name in sorted(names):
            stream = stream_name(self.path.name, name)
            if stream is not None and is_name(stream):
                self._load_file(folder, stream)
        os.fsync(folder)

    def _load_file(self, folder: int, stream: str) -> None:
        try:
            with _file(folder, self.path, stream, os.O_RDWR) as opened:
                file = StreamFile.opened(stream, opened)
            if file.is_empty:
                os.unlink(file_name(stream), dir_fd=folder)
                return
        except OSError as error:
            # One bad file must not keep the others from being read, or itself from being erased.
            file = StreamFile(stream, fault=f"can't be read ({error.strerror or error})")
        self.streams[stream] = file

    def _append(
        self,
        folder: int,
        file: StreamFile,
        chunks: Sequence[tuple[int, bytes]],
        writer: BlockWriter,
    ) -> None:
        if file.stream in self.streams:
            with _file(folder, self.path, file.stream, os.O_RDWR) as opened:
                file.append(opened, chunks, writer)
            return
        with _file(folder, self.path, file.stream, os.O_RDWR | os.O_CREAT) as opened:
            try:
                file.append(opened, chunks, writer)
            except OSError:
                _unlink(folder, file.stream)
                raise

    def _sync(self, folder: int, new: list[StreamFile]) -> Failures:
        """Make the names of new files durable; return all of them if that fails."""
        if not new:
            return {}
        try:
            os.fsync(folder)
        except OSError as error:
            for file in new:
                _unlink(folder, file.stream)
            return {file.stream: error for file in new}
        return {}

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        with _no_link(self.path):
            descriptor = os.open(self.path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def file_name(stream: str) -> str:
    """Return the name of a stream's file in its folder."""
    rest = stream.partition("/")[2]
    return (rest.replace("/", SLASH) or SLASH) + SUFFIX


def stream_name(folder: str, file: str) -> str | None:
    """Return the stream whose file this is, None for a foreign file."""
    rest = file.removesuffix(SUFFIX)
    stream = folder if rest == SLASH else f"{folder}/{rest.replace(SLASH, '/')}"
    return stream if file_name(stream) == file else None


@contextmanager
def _file(folder: int, path: Path, stream: str, flags: int) -> Iterator[int]:
    name = file_name(stream)
    with _no_link(path / name):
        descriptor = os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _no_link(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and path.is_symlink():
            raise StorageFailed(
                f"the spool's {path} is a symbolic link: remove the link"
            ) from error
        raise


def _unlink(folder: int, stream: str) -> None:
    # Where this fails too, the file's torn tail is cut off when it is next used.
    with suppress(OSError):
        os.unlink(file_name(stream), dir_fd=folder)
