"""A download on disk: the pieces so far and where in the stream they lay."""

from __future__ import annotations

import struct
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from infra.durable_files import make_folder

from .publication import Publication

_HEAD = struct.Struct(">QQ")  # size of the blob, bytes of a chunk
_SEEN = struct.Struct(">8sQQ")  # tag of the publication, offset in the stream, index

_PART, _LOG, _WHOLE = ".part", ".seen", ".blob"


class PartialBlob:
    """One blob's file while its chunks come in, in any order.

    A log beside it says which chunks are there; a chunk is logged after its bytes, so a killed
    process goes on where it was. Nothing is synced: what a power cut spoils is found by the
    digest at the end, and read again. Any thread may call it, one at a time; `OSError` passes
    through.
    """

    def __init__(self, folder: Path, publication: Publication) -> None:
        """Go on with the remains of a download that was cut alike, or begin a new one."""
        make_folder(folder)
        self._part = _file(folder, publication.digest, _PART)
        self._log = _file(folder, publication.digest, _LOG)
        self._shape = publication
        self._resume_at: dict[bytes, int] = {}
        self._has = bytearray(publication.count)
        self.missing = publication.count
        self._restore()
        self.resumed = self.missing < publication.count

    def fits(self, publication: Publication) -> bool:
        """Return whether a publication is cut into the same chunks."""
        ours, theirs = self._shape, publication
        return (ours.size, ours.chunk_bytes) == (theirs.size, theirs.chunk_bytes)

    def has(self, index: int) -> bool:
        """Return whether a chunk is there."""
        return bool(self._has[index])

    def resume_at(self, publication: Publication) -> int:
        """Return the offset from which the stream holds what is missing."""
        return self._resume_at.get(publication.tag, publication.begin)

    def add(self, publication: Publication, offset: int, index: int, chunk: bytes) -> None:
        """Write one chunk, which lay at an offset of the stream."""
        with self._part.open("r+b") as file:
            file.seek(index * self._shape.chunk_bytes)
            file.write(chunk)
        with self._log.open("ab") as log:
            log.write(_SEEN.pack(publication.tag, offset, index))
        self._note(publication.tag, offset, index)

    def passed(self, publication: Publication, offset: int) -> None:
        """Remember, in this process only, that all up to an offset has been looked at."""
        self._resume_at[publication.tag] = offset + 1

    def finished(self) -> bytes | None:
        """Return the blob and keep its file; None, and nothing is kept, if the digest is wrong.

        What is checked is what is returned, in one copy.
        """
        blob = self._part.read_bytes()
        if sha256(blob).digest() != self._shape.digest:
            self.discard()
            return None
        self._part.rename(self._part.with_suffix(_WHOLE))
        self._log.unlink()
        return blob

    def discard(self) -> None:
        """Throw away all that has come; this object is of no use afterwards."""
        self._log.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _restore(self) -> None:
        head = _HEAD.pack(self._shape.size, self._shape.chunk_bytes)
        log = self._log.read_bytes() if self._log.exists() else b""
        if not log.startswith(head) or not self._part.exists():
            self._part.write_bytes(b"")
            self._log.write_bytes(head)
            return
        whole = len(log) - (len(log) - _HEAD.size) % _SEEN.size
        for tag, offset, index in _SEEN.iter_unpack(log[_HEAD.size : whole]):
            if index < len(self._has):
                self._note(tag, offset, index)
        if whole < len(log):
            self._log.write_bytes(log[:whole])  # the last record was torn

    def _note(self, tag: bytes, offset: int, index: int) -> None:
        if not self._has[index]:
            self._has[index] = True
            self.missing -= 1
        self._resume_at[tag] = offset + 1


def kept_blob(folder: Path, digest: bytes) -> bytes | None:
    """Return a blob that was downloaded before; one that is damaged is deleted."""
    path = _file(folder, digest, _WHOLE)
    if not path.exists():
        return None
    blob = path.read_bytes()
    if sha256(blob).digest() == digest:
        return blob
    path.unlink()
    return None


def keep_only(folder: Path, digests: Collection[bytes]) -> None:
    """Delete the files of all other blobs, finished or not; files of other kinds stay."""
    kept = {digest.hex() for digest in digests}
    for path in folder.iterdir():
        if path.suffix in (_PART, _LOG, _WHOLE) and path.stem not in kept:
            path.unlink(missing_ok=True)


def _file(folder: Path, digest: bytes, suffix: str) -> Path:
    return folder / f"{digest.hex()}{suffix}"
