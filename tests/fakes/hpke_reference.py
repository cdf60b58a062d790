"""HPKE as RFC 9180 and the X-Wing draft define it, for tests: from shared secrets to keys."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X25519_KEM, XWING_KEM = 0x0020, 0x647A
_XWING_LABEL = bytes.fromhex("5c2e2f2f5e5c")
AES_256_GCM, CHACHA20_POLY1305 = 2, 3
_HKDF_SHA256 = 1


def _extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def _expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    block, found = b"", b""
    while len(found) < length:
        counter = bytes([len(found) // 32 + 1])
        block = hmac.digest(secret, block + labeled + counter, "sha256")
        found += block
    return found[:length]


def secret_of_exchange(exchanged: bytes, encapsulated: bytes, public: bytes) -> bytes:
    """Return the shared secret of DHKEM(X25519, HKDF-SHA256)."""
    suite = b"KEM" + X25519_KEM.to_bytes(2, "big")
    extracted = _extract(suite, b"", b"eae_prk", exchanged)
    return _expand(suite, extracted, b"shared_secret", encapsulated + public, 32)


def secret_of_both(lattice: bytes, exchanged: bytes, encapsulated: bytes, public: bytes) -> bytes:
    """Return the shared secret of X-Wing; the last two are the X25519 halves."""
    parts = lattice + exchanged + encapsulated + public + _XWING_LABEL
    return hashlib.sha3_256(parts).digest()


def key_and_nonce(
    kem: int, shared: bytes, info: bytes, *, cipher: int = AES_256_GCM
) -> tuple[bytes, bytes]:
    """Return key and first nonce of the base mode."""
    numbers = (kem, _HKDF_SHA256, cipher)
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in numbers)
    context = (
        b"\x00"
        + _extract(suite, b"", b"psk_id_hash", b"")
        + _extract(suite, b"", b"info_hash", info)
    )
    secret = _extract(suite, shared, b"secret", b"")
    return (
        _expand(suite, secret, b"key", context, 32),
        _expand(suite, secret, b"base_nonce", context, 12),
    )


def box(kem: int, shared: bytes, encapsulated: bytes, info: bytes, content: bytes) -> bytes:
    """Return the box of a shared secret."""
    key, nonce = key_and_nonce(kem, shared, info)
    return encapsulated + AESGCM(key).encrypt(nonce, content, b"")
