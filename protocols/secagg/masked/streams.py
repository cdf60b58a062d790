"""What the mask draws from seeds: public polynomials from the round's id, private words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.secagg.prg import key_stream, stream_info

SUITE = "masked"
_MASK30 = np.uint32(2**30 - 1)


def public_residues(cid: bytes, prime: int, block: int, count: int) -> NDArray[np.uint32]:
    """Return a block's public polynomials modulo one prime, in the order of `ntt`.

    Everybody derives them: a coordinator that could send them would choose ones that hide
    nothing. Little-endian words are masked to 30 bits and those not below the prime dropped.

    Args:
        cid: the round's id, 32 bytes.
        prime: one of the parameter set's.
        block: number of the block.
        count: how many; a longer draw continues a shorter one.

    Returns:
        Shape (count,), uniform below the prime.

    Time O(count).
    """
    info = stream_info(suite=SUITE, cid=cid, purpose=f"public {prime}", index=block)
    read = key_stream(cid, info)
    pieces: list[NDArray[np.uint32]] = []
    missing = count
    while missing > 0:
        accepted = below(prime, read(4 * missing).view("<u4"))
        pieces.append(accepted)
        missing -= accepted.size
    return np.concatenate(pieces) if pieces else np.empty(0, np.uint32)


def below(prime: int, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Mask words to 30 bits, in place, and leave out those that are not below the prime."""
    np.bitwise_and(words, _MASK30, out=words)
    # One in a thousand is dropped: they are public, so their places may decide what is done.
    return words[words < np.uint32(prime)]


def private_words(
    cid: bytes, seed: bytes, purpose: str, index: int, count: int
) -> NDArray[np.uint64]:
    """Return the first `count` words of 64 bits of a stream of a contribution's seed."""
    info = stream_info(suite=SUITE, cid=cid, purpose=purpose, index=index)
    return key_stream(seed, info)(8 * count).view("<u8")
