"""Where a passphrase comes from: a file, the environment, a person; never the command line."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .new_files import IdentityError, read_secret

IDENTITY_VARIABLE = "QUORATE_IDENTITY_PASSPHRASE"
AUTHORITY_VARIABLE = "QUORATE_AUTHORITY_PASSPHRASE"
MIN_CHARACTERS = 12
_MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Passphrases:
    """The sources for one kind of key: `file`, then the environment, then the terminal."""

    variable: str
    file: Path | None = None

    def for_new(self, *, ask: bool) -> bytes | None:
        """Return the passphrase of a new key, None where none was wished for.

        Raises:
            IdentityError: it is short, can't be read, or was typed in two ways.
        """
        found = self._given()
        if found is None and ask:
            found = self._typed("New passphrase: ")
            if self._typed("The same again: ") != found:
                raise IdentityError("the two passphrases differ; nothing was made")
        if found is not None and len(found.decode()) < MIN_CHARACTERS:
            raise IdentityError(f"a passphrase has {MIN_CHARACTERS} characters or more")
        return found

    def for_known(self, file: Path) -> bytes:
        """Return the passphrase of the key in `file`. Raises `IdentityError`."""
        found = self._given()
        if found is not None:
            return found
        return self._typed(f"Passphrase of {file}: ")

    def _given(self) -> bytes | None:
        if self.file is not None:
            return _checked(read_secret(self.file).rstrip(b"\r\n"), str(self.file))
        text = os.environ.get(self.variable)
        return None if text is None else _checked(os.fsencode(text), self.variable)

    def _typed(self, prompt: str) -> bytes:
        if not sys.stdin.isatty():
            raise IdentityError(
                f"{prompt.rstrip(': ')}: there is no terminal to type it at; set {self.variable}, "
                f"or name a file with --passphrase-file"
            )
        return _checked(getpass.getpass(prompt).encode(), "what was typed")


def _checked(passphrase: bytes, place: str) -> bytes:
    try:
        passphrase.decode()
    except UnicodeDecodeError:
        raise IdentityError(f"{place}: a passphrase is text in UTF-8") from None
    if not 1 <= len(passphrase) <= _MAX_BYTES:
        raise IdentityError(
            f"{place}: a passphrase has at most {_MAX_BYTES} bytes, and one at least"
        )
    return passphrase
