"""What makes the digest of a share tell nothing: 32 bytes that only its holder gets.

The digests of all shares stand in the header, which every holder sees. A share follows from any
t - 1 others and the vector. So without salts t - 1 holders that pool their shares could try every
vector that they think likely, and see which is right.
"""

from __future__ import annotations

from protocols.round_config import RoundConfig

from .prg import key_stream, stream_info

SALT_BYTES = 32


def salts_of(config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
    """Return each holder's salt, in the order of places.

    Args:
        config: of the round.
        seed: that of `Suite.protect`, for the same contribution.
    """
    info = stream_info(suite=config.suite, cid=config.cid(), purpose="salts", index=0)
    read = key_stream(seed, info)
    return tuple(read(SALT_BYTES).tobytes() for _ in range(config.holders))


def salted(config: RoundConfig, seed: bytes, shares: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return each holder's share followed by its salt."""
    salts = salts_of(config, seed)
    return tuple(share + salt for share, salt in zip(shares, salts, strict=True))
