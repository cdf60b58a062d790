"""What a share has behind the vector: the masks of a check, and where norms are bound more.

Then it is, in this order and cut into chunks: a salt that only this holder gets, the masks of the
degree check, the bits of the witness, and the masks of the norm bound. Nothing of it is summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from protocols.codec import Undecodable
from protocols.messages import ContributionHeader
from protocols.round_config import RoundConfig

from .field import FIELDS, Residues
from .norm_bound import NormBound, signs_seed
from .salts import SALT_BYTES
from .suites import SUITES


@dataclass(frozen=True, slots=True)
class Tail:
    """One holder's tail in a round whose norms are bound.

    Attributes:
        salt: makes the digests of this holder's shares such that nobody else can try values.
        masks: of the degree check, shape (repetitions,).
        witness: shares of the bits, shape (witness_length,).
        vanishing: masks of the norm bound, shape (repetitions,).
    """

    salt: bytes = field(repr=False)
    masks: Residues = field(repr=False)
    witness: Residues = field(repr=False)
    vanishing: Residues = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return the wire form."""
        return self.salt + b"".join(
            row.tobytes() for row in (self.masks, self.witness, self.vanishing)
        )


def bound_of(config: RoundConfig) -> NormBound | None:
    """Return the bound of a round, None where it has none."""
    return NormBound(squared=config.norm_bound) if config.norm_bound else None


@lru_cache(maxsize=256)  # the same for all of a round, and asked with every chunk
def tail_bytes(config: RoundConfig) -> int:
    """Return the bytes of one holder's tail, 0 in a round without checks."""
    if not config.checks:
        return 0
    masks, bound = SUITES[config.suite].mask_bytes(config), bound_of(config)
    if bound is None:
        return masks
    return SALT_BYTES + 2 * masks + bound.witness_length * FIELDS[config.field].word_bytes


def tail_chunks(config: RoundConfig) -> int:
    """Return into how many chunks a tail is cut."""
    return -(-tail_bytes(config) // _full(config))


def tail_chunk_bytes(config: RoundConfig, number: int) -> int:
    """Return the bytes of chunk `number` of a tail, counted from 0."""
    return min(_full(config), tail_bytes(config) - number * _full(config))


def cut(config: RoundConfig, tail: bytes) -> list[bytes]:
    """Return the chunks of a tail."""
    full = _full(config)
    return [tail[start : start + full] for start in range(0, len(tail), full)]


def holds_residues(config: RoundConfig, number: int, chunk: bytes) -> bool:
    """Say whether a chunk of a tail is what it should be; its length is right."""
    salted = config.norm_bound and number == 0
    try:
        FIELDS[config.field].from_bytes(chunk[SALT_BYTES:] if salted else chunk)
    except Undecodable:
        return False
    return True


def hashed(config: RoundConfig, number: int, chunk: bytes) -> tuple[bytes, bytes]:
    """Return what of a tail's chunk the share's digest is of, and what the tail's is of."""
    if not config.norm_bound:
        return chunk, b""
    return chunk[:SALT_BYTES] if number == 0 else b"", chunk


def read_tail(config: RoundConfig, chunks: Sequence[bytes]) -> Tail:
    """Return a stored tail of a round whose norms are bound.

    Raises:
        Undecodable: it is not of this round.
    """
    data, words = b"".join(chunks), FIELDS[config.field]
    bound, count = bound_of(config), SUITES[config.suite].mask_bytes(config) // words.word_bytes
    if bound is None or len(data) != tail_bytes(config):
        raise Undecodable(f"{len(data)} bytes are no tail of this round")
    rows = words.from_bytes(data[SALT_BYTES:])
    ends = count, count + bound.witness_length
    return Tail(data[:SALT_BYTES], rows[: ends[0]], rows[ends[0] : ends[1]], rows[ends[1] :])


def tails_fault(config: RoundConfig, header: ContributionHeader) -> str | None:
    """Say what is wrong with what a header says of tails, None if it fits the round."""
    tails = header.tails
    if (tails is not None) != bool(config.norm_bound):
        return "digests of tails" if tails else "no digests of tails"
    if tails is not None and len(tails.digests) != config.holders:
        return f"{len(tails.digests)} digests of tails for {config.holders} holders"
    return None


def seed_of_tests(header: ContributionHeader) -> bytes:
    """Return the seed of a trainer's tests, which its header fixes; b"" where it has none."""
    if header.tails is None:
        return b""
    return signs_seed(header.cid, header.trainer, header.tails.salt, header.share_digests)


def _full(config: RoundConfig) -> int:
    word = FIELDS[config.field].word_bytes
    return config.chunk_bytes // word * word
