"""The blobs that a publisher offers: one file each, named by its SHA-256 in hex."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from infra.durable_files import make_folder, replace_file, sync_folder
from protocols.pieces import Pieces

_NAME = re.compile(r"[0-9a-f]{64}")
_INCOMING = ".incoming"


class ServedFolder:
    """A folder that nothing but whole blobs is read from; any thread may call it.

    A web server may serve the same folder as `/blobs/`. `OSError` passes through.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, blob: Pieces) -> bytes:
        """Return the digest of a blob once it is durable here; one that is here is not rewritten.

        Whoever reads meanwhile sees all of it or nothing.
        """
        digest = blob.sha256()
        if not self._is_whole(digest):
            make_folder(self.path)
            replace_file(self._file(digest), *blob.spans)
        return digest

    def retain(self, digests: Collection[bytes]) -> None:
        """Delete all other blobs; who is reading one reads it to its end. Other files stay."""
        if not self.path.is_dir():
            return
        kept = {digest.hex() for digest in digests}
        for path in self.path.iterdir():
            name = path.name.removesuffix(_INCOMING)
            if _NAME.fullmatch(name) and path.name not in kept:
                path.unlink(missing_ok=True)
        sync_folder(self.path)

    def opened(self, name: str) -> BinaryIO | None:
        """Return the blob of this name, opened for reading; None for anything else."""
        if not _NAME.fullmatch(name):
            return None
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:  # not there, a link, unreadable: nothing that can be served
            return None
        if not S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb", buffering=0)

    def read(self, digest: bytes) -> bytes | None:
        """Return a blob, None where it is not here."""
        with suppress(FileNotFoundError):
            return self._file(digest).read_bytes()
        return None

    def _is_whole(self, digest: bytes) -> bool:
        try:
            with self._file(digest).open("rb") as file:
                return file_digest(file, "sha256").digest() == digest
        except FileNotFoundError:
            return False

    def _file(self, digest: bytes) -> Path:
        return self.path / digest.hex()
