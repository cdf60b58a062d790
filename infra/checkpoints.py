"""Model states as safetensors files: durable before anybody is told, readable without us."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from actors.ports import StorageFailed
from protocols.pieces import Pieces

from .durable_files import make_folder, replace_file
from .system import ThreadOffload

_NAME = re.compile(r"state-(\d{6})-([0-9a-f]{64})\.safetensors")


class FileCheckpoints:
    """Keeps the last `keep` states in a folder; the `Checkpoints` port.

    A file is named for the rounds behind it and its SHA-256, so nothing else needs to be
    remembered to find or to verify it.
    """

    def __init__(self, folder: Path, offload: ThreadOffload, *, keep: int = 3) -> None:
        self._folder = folder
        self._offload = offload
        self._keep = keep

    async def save(self, completed: int, state: Pieces) -> bytes:
        """Write a state and return its digest; older ones than the last few are deleted."""
        return await self._offload.run_to_end(self._save, completed, state)

    async def load(self, digest: bytes) -> bytes:
        """Return the state with this digest."""
        return await self._offload.run_to_end(self._load, digest)

    def find(self, digest: bytes) -> Path | None:
        """Return the file of a state, None if there is none."""
        return next((path for _, path in self._files() if digest.hex() in path.name), None)

    def path(self, digest: bytes) -> Path:
        """Return the file of a state. Raises `StorageFailed` if there is none."""
        path = self.find(digest)
        if path is not None:
            return path
        raise StorageFailed(
            f"{self._folder} has no state {digest.hex()[:8]}: restore the folder, "
            f"or begin the run anew"
        )

    def _save(self, completed: int, state: Pieces) -> bytes:
        digest = state.sha256()
        target = self._folder / f"state-{completed:06}-{digest.hex()}.safetensors"
        try:
            make_folder(self._folder)
            replace_file(target, *state.spans, incoming=self._folder / "incoming")
            for _, old in self._files()[: -self._keep]:
                old.unlink()
        except OSError as error:
            raise StorageFailed(f"writing {target}: {error.strerror}") from error
        return digest

    def _load(self, digest: bytes) -> bytes:
        return _read(self.path(digest), digest)

    def _files(self) -> list[tuple[int, Path]]:
        return _states_in(self._folder)


def newest_state(folder: Path) -> tuple[int, bytes] | None:
    """Return the newest state in a folder, and how many rounds are behind it; None without any.

    Raises `StorageFailed` where it can't be read or is damaged.
    """
    states = _states_in(folder)
    if not states:
        return None
    completed, path = states[-1]
    digest = bytes.fromhex(path.stem.rpartition("-")[2])
    return completed, _read(path, digest)


def _states_in(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    # The digest breaks ties after a repeated round, so that the order is always the same.
    return sorted((int(match[1]), path) for match, path in found if match)


def _read(path: Path, digest: bytes) -> bytes:
    try:
        state = path.read_bytes()
    except OSError as error:
        raise StorageFailed(f"reading {path}: {error.strerror}") from error
    if sha256(state).digest() != digest:
        raise StorageFailed(f"{path} is damaged: its bytes are not those it is named for")
    return state
