"""The folder of whoever keeps the roster: the authority's keys, and every epoch that was signed.

authority-ID.key         a private key of the authority, mode 0600
epoch-000001.roster      the rosters; members get the newest, and none is ever changed
"""

from __future__ import annotations

import re
from pathlib import Path

from infra.durable_files import make_folder
from protocols.trust.armour import MAX_TEXT
from protocols.trust.errors import Untrusted
from protocols.trust.keys import SigningKey, key_id
from protocols.trust.roster import RosterBody, SignedRoster, read_roster

from .key_files import NewKey, load_key
from .new_files import IdentityError, read_public, write_new
from .passphrases import Passphrases

_EPOCH = re.compile(r"epoch-(\d{6,16})\.roster\Z")


class RosterFolder:
    """Reads and adds to the folder. Methods raise `IdentityError`, `Untrusted` and `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def newest(self) -> SignedRoster:
        """Return the roster of the highest epoch."""
        files = self._epochs()
        if not files:
            raise IdentityError(f"{self.path}: no roster is kept here; begin: quorate roster new")
        epoch = max(files)
        roster = load_roster(files[epoch])
        if roster.body.epoch != epoch:
            raise IdentityError(f"{files[epoch]}: holds epoch {roster.body.epoch}; rename it back")
        return roster

    def found(self, body: RosterBody, new: NewKey, passphrase: bytes | None) -> Path:
        """Keep a new authority's key and its first roster; return the roster's file."""
        if files := self._epochs():
            raise IdentityError(
                f"{files[max(files)]}: a roster is kept here already; choose another folder"
            )
        make_folder(self.path)
        new.write(self._key_file(new.signing.public), passphrase)
        return self._sign(body, [new.signing])

    def add(self, body: RosterBody, passphrases: Passphrases) -> Path:
        """Sign the next epoch with a key of the newest one; return its file."""
        return self._sign(body, [self._key(self.newest().body, passphrases)])

    def hand_over(
        self, body: RosterBody, new: NewKey, passphrases: Passphrases, passphrase: bytes | None
    ) -> Path:
        """Keep a new authority's key; sign the next epoch with it and the one before."""
        old = self._key(self.newest().body, passphrases)
        new.write(self._key_file(new.signing.public), passphrase)
        return self._sign(body, [old, new.signing])

    def _sign(self, body: RosterBody, keys: list[SigningKey]) -> Path:
        text = body.signed_by(keys).to_text().encode()
        # What nobody could read is not given out: names of a wrong form, or too much of all.
        read_roster(text)
        file = self.path / f"epoch-{body.epoch:06}.roster"
        write_new(file, text, mode=0o644)
        return file

    def _key(self, body: RosterBody, passphrases: Passphrases) -> SigningKey:
        files = [self._key_file(key) for key in body.authorities]
        for key, file in zip(body.authorities, files, strict=True):
            if file.exists():
                loaded = load_key(file, passphrases)
                if loaded.public != key:
                    raise IdentityError(f"{file}: another key than its name says; bring it back")
                return loaded
        raise IdentityError(f"{files[0]}: missing, and needed to sign; bring it back")

    def _key_file(self, public: bytes) -> Path:
        return self.path / f"authority-{key_id(public)}.key"

    def _epochs(self) -> dict[int, Path]:
        found = {}
        for file in self.path.glob("epoch-*.roster"):
            if match := _EPOCH.match(file.name):
                found[int(match[1])] = file
        return found


def load_roster(file: Path) -> SignedRoster:
    """Return the roster of a file; whose signatures it has is not checked.

    Raises `Untrusted`, its text naming the file, and `IdentityError`.
    """
    try:
        return read_roster(read_public(file, MAX_TEXT))
    except Untrusted as error:
        raise Untrusted(error.doubt, f"{file}: {error}") from None
