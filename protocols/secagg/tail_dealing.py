"""What a trainer deals behind the shares of its vector, where norms are bound."""

from __future__ import annotations

import numpy as np

from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .coin import REPETITIONS
from .field import FIELDS, Residues
from .norm_bound import vanishing
from .prg import key_stream, residues, stream_info
from .salts import SALT_BYTES, salts_of
from .shamir import split
from .suites import SUITES
from .tails import Tail

_SUITE = "shamir"  # of the names of streams: other suites have no norm bound


def salt_of_tests(config: RoundConfig, seed: bytes, number: int) -> bytes:
    """Return the salt that is tried as the `number`-th, from 0; it will be known to all."""
    info = stream_info(suite=_SUITE, cid=config.cid(), purpose="tests", index=number)
    return key_stream(seed, info)(SALT_BYTES).tobytes()


def deal_tails(config: RoundConfig, seed: bytes, dealt: Residues) -> tuple[Tail, ...]:
    """Share the witness and draw all masks.

    Args:
        config: of a round whose norms are bound.
        seed: that of `Suite.protect`, for the same contribution.
        dealt: `norm_bound.witness`.

    Returns:
        The tails in the order of places; the same for equal arguments.

    Raises:
        Misuse: the round has no norm bound.
    """
    if not config.norm_bound:
        raise Misuse("tails are dealt where norms are bound")
    field, suite = FIELDS[config.field], SUITES[config.suite]
    drawn = _draw(config, seed, "witness", (config.threshold - 1) * dealt.size)
    rows = split(field, dealt, drawn.reshape(config.threshold - 1, dealt.size), config.holders)
    zeros = _vanishing_masks(config, seed)
    masks = [suite.masks(config, mask) for mask in suite.deal_masks(config, seed)]
    parts = zip(salts_of(config, seed), masks, rows, zeros, strict=True)
    return tuple(Tail(salt, mask, row, zero) for salt, mask, row, zero in parts)


def _vanishing_masks(config: RoundConfig, seed: bytes) -> Residues:
    """Return masks of the doubled degree, shape (holders, repetitions)."""
    field, each = FIELDS[config.field], 2 * config.threshold - 2
    repetitions = REPETITIONS[field.name]
    drawn = _draw(config, seed, "vanishing", repetitions * each).reshape(repetitions, each)
    return np.stack([vanishing(field, row, config.holders) for row in drawn], axis=1)


def _draw(config: RoundConfig, seed: bytes, purpose: str, count: int) -> Residues:
    info = stream_info(suite=_SUITE, cid=config.cid(), purpose=purpose, index=0)
    return residues(FIELDS[config.field], seed, info, count)
