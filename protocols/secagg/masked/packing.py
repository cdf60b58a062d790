"""Residues of 30 bits in words of 32: sixteen take the room of fifteen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable

GROUP = 16
_BITS, _LOW = np.uint32(30), np.uint32(2**30 - 1)
_PAIR = np.uint32(3)


def packed_bytes(count: int) -> int:
    """Return how many bytes `count` residues take."""
    return -(-count // GROUP) * (GROUP - 1) * 4


def pack(residues: NDArray[np.uint32]) -> bytes:
    """Write residues, rows of them: the last of sixteen rows in the free bits of the others.

    The residues are cut into sixteen rows of equal length, zeros behind them. Bits 2k and
    2k + 1 of the last row go to bits 30 and 31 of row k. Words are little-endian.

    Args:
        residues: shape (m,), below 2^30.
    """
    length = -(-residues.size // GROUP)
    rows = np.zeros((GROUP, length), dtype="<u4")
    rows.reshape(-1)[: residues.size] = residues
    last = rows[GROUP - 1]
    for k in range(GROUP - 1):
        rows[k] |= ((last >> np.uint32(2 * k)) & _PAIR) << _BITS
    return rows[: GROUP - 1].tobytes()


def unpack(data: bytes | memoryview, count: int, prime: int) -> NDArray[np.uint32]:
    """Read residues that anybody may have sent.

    Args:
        data: from `pack`.
        count: how many there must be.
        prime: what they must be below.

    Returns:
        Shape (count,).

    Raises:
        Undecodable: another number of bytes, a residue that is none, or no zeros behind them.
    """
    if len(data) != packed_bytes(count):
        raise Undecodable(f"{len(data)} bytes are not {count} residues of 30 bits")
    words = np.frombuffer(data, dtype="<u4").reshape(GROUP - 1, -1)
    rows = np.zeros((GROUP, words.shape[1]), dtype=np.uint32)
    np.bitwise_and(words, _LOW, out=rows[: GROUP - 1])
    for k in range(GROUP - 1):
        rows[GROUP - 1] |= (words[k] >> _BITS) << np.uint32(2 * k)
    residues = rows.reshape(-1)
    if residues[count:].any():
        raise Undecodable("what fills up a block is not zero")
    if residues.size and residues.max() >= prime:
        raise Undecodable(f"a word is not below the modulus {prime}")
    return residues[:count]
