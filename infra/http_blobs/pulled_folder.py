"""The blobs that came over HTTPS, and the beginnings of those that did not come to their end."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from infra.durable_files import make_folder

_PART, _WHOLE = ".part", ".blob"


class PulledFolder:
    """`<digest>.blob` and `<digest>.part`; `<digest>.N.part` is of the N-th address alone.

    Nothing is synced: what a power cut spoils is found by the digest, and pulled again.
    `OSError` passes through.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self, digest: bytes) -> bytes | None:
        """Return a blob that came before; a damaged one is deleted."""
        return self._checked(self._path / f"{digest.hex()}{_WHOLE}", digest)

    def part(self, digest: bytes, only: int | None = None) -> Path:
        """Return the file of a beginning: of all addresses, or of `only` one."""
        make_folder(self._path)
        return self._path / (digest.hex() + ("" if only is None else f".{only}") + _PART)

    def finished(self, part: Path, digest: bytes) -> bytes | None:
        """Return the blob and keep it; None, and nothing is kept, if its digest is wrong.

        What is checked is what is returned, in one copy.
        """
        blob = self._checked(part, digest)
        if blob is not None:
            part.rename(self._path / f"{digest.hex()}{_WHOLE}")
        return blob

    def keep_only(self, digests: Collection[bytes]) -> None:
        """Delete the files of all other blobs, finished or not; files of other kinds stay."""
        kept = {digest.hex() for digest in digests}
        for path in self._path.iterdir():
            if path.suffix in (_PART, _WHOLE) and path.stem.partition(".")[0] not in kept:
                path.unlink(missing_ok=True)

    def forget_single(self, digest: bytes) -> None:
        """Delete beginnings that one address alone gave."""
        for path in self._path.glob(f"{digest.hex()}.*{_PART}"):
            path.unlink(missing_ok=True)

    @staticmethod
    def _checked(path: Path, digest: bytes) -> bytes | None:
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            return None
        if sha256(blob).digest() == digest:
            return blob
        path.unlink()
        return None
