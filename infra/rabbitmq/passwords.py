"""Passwords of accounts, each in a file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from infra.durable_files import make_folder, sync_folder

_RANDOM_BYTES = 32


class PasswordFolder:
    """`<name>.password` for each actor, one line of text, mode 0600."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def file(self, name: str) -> Path:
        """Return where an actor's password is or will be."""
        return self.folder / f"{name}.password"

    def read(self, name: str) -> str | None:
        """Return an actor's password, None if there is no file or an empty one.

        Raises `OSError` where the file is there and can't be read.
        """
        try:
            return self.file(name).read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def renew(self, name: str) -> str:
        """Make an actor a new random password and return it; durable, and whole or not at all."""
        make_folder(self.folder)
        password = secrets.token_urlsafe(_RANDOM_BYTES)
        incoming = self.folder / f".{name}.password.incoming"
        incoming.unlink(missing_ok=True)
        descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(password + "\n")
            file.flush()
            os.fsync(file.fileno())
        incoming.rename(self.file(name))
        sync_folder(self.folder)
        return password
