"""An Ed25519 private key in a file: PKCS#8 in PEM, mode 0600, with a passphrase or without."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from protocols.trust.keys import SigningKey

from .encrypted_key import encrypted_pem
from .new_files import IdentityError, read_secret, write_new
from .passphrases import Passphrases

_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


class NewKey:
    """A key of the library's entropy that is on no disk yet."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.signing = SigningKey(self._private)

    def write(self, file: Path, passphrase: bytes | None) -> None:
        """Write it to a file that is not there. Raises `IdentityError` or `OSError`."""
        form = Encoding.PEM if passphrase is None else Encoding.DER
        content = self._private.private_bytes(form, PrivateFormat.PKCS8, NoEncryption())
        if passphrase is not None:
            content = encrypted_pem(content, passphrase)
        write_new(file, content, mode=0o600)


def is_encrypted(file: Path) -> bool:
    """Say whether a key needs a passphrase. Raises `IdentityError`."""
    return read_secret(file).startswith(_ENCRYPTED)


def load_key(file: Path, passphrases: Passphrases) -> SigningKey:
    """Return the key of a file.

    Raises:
        IdentityError: others may read it, it is no key of ours, or the passphrase is not right.
    """
    pem = read_secret(file)
    passphrase = passphrases.for_known(file) if pem.startswith(_ENCRYPTED) else None
    try:
        private = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        wrong = "the passphrase is not right, or the file is damaged"
        if passphrase is None:
            wrong = "no private key that this program wrote; bring back the file"
        raise IdentityError(f"{file}: {wrong}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise IdentityError(f"{file}: a private key, but none of Ed25519")
    return SigningKey(private)
