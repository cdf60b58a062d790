"""A holder's masked combinations of the shares that it keeps, a chunk of a few at a time."""

from __future__ import annotations

from protocols.effects import CombineShares
from protocols.errors import Misuse
from protocols.secagg.agreed import trainers_of
from protocols.secagg.chunks import (
    chosen_streams,
    chunk_count,
    share_chunk_count,
    words_of,
)
from protocols.secagg.coin import Values
from protocols.secagg.combinations import Combination, relations_of
from protocols.secagg.suites import SUITES

from .ports import Offload, Spool
from .together import together

_AT_ONCE = 16  # shares that are read and combined together: they share the coefficients


async def combinations_of(
    effect: CombineShares, spool: Spool, offload: Offload
) -> dict[str, Values]:
    """Return the masked values of each trainer of the set: of degrees, then of bound norms.

    Memory O(chunk): a chunk of 16 shares at a time. Raises `StorageFailed`.
    """
    config, names = effect.config, trainers_of(effect.chosen)
    streams, found = chosen_streams(config.cid(), effect.chosen), list[Values]()
    seeds = effect.seeds or (b"",) * len(streams)
    relations = relations_of(config, effect.coin)
    tail = range(chunk_count(config), share_chunk_count(config))
    for first in range(0, len(streams), _AT_ONCE):
        some = streams[first : first + _AT_ONCE]
        combined = [
            Combination(config, effect.coin, relations, seed)
            for seed in seeds[first : first + _AT_ONCE]
        ]
        for index in range(chunk_count(config)):
            payloads = await together(spool.get(stream, index) for stream in some)
            await offload.run(_add, effect, combined, index, payloads)
        for one, stream in zip(combined, some, strict=True):
            chunks = [await spool.get(stream, index) for index in tail]
            found.append(await offload.run(one.masked, chunks))
    return dict(zip(names, found, strict=True))


def _add(
    effect: CombineShares, combined: list[Combination], index: int, payloads: list[bytes]
) -> None:
    if not payloads:
        raise Misuse("combined no shares")
    config = effect.config
    shares = [words_of(config, index, payload) for payload in payloads]
    values = SUITES[config.suite].combine(config, effect.coin, index, shares)
    for one, value, share in zip(combined, values, shares, strict=True):
        one.add(index, value, share)
