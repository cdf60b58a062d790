"""Sealed boxes by HPKE (RFC 9180, base mode, single shot): keys of a round, and their bindings.

| suite | KEM | public key | a box is longer by |
|---|---|---|---|
| `mlkem768-x25519` | MLKEM768-X25519, that is X-Wing (0x647a) | 1216 bytes | 1136 |
| `x25519` | DHKEM(X25519, HKDF-SHA256) (0x0020) | 32 bytes | 48 |

Both with HKDF-SHA256 and AES-256-GCM, the cipher that shares are drawn from as well.
A box of the first stays closed as long as either of the two problems is hard. Everything that it
is bound to is in HPKE's `info`, as RFC 9180 (8.1) advises for single-shot boxes; `aad` is empty.
To seal takes entropy and is therefore a port, `Sealing` in `actors/ports.py`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Annotated, Literal, TypeAlias

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from protocols.codec import VERSION
from protocols.errors import Misuse

from .errors import Untrusted
from .framing import framed

DOMAIN = "quorate/sealed"
HYBRID: Literal["mlkem768-x25519"] = "mlkem768-x25519"
CLASSICAL: Literal["x25519"] = "x25519"
ENTROPY_BYTES = 32

SuiteName = Literal["mlkem768-x25519", "x25519"]
PublicKey: TypeAlias = MLKEM768X25519PublicKey | X25519PublicKey
PrivateKey: TypeAlias = MLKEM768X25519PrivateKey | X25519PrivateKey

PUBLIC_BYTES = {HYBRID: 1216, CLASSICAL: 32}
TAG_BYTES = 16
ENCAPSULATED_BYTES = {HYBRID: 1120, CLASSICAL: 32}
OVERHEAD_BYTES = {suite: size + TAG_BYTES for suite, size in ENCAPSULATED_BYTES.items()}
MAX_OVERHEAD_BYTES = max(OVERHEAD_BYTES.values())
_MLKEM_BYTES = 1184
_P = 2**255 - 19
# Any private key tells a public key of small order: their shared secret is zero.
_PROBE = X25519PrivateKey.from_private_bytes(bytes(range(32)))


@cache
def suites() -> tuple[SuiteName, ...]:
    """Return what the installed library can do, the best first."""
    try:
        MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    except UnsupportedAlgorithm:
        return (CLASSICAL,)
    return (HYBRID, CLASSICAL)


def hpke(suite: SuiteName) -> Suite:
    """Return the library's suite of a name."""
    kem = KEM.MLKEM768_X25519 if suite == HYBRID else KEM.X25519
    return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def ends(box: bytes) -> bytes:
    """Return what a sender signs of a box of any suite: its length, encapsulated key and tag."""
    head = max(ENCAPSULATED_BYTES.values())
    tail = max(head, len(box) - TAG_BYTES)
    return len(box).to_bytes(4, "big") + box[:head] + box[tail:]


class SealingKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A public key to seal boxes to, as it travels; trust it only where its owner has signed it."""

    suite: SuiteName
    key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=1216)]

    def __repr__(self) -> str:
        return f"SealingKey({self.suite}, {self.key[:4].hex()})"

    def public(self) -> PublicKey:
        """Return the key for the library; it is looked at once, as every chunk is sealed to it.

        Raises:
            Untrusted: of a wrong length, no canonical encoding, a point of small order, or of a
                suite that the installed library lacks.
        """
        return self._public

    @cached_property
    def _public(self) -> PublicKey:
        if len(self.key) != PUBLIC_BYTES[self.suite]:
            raise Untrusted("key", f"{len(self.key)} bytes are no public key of {self.suite}")
        curve = _curve_key(self.key[-32:])
        if self.suite == CLASSICAL:
            return curve
        try:
            lattice = MLKEM768PublicKey.from_public_bytes(self.key[:_MLKEM_BYTES])
        except UnsupportedAlgorithm:
            raise Untrusted("key", f"the installed library lacks {self.suite}") from None
        except ValueError:
            raise Untrusted("key", "a public key of ML-KEM-768 with a number too large") from None
        return MLKEM768X25519PublicKey(lattice, curve)


@lru_cache(maxsize=1024)  # a member's key of a round comes with each repetition of a message
def _curve_key(key: bytes) -> X25519PublicKey:
    if int.from_bytes(key, "little") >= _P:
        raise Untrusted("key", "a public key of X25519 in another form than the canonical one")
    public = X25519PublicKey.from_public_bytes(key)
    try:
        _PROBE.exchange(public)
    except ValueError:
        raise Untrusted("key", "a public key of X25519 of small order") from None
    return public


class BoxKey:
    """The private key of a holder, or of the coordinator, for one round; shows nothing of itself.

    Forget it when the round closes: boxes of the past then stay closed, whatever is stolen.
    """

    __slots__ = ("private", "sealing_key")

    def __init__(self, private: PrivateKey, sealing_key: SealingKey) -> None:
        self.private = private
        self.sealing_key = sealing_key

    @classmethod
    def from_entropy(cls, suite: SuiteName, entropy: bytes) -> BoxKey:
        """Return the key pair of 32 unpredictable bytes, which are used for nothing else.

        For `x25519` they are the private key; for the hybrid they are the seed of X-Wing, whose
        SHAKE256 gives both private keys.

        Raises:
            Misuse: another length, or a suite that the installed library lacks.
        """
        if len(entropy) != ENTROPY_BYTES:
            raise Misuse(f"a key pair is made of {ENTROPY_BYTES} bytes, not of {len(entropy)}")
        if suite == CLASSICAL:
            alone = X25519PrivateKey.from_private_bytes(entropy)
            return cls(alone, SealingKey(suite=suite, key=alone.public_key().public_bytes_raw()))
        expanded = hashlib.shake_256(entropy).digest(96)
        try:
            lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        except UnsupportedAlgorithm:
            raise Misuse(f"the installed library lacks {suite}; see suites()") from None
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        key = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return cls(MLKEM768X25519PrivateKey(lattice, curve), SealingKey(suite=suite, key=key))

    def __repr__(self) -> str:
        return f"BoxKey({self.sealing_key.suite}, {self.sealing_key.key[:4].hex()})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a private key is not pickled")


class BoxSeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the key pair of one round is made of; for its owner's journal only, and silent."""

    entropy: Annotated[bytes, msgspec.Meta(min_length=ENTROPY_BYTES, max_length=ENTROPY_BYTES)]

    def key(self, suite: SuiteName) -> BoxKey:
        """Return the key pair, the same each time. Raises `Misuse` for a suite we lack."""
        return BoxKey.from_entropy(suite, self.entropy)

    def __repr__(self) -> str:
        return "BoxSeed()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a box is bound to: opened as anything else, it does not open.

    Attributes:
        purpose: a share on its way to a holder, or a holder's answer to the coordinator.
        federation: where.
        round_id: 32 bytes, the round's id.
        sender: who seals.
        recipient: for whom.
        header_digest: 32 bytes, SHA-256 of the header that names what is inside.
        index: the chunk, from 0.
    """

    purpose: Literal["share", "answer"]
    federation: str
    round_id: bytes
    sender: str
    recipient: str
    header_digest: bytes
    index: int

    def __post_init__(self) -> None:
        if len(self.round_id) != 32 or len(self.header_digest) != 32:
            raise Misuse("the ids of a binding have 32 bytes each")
        if not 0 <= self.index < 2**32:
            raise Misuse(f"no chunk has the number {self.index}")

    def to_bytes(self) -> bytes:
        """Return what goes into HPKE's `info`."""
        return framed(
            DOMAIN,
            VERSION,
            self.purpose.encode(),
            self.federation.encode(),
            self.round_id,
            self.sender.encode(),
            self.recipient.encode(),
            self.header_digest,
            self.index.to_bytes(4, "big"),
        )
