"""A holder's masked combinations of the shares that it keeps, a chunk of a few at a time."""

from __future__ import annotations

import asyncio

from protocols.effects import CombineShares
from protocols.errors import Misuse
from protocols.secagg.agreed import trainers_of
from protocols.secagg.chunks import chosen_streams, chunk_count, written_out
from protocols.secagg.coin import Values
from protocols.secagg.degree_check import masked
from protocols.secagg.suites import SUITES

from .ports import Offload, Spool

_AT_ONCE = 16  # shares that are read and combined together: they share the coefficients


async def combinations_of(
    effect: CombineShares, spool: Spool, offload: Offload
) -> dict[str, Values]:
    """Return <rho, share> + mask of each trainer of the set.

    Memory O(chunk): a chunk of 16 shares at a time. Raises `StorageFailed`.
    """
    config, chosen = effect.config, effect.chosen
    streams, found = chosen_streams(config.cid(), chosen), list[Values]()
    for first in range(0, len(streams), _AT_ONCE):
        some = streams[first : first + _AT_ONCE]
        totals = [(0,) * effect.coin.repetitions for _ in some]
        for index in range(chunk_count(config)):
            payloads = await asyncio.gather(*(spool.get(stream, index) for stream in some))
            totals = await offload.run(_add, effect, totals, index, payloads)
        masks = await asyncio.gather(*(spool.get(one, chunk_count(config)) for one in some))
        found += await offload.run(_mask, effect, totals, masks)
    return dict(zip(trainers_of(chosen), found, strict=True))


def _add(
    effect: CombineShares, totals: list[Values], index: int, payloads: list[bytes]
) -> list[Values]:
    config, coin = effect.config, effect.coin
    if not payloads:
        raise Misuse("combined no shares")
    shares = [written_out(config, index, payload) for payload in payloads]
    values = SUITES[config.suite].combine(config, coin, index, shares)
    return [coin.plus(total, value) for total, value in zip(totals, values, strict=True)]


def _mask(effect: CombineShares, totals: list[Values], masks: list[bytes]) -> list[Values]:
    config, coin = effect.config, effect.coin
    suite = SUITES[config.suite]
    return [
        masked(coin, total, suite.masks(config, mask))
        for total, mask in zip(totals, masks, strict=True)
    ]
