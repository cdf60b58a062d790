"""A folder that one process uses at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUse(Exception):
    """Another process holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: another process is running in this folder")
        self.folder = folder


@contextmanager
def locked(folder: Path, *, name: str) -> Iterator[None]:
    """Hold the folder's lock while inside; the file `name` in it carries the lock.

    The system gives it up however this process ends, and children do not inherit it.
    Raises `FolderInUse`, or `OSError` where the file can't be made.
    """
    lock = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(folder) from None
        yield
    finally:
        os.close(lock)
