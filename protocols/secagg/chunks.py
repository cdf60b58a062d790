"""Streams of chunks: how many a share has, and under which names they are kept."""

from __future__ import annotations

from functools import lru_cache

from protocols.messages import Contribution, ContributionHeader
from protocols.round_config import RoundConfig

from .field import FIELDS
from .prg import SEED_BYTES
from .salts import SALT_BYTES, salted
from .seeds import expanded, is_seed
from .suites import SUITES
from .tails import tail_bytes, tail_chunk_bytes, tail_chunks

_BULK, _SHARE = "bulk", "share"


@lru_cache(maxsize=256)  # the same for all of a round, and asked with every chunk
def chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a vector: all of an answer, and of a share but its tail."""
    return SUITES[config.suite].chunks(config)


@lru_cache(maxsize=256)
def share_chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks of a share; where there are checks, a tail ends it."""
    return chunk_count(config) + tail_chunks(config)


def share_size(config: RoundConfig) -> int:
    """Return the bytes of one holder's share as words, its salt and its tail among them."""
    salt = 0 if config.norm_bound else SALT_BYTES
    return SUITES[config.suite].share_bytes(config) + salt + tail_bytes(config)


def is_salted(config: RoundConfig, index: int) -> bool:
    """Return whether a chunk of a share ends with the holder's salt.

    Without it, who has t - 1 shares and a guess of the vector could make every other share, and
    see by the digests in the header whether the guess is right. Tails have a salt of their own.
    """
    return not config.norm_bound and index == chunk_count(config) - 1


def with_salts(
    config: RoundConfig, index: int, seed: bytes, shares: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """Return a chunk of each holder's share, with its salt where this one ends with it.

    The `seed` is that of `Suite.protect`, for the same contribution.
    """
    return salted(config, seed, shares) if is_salted(config, index) else shares


def without_salt(config: RoundConfig, index: int, payload: bytes) -> bytes:
    """Return what a chunk of a vector's share holds of the share."""
    return payload[:-SALT_BYTES] if is_salted(config, index) else payload


def has_bulk(config: RoundConfig) -> bool:
    """Return whether trainers have something for the coordinator, too."""
    return SUITES[config.suite].bulk is not None


def bulk_chunk_count(config: RoundConfig) -> int:
    """Return the number of chunks that the coordinator gets of a contribution, often none."""
    bulk = SUITES[config.suite].bulk
    return 0 if bulk is None else bulk.chunks(config)


def words_of(config: RoundConfig, index: int, stored: bytes) -> bytes:
    """Return the words of a stored chunk of a share; see `written_out`."""
    return written_out(config, index, without_salt(config, index, stored))


def written_out(config: RoundConfig, index: int, payload: bytes) -> bytes:
    """Return a chunk of a share as words, whether it travelled as words or as a seed.

    Args:
        config: of the round.
        index: number of the chunk; none of the tail, which always travels as words.
        payload: as `Suite.protect` made it, without a salt.

    Raises `Misuse` for a chunk that the round does not have. Memory O(chunk).
    """
    size = SUITES[config.suite].payload_bytes(config, index)
    if not is_seed(config, payload, size):
        return payload
    field = FIELDS[config.field]
    return field.to_bytes(expanded(config, payload, index, size // field.word_bytes))


def upload_stream(cid: bytes, recipient: str) -> str:
    """Name what a trainer spooled for one holder, or for the coordinator."""
    return f"{cid.hex()}/upload/{recipient}"


def bulk_stream(cid: bytes, trainer: str) -> str:
    """Name the coordinator's stored bulk of one trainer."""
    return f"{cid.hex()}/{_BULK}/{trainer}"


def is_bulk(stream: str) -> bool:
    """Return whether this is the name of stored bulk."""
    return stream.split("/")[1:2] == [_BULK]


def is_share(stream: str) -> bool:
    """Return whether this is the name of a stored share."""
    return stream.split("/")[1:2] == [_SHARE]


def share_stream(cid: bytes, trainer: str) -> str:
    """Name a holder's stored share of one trainer."""
    return f"{cid.hex()}/{_SHARE}/{trainer}"


def answer_stream(cid: bytes, holder: str) -> str:
    """Name a holder's share of the sum, at the holder and at the coordinator."""
    return f"{cid.hex()}/answer/{holder}"


def chosen_streams(cid: bytes, chosen: tuple[Contribution, ...]) -> list[str]:
    """Name the stored shares of a set, in its order."""
    return [share_stream(cid, contribution.trainer) for contribution in chosen]


def header_fault(config: RoundConfig, header: ContributionHeader) -> str | None:
    """Say what is wrong with a header, None if it fits the round."""
    if len(header.share_digests) != config.holders:
        return f"{len(header.share_digests)} digests for {config.holders} holders"
    if has_bulk(config) != (header.bulk_digest is not None):
        return f"{'no' if header.bulk_digest is None else 'a'} digest for the coordinator"
    if header.share_bytes != share_size(config):
        return f"{header.share_bytes} bytes where {share_size(config)} belong"
    return None


def bulk_fault(config: RoundConfig, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of bulk, None if it fits the round."""
    bulk, chunks = SUITES[config.suite].bulk, bulk_chunk_count(config)
    if bulk is None or index >= chunks:
        return f"chunk {index} of {chunks}"
    fits = len(payload) == bulk.payload_bytes(config, index)
    return None if fits else f"chunk {index} is {len(payload)} bytes long"


def answer_fault(config: RoundConfig, total_bytes: int, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of an answer, None if it fits the round."""
    suite = SUITES[config.suite]
    sizes = _sizes(config, index, chunk_count(config))
    return _fault((total_bytes, suite.share_bytes(config)), index, payload, sizes)


def share_fault(config: RoundConfig, total_bytes: int, index: int, payload: bytes) -> str | None:
    """Say what is wrong with a chunk of a share, None if it fits the round."""
    chunks, size = _sizes(config, index, share_chunk_count(config))
    if index < chunk_count(config) and is_seed(config, without_salt(config, index, payload), size):
        size = SEED_BYTES
    size += SALT_BYTES * is_salted(config, index)
    return _fault((total_bytes, share_size(config)), index, payload, (chunks, size))


def _sizes(config: RoundConfig, index: int, chunks: int) -> tuple[int, int]:
    """Return how many chunks there are, and the bytes of one of them, 0 where there is none."""
    if index >= chunks:
        return chunks, 0
    number = index - chunk_count(config)
    if number >= 0:
        return chunks, tail_chunk_bytes(config, number)
    return chunks, SUITES[config.suite].payload_bytes(config, index)


def _fault(
    total: tuple[int, int], index: int, payload: bytes, sizes: tuple[int, int]
) -> str | None:
    (claimed, right), (chunks, size) = total, sizes
    if claimed != right:
        return f"{claimed} bytes where {right} belong"
    if index >= chunks:
        return f"chunk {index} of {chunks}"
    return None if len(payload) == size else f"chunk {index} is {len(payload)} bytes long"
