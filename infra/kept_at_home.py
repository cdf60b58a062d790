"""What an owner keeps from round to round: control variates, personal parameters."""

from __future__ import annotations

from pathlib import Path

from protocols.codec import Undecodable
from protocols.learning.state import State

from .durable_files import make_folder, replace_file

_SUFFIX = ".safetensors"


class KeptAtHome:
    """Files in a folder, each named for the mark of the state that it was computed from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, mark: str) -> State | None:
        """Return what was kept under this mark, None where it is gone or damaged."""
        try:
            return State.from_bytes(self._file(mark).read_bytes())
        except (FileNotFoundError, Undecodable):
            return None

    def keep(self, mark: str, state: State, *, beside: str) -> None:
        """Make a state durable under this mark; all but it and `beside` are removed after that."""
        make_folder(self._folder)
        replace_file(self._file(mark), state.to_bytes())
        needed = {self._file(mark), self._file(beside)}
        for file in self._folder.glob(f"*{_SUFFIX}"):
            if file not in needed:
                file.unlink()

    def _file(self, mark: str) -> Path:
        return self._folder / f"{mark}{_SUFFIX}"
