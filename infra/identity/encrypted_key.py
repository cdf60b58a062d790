"""A private key under a passphrase: PKCS#8 with PBES2, scrypt (RFC 7914) and AES-256-CBC.

The library reads this form but writes another one, whose 2048 rounds of PBKDF2 a thief tries at
millions of passphrases a second. So the few lines of DER around the ciphertext are written here,
and `openssl pkey` reads them, too.
"""

from __future__ import annotations

import binascii
import os
import textwrap

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

# 16 MiB of memory for each try, eight times over: more memory `openssl pkey` would refuse.
_N, _R, _P = 2**14, 8, 8
_SALT_BYTES, _IV_BYTES, _KEY_BYTES = 16, 16, 32

_SEQUENCE, _INTEGER, _OCTETS, _OID = 0x30, 0x02, 0x04, 0x06
_PBES2 = bytes.fromhex("2a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC = bytes.fromhex("60864801650304012a")  # 2.16.840.1.101.3.4.1.42


def encrypted_pem(pkcs8: bytes, passphrase: bytes) -> bytes:
    """Return the PEM of a private key's PKCS#8 bytes under a passphrase; takes half a second."""
    salt, start = os.urandom(_SALT_BYTES), os.urandom(_IV_BYTES)
    key = Scrypt(salt=salt, length=_KEY_BYTES, n=_N, r=_R, p=_P).derive(passphrase)
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES256(key), modes.CBC(start)).encryptor()
    sealed = cipher.update(padder.update(pkcs8) + padder.finalize()) + cipher.finalize()
    numbers = [_integer(number) for number in (_N, _R, _P, _KEY_BYTES)]
    stretching = _sequence(_der(_OID, _SCRYPT), _sequence(_der(_OCTETS, salt), *numbers))
    ciphering = _sequence(_der(_OID, _AES_256_CBC), _der(_OCTETS, start))
    scheme = _sequence(_der(_OID, _PBES2), _sequence(stretching, ciphering))
    text = binascii.b2a_base64(_sequence(scheme, _der(_OCTETS, sealed)), newline=False).decode()
    head, foot = (f"-----{word} ENCRYPTED PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return "\n".join([head, *textwrap.wrap(text, 64), foot, ""]).encode()


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _integer(number: int) -> bytes:
    # One bit more than it has, so that it is not taken for a negative one.
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content
