"""The pinned pseudo-random generator: uniform residues from a 32-byte seed.

It is part of the wire format (secure-aggregation design, section 4.2): AES-256-CTR with a
zero first counter block, under a key from HKDF-SHA256 (RFC 5869) that no other stream shares.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from protocols.errors import Misuse

from .field import PrimeField, Residues

SEED_BYTES = 32
_LABEL = b"quorate prg 1"
_ZEROS = bytes(2**16)  # what CTR encrypts, in pieces that stay in the cache
_BLOCK_BYTES = 16


def stream_info(*, suite: str, cid: bytes, purpose: str, index: int) -> bytes:
    """Name one stream of a seed; different arguments give different bytes.

    Every part goes behind its length in two big-endian bytes, the index as eight of them.

    Args:
        suite: name of the suite.
        cid: id of the round.
        purpose: what the residues are for.
        index: number of the chunk, below 2^64.
    """
    parts = (_LABEL, suite.encode(), cid, purpose.encode(), index.to_bytes(8, "big"))
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def residues(field: PrimeField, seed: bytes, info: bytes, count: int) -> Residues:
    """Return the first `count` residues of a stream.

    The stream's little-endian words are masked to the bits of p, and those equal to p are
    dropped, never folded: folding would make zero twice as likely.

    Args:
        field: p31 reads words of 4 bytes, p61 of 8.
        seed: 32 bytes that nobody else can guess.
        info: from `stream_info`.
        count: how many, zero or more.

    Returns:
        Shape (count,), uniform below the modulus for anyone without the seed.

    Raises:
        Misuse: the seed has another length, or the count is negative.

    Time O(count): AES at several GB/s.
    """
    if count < 0:
        raise Misuse("the count is negative")
    return _collect(_words_of(field, key_stream(seed, info)), field.modulus, count)


def key_stream(seed: bytes, info: bytes) -> Callable[[int], NDArray[np.uint8]]:
    """Open a stream of pseudo-random bytes.

    Args:
        seed: 32 bytes.
        info: from `stream_info`.

    Returns:
        A reader: each call returns the next so many bytes, in an array of its own.

    Raises:
        Misuse: the seed has another length.
    """
    if len(seed) != SEED_BYTES:
        raise Misuse(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(seed)
    encryptor = Cipher(algorithms.AES256(key), modes.CTR(bytes(_BLOCK_BYTES))).encryptor()

    def read(size: int) -> NDArray[np.uint8]:
        # `update_into` may ask for room for one more block.
        stream = np.empty(size + _BLOCK_BYTES, dtype=np.uint8)
        for start in range(0, size, len(_ZEROS)):
            piece = memoryview(_ZEROS)[: size - start]
            encryptor.update_into(piece, stream.data[start:])
        return stream[:size]

    return read


def _words_of(
    field: PrimeField, read: Callable[[int], NDArray[np.uint8]]
) -> Callable[[int], Residues]:
    # Successive calls continue the stream.
    def draw(count: int) -> Residues:
        return read(count * field.word_bytes).view(field.dtype)

    return draw


def _reject(words: Residues, modulus: int) -> Residues:
    # The modulus is a Mersenne prime, so it is its own mask.
    masked: Residues = words & words.dtype.type(modulus)
    # Nearly always nothing is dropped: the maximum costs less than a compress.
    if masked.size and masked.max() == modulus:
        masked = masked[masked != modulus]
    return masked


def _collect(draw: Callable[[int], Residues], modulus: int, count: int) -> Residues:
    # A word is dropped with probability 2^-31 or less, so this ends at once.
    accepted = _reject(draw(count), modulus)
    while accepted.size < count:
        more = _reject(draw(count - accepted.size), modulus)
        accepted = np.concatenate((accepted, more))
    return accepted
