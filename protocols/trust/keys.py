"""Ed25519 keys: which public keys may be somebody's, making and checking signatures.

Verification is that of OpenSSL: without the cofactor, S below the order of the group, and R
compared byte by byte. What it lets pass is refused here, when a key is first seen: points of
small order, whose signatures fit any message, and second encodings of a point.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocols.errors import Misuse

from .errors import Untrusted

KEY_BYTES = 32
SIGNATURE_BYTES = 64

KeyBytes = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
SignatureBytes = Annotated[
    bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)
]

_P = 2**255 - 19
# y of the two points of order 8 that are positive; with 0, 1 and what is negative these are all
# eight points whose order divides the cofactor.
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset({0, 1, _P - 1, _Y_OF_ORDER_8, _P - _Y_OF_ORDER_8})


def require_key(key: bytes) -> None:
    """Check that a public key is one that somebody may have.

    Raises:
        Untrusted: of another length, no canonical encoding, or a point of small order.
    """
    if len(key) != KEY_BYTES:
        raise Untrusted("key", f"a public key has {KEY_BYTES} bytes, not {len(key)}")
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _P:
        raise Untrusted("key", "a public key in another form than the canonical one")
    if y in _SMALL_ORDER:
        raise Untrusted("key", "a public key of small order: its signatures would fit any message")


def key_id(key: bytes) -> str:
    """Return 32 hex digits by which people tell keys apart; programs compare whole keys."""
    return hashlib.sha256(key).hexdigest()[:32]


class SigningKey:
    """The private half of an identity; shows nothing of itself."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: bytes = private.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Return the key of a seed of 32 unpredictable bytes."""
        if len(seed) != KEY_BYTES:
            raise Misuse(f"the seed of a key has {KEY_BYTES} bytes, not {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, statement: bytes) -> bytes:
        """Return the signature, 64 bytes, the same for the same statement.

        Sign only what `framed` made, so that no signature can be used for something else.
        """
        return self._private.sign(statement)

    def __repr__(self) -> str:
        return f"SigningKey({key_id(self.public)})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a private key is not pickled")


def verify(key: bytes, signature: bytes, statement: bytes) -> None:
    """Check a signature over a statement.

    Raises:
        Untrusted: the key may be nobody's, or the signature is not its own over these bytes.
    """
    require_key(key)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, statement)
    except InvalidSignature:
        raise Untrusted("signature", f"not signed by the key {key_id(key)}") from None
