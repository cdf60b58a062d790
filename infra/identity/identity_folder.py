"""A site's identity: its private keys, which never leave it, and the requests that do.

    HOME/identity/NAME-ID.key        the private key, mode 0600
    HOME/identity/NAME-ID.request    who it wants to be; goes to whoever keeps the roster

ID tells keys apart. There is one key, and for the time of a rotation two: the roster says which
one is in force, and nothing has to be switched here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infra.durable_files import make_folder
from protocols.trust.errors import Untrusted
from protocols.trust.keys import SigningKey, key_id
from protocols.trust.requests import Request, SignedRequest, read_request

from .key_files import NewKey, load_key
from .new_files import IdentityError, read_public, write_new
from .passphrases import Passphrases

MAX_REQUEST_BYTES = 16 * 1024
FOLDER = "identity"


@dataclass(frozen=True, slots=True)
class Identity:
    """A key of the folder, as its request says."""

    key_file: Path
    request_file: Path
    signed: SignedRequest

    @property
    def request(self) -> Request:
        """What is asked for."""
        return self.signed.request


class IdentityFolder:
    """The identity of the actor whose home this is. Methods raise `IdentityError` and `OSError`."""

    def __init__(self, home: Path) -> None:
        self.path = home.absolute() / FOLDER

    def identities(self) -> list[Identity]:
        """Return all keys, by name; each request is checked."""
        found = []
        for file in sorted(self.path.glob("*.request")):
            key_file = file.with_suffix(".key")
            if not key_file.exists():
                raise IdentityError(f"{key_file}: missing; bring it back, or remove {file}")
            found.append(Identity(key_file, file, load_request(file)))
        return found

    def make(self, wanted: Request, new: NewKey, passphrase: bytes | None) -> Identity:
        """Make the first identity of this home; `wanted` names the key's public half."""
        if there := self.identities():
            raise IdentityError(
                f"{there[0].key_file}: this home has an identity; quorate identity rotate gives "
                f"it a new key"
            )
        return self._write(wanted.signed_by(new.signing), new, passphrase)

    def rotate(self, old: Identity, passphrases: Passphrases, *, ask: bool) -> Identity:
        """Make a new key, whose request is signed by the old one, too; both are kept.

        It gets a passphrase where one is given or, with `ask`, typed.
        """
        old_key = self.unlock(old, passphrases)
        passphrase = passphrases.for_new(ask=ask)
        new = NewKey()
        wanted = Request(
            federation=old.request.federation,
            name=old.request.name,
            role=old.request.role,
            key=new.signing.public,
            replaces=old_key.public,
        )
        return self._write(wanted.signed_by(new.signing, old_key), new, passphrase)

    def unlock(self, identity: Identity, passphrases: Passphrases) -> SigningKey:
        """Return the private key of an identity."""
        key = load_key(identity.key_file, passphrases)
        if key.public != identity.request.key:
            raise IdentityError(
                f"{identity.key_file}: not the key of {identity.request_file.name}; bring back "
                f"the files"
            )
        return key

    def _write(self, signed: SignedRequest, new: NewKey, passphrase: bytes | None) -> Identity:
        make_folder(self.path)
        stem = f"{signed.request.name}-{key_id(signed.request.key)}"
        key_file, request_file = self.path / f"{stem}.key", self.path / f"{stem}.request"
        # The key first: a request without its key would be of no use to anybody.
        new.write(key_file, passphrase)
        write_new(request_file, signed.to_text().encode(), mode=0o644)
        return Identity(key_file, request_file, signed)


def load_request(file: Path) -> SignedRequest:
    """Return the request of a file, checked. Raises `IdentityError`."""
    try:
        return read_request(read_public(file, MAX_REQUEST_BYTES))
    except Untrusted as error:
        raise IdentityError(f"{file}: {error}") from None
