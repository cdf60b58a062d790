"""Shares that travel as seeds: T of the n holders get 32 bytes where the others get words.

The shares of T holders may be any uniform words (`packed.spread`), so they may be the generator's
output, and what makes them may be sent instead: the same idea as the helpers' seeds of Prio3
(draft-irtf-cfrg-vdaf). Each chunk has a seed of its own for each holder, so a share has the same
chunks in both forms and is written out chunk by chunk. What T holders see is then as good as the
generator, like the coefficients that were drawn from it anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from protocols.round_config import RoundConfig

from .field import FIELDS, Residues
from .packed import spread
from .prg import SEED_BYTES, key_stream, residues, stream_info

_DRAW = np.dtype("<u8")


def seeded_places(config: RoundConfig, seed: bytes) -> tuple[int, ...]:
    """Return the T places whose shares of this contribution travel as seeds, ascending.

    They follow from the contribution's own secret seed, so they rotate with every trainer and
    every round, and stay the same for all chunks: holders are spared work and disk in turn.

    Raises:
        Misuse: the seed has another length.
    """
    read = key_stream(seed, _info(config, "seeded places", 0))
    draws = read(config.holders * _DRAW.itemsize).view(_DRAW).tolist()
    by_draw = sorted(range(config.holders), key=lambda place: (draws[place], place))
    return tuple(sorted(by_draw[: config.privacy()]))


def protected_with_seeds(
    config: RoundConfig, points: Sequence[int], secrets: Residues, seed: bytes, chunk: int
) -> tuple[bytes, ...]:
    """Share one chunk so that T of the pieces are seeds.

    Args:
        config: of the round.
        points: where the secrets are, k of them.
        secrets: shape (k, m), residues.
        seed: 32 secret bytes, drawn for this contribution.
        chunk: number of the chunk, from 0.

    Returns:
        One piece for each holder, in the order of their places: a seed, or the words. A chunk
        whose words are no longer than a seed travels as words everywhere.

    Raises:
        Misuse: the seed has another length.

    Time O((n - T)·t·m); memory O((n + t)·m).
    """
    field, words = FIELDS[config.field], secrets.shape[1]
    read = key_stream(seed, _info(config, "share seeds", chunk))
    seeds = [read(SEED_BYTES).tobytes() for _ in range(config.holders)]
    places = seeded_places(config, seed)
    given = {place: expanded(config, seeds[place], chunk, words) for place in places}
    shares = spread(field, points, secrets, given, config.holders)
    as_seeds = places if words * field.word_bytes > SEED_BYTES else ()
    return tuple(
        seeds[place] if place in as_seeds else field.to_bytes(share)
        for place, share in enumerate(shares)
    )


def expanded(config: RoundConfig, seed: bytes, chunk: int, words: int) -> Residues:
    """Return the words of a chunk of a share from its seed.

    Args:
        config: of the round.
        seed: 32 bytes; from a trainer any are fine, as any words are.
        chunk: number of the chunk.
        words: how many it has.

    Raises:
        Misuse: the seed has another length.
    """
    return residues(FIELDS[config.field], seed, _info(config, "share of a seed", chunk), words)


def is_seed(config: RoundConfig, payload: bytes, words_bytes: int) -> bool:
    """Say whether a payload is a seed: so long, and the chunk's words are longer."""
    return config.seeds and len(payload) == SEED_BYTES < words_bytes


def _info(config: RoundConfig, purpose: str, index: int) -> bytes:
    return stream_info(suite=config.suite, cid=config.cid(), purpose=purpose, index=index)
