"""What a lying trainer deals beside made up shares, so that they are received as true ones are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols.messages import ContributionHeader, TailDigests
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import share_size
from protocols.secagg.norm_bound import NormBound, signs_seed
from protocols.secagg.prg import SEED_BYTES
from protocols.secagg.salts import salts_of
from protocols.secagg.suites import SUITES
from protocols.secagg.tail_dealing import deal_tails, salt_of_tests
from protocols.secagg.tails import cut

from .forged_bits import best_bits

_KNOWN = bytes(SEED_BYTES)  # masks that anybody could know


@dataclass(frozen=True, slots=True)
class Beside:
    """A header, and by place the chunks of the tails that it announces; none without checks."""

    header: ContributionHeader
    tails: tuple[tuple[bytes, ...], ...]


def beside(
    config: RoundConfig,
    trainer: str,
    payloads: Sequence[bytes],
    values: NDArray[np.int64],
    bulk_digest: bytes | None = None,
) -> Beside:
    """Return what goes with shares of one chunk.

    Args:
        config: of the round.
        trainer: in whose name.
        payloads: by place.
        values: the vector whose bits are dealt where norms are bound, as well as they fit.
        bulk_digest: of what goes to the coordinator, None in suites without.
    """
    if config.norm_bound:
        return _with_bits(config, trainer, payloads, values)
    masks = SUITES[config.suite].deal_masks(config, _KNOWN) if config.checks else ()
    shares = [payload + mask for payload, mask in zip(payloads, masks, strict=False)] or payloads
    header = _header(config, trainer, shares, None)
    header = msgspec.structs.replace(header, bulk_digest=bulk_digest)
    return Beside(header, tuple((mask,) for mask in masks))


def _with_bits(
    config: RoundConfig, trainer: str, payloads: Sequence[bytes], values: NDArray[np.int64]
) -> Beside:
    salted = [a + b for a, b in zip(payloads, salts_of(config, _KNOWN), strict=True)]
    bound, salt = NormBound(squared=config.norm_bound), salt_of_tests(config, _KNOWN, 0)
    digests = tuple(hashlib.sha256(share).digest() for share in salted)
    bits, _ = best_bits(bound, [values], signs_seed(config.cid(), trainer, salt, digests))
    tails = [tail.to_bytes() for tail in deal_tails(config, _KNOWN, bits)]
    told = TailDigests(salt=salt, digests=tuple(hashlib.sha256(tail).digest() for tail in tails))
    header = _header(config, trainer, salted, told)
    return Beside(header, tuple(tuple(cut(config, tail)) for tail in tails))


def _header(
    config: RoundConfig, trainer: str, shares: Sequence[bytes], tails: TailDigests | None
) -> ContributionHeader:
    return ContributionHeader(
        cid=config.cid(),
        trainer=trainer,
        share_bytes=share_size(config),
        share_digests=tuple(hashlib.sha256(share).digest() for share in shares),
        tails=tails,
    )
