"""Folders that are still there after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a new or renamed file needs this after its own fsync."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(target: Path, *content: bytes | memoryview, incoming: Path | None = None) -> None:
    """Give a file a new content; a power cut leaves the old one or the new one, whole.

    The parts of `content` are written one after the other, first to `incoming` beside the target.
    """
    incoming = incoming or target.with_name(target.name + ".incoming")
    with incoming.open("wb") as file:
        for part in content:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    incoming.rename(target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, for the owner only, and make each durable."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
