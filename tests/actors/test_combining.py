"""What a holder tells in a check: <rho, share> + mask of each trainer, from stored chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from fakes.ports import FakeSpool, InlineOffload
from fakes.round_parts import config_of
from numpy.typing import NDArray

from actors.combining import combinations_of
from actors.ports import StorageFailed
from protocols.effects import CombineShares
from protocols.messages import Contribution
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import chosen_streams, is_salted, share_chunk_count
from protocols.secagg.coin import Coin
from protocols.secagg.field import FIELDS, P61
from protocols.secagg.norm_bound import NormBound
from protocols.secagg.norm_word import NormWord, Relations
from protocols.secagg.salts import SALT_BYTES
from protocols.secagg.suites import SUITES
from protocols.secagg.tails import Tail, cut

TRAINERS = tuple(f"t{place:02}" for place in range(37))


def stored(config: RoundConfig) -> tuple[CombineShares, FakeSpool, dict[str, list[int]]]:
    """Return random shares of all trainers, in the spool and as numbers."""
    field, spool, random = FIELDS[config.field], FakeSpool(), np.random.default_rng(3)
    chosen = tuple(Contribution(trainer=name, digest=bytes(32)) for name in TRAINERS)
    coin = Coin(field=field, seed=bytes(range(32)), context=b"c" * 32)
    shares = {}
    count = config.dimension + coin.repetitions
    full = SUITES[config.suite].chunk_values(config)
    for name, stream in zip(TRAINERS, chosen_streams(config.cid(), chosen), strict=True):
        share = random.integers(0, field.modulus, count).astype(field.dtype)
        vector, masks = share[: config.dimension], share[config.dimension :]
        pieces = [vector[i : i + full] for i in range(0, config.dimension, full)] + [masks]
        assert len(pieces) == share_chunk_count(config)
        for index, piece in enumerate(pieces):
            salt = b"s" * SALT_BYTES if is_salted(config, index) else b""
            asyncio.run(spool.put(stream, index, field.to_bytes(piece) + salt))
        shares[name] = [int(value) for value in share]
    return CombineShares(config, chosen, coin), spool, shares


@pytest.mark.parametrize("field", ["p31", "p61"])
def test_the_values_are_the_masked_combinations_of_all_chunks(field: str) -> None:
    config = config_of(checks=True, field=field, dimension=700, trainers=40)
    effect, spool, shares = stored(config)

    found = asyncio.run(combinations_of(effect, spool, InlineOffload()))

    coin, d = effect.coin, config.dimension
    full = SUITES[config.suite].chunk_values(config)
    rho: list[list[int]] = [[] for _ in range(coin.repetitions)]
    for chunk, start in enumerate(range(0, d, full)):
        rows = coin.rows("rho", chunk * 2**32, min(full, d - start))
        for k, row in enumerate(rows.tolist()):
            rho[k] += row
    assert list(found) == list(TRAINERS)
    for name, share in shares.items():
        assert found[name] == tuple(
            (sum(a * b for a, b in zip(row, share[:d], strict=True)) + share[d + k])
            % coin.field.modulus
            for k, row in enumerate(rho)
        )


def test_a_share_without_its_masks_is_a_failure_of_storage() -> None:
    config = config_of(checks=True, trainers=40)
    effect, spool, _ = stored(config)
    stream = chosen_streams(config.cid(), effect.chosen)[20]
    del spool.chunks[stream][share_chunk_count(config) - 1]

    with pytest.raises(StorageFailed):
        asyncio.run(combinations_of(effect, spool, InlineOffload()))


def test_where_norms_are_bound_the_bits_are_checked_and_the_squares_are_told() -> None:
    config = config_of(checks=True, threshold=2, norm_bound=100, dimension=300, trainers=40)
    bound, p, draw = NormBound(squared=100), P61.modulus, np.random.default_rng(4)
    chosen = tuple(Contribution(trainer=name, digest=bytes(32)) for name in TRAINERS[:18])
    coin, spool = Coin(field=P61, seed=bytes(range(32)), context=b"c" * 32), FakeSpool()
    streams, shares = chosen_streams(config.cid(), chosen), []
    for stream in streams:
        vector = draw.integers(0, p, size=300, dtype=np.uint64)
        rows = [draw.integers(0, p, size=n, dtype=np.uint64) for n in (2, bound.witness_length, 2)]
        tail = Tail(b"\xff" * 32, *rows)
        pieces = [vector[i : i + 128].tobytes() for i in range(0, 300, 128)]
        for index, piece in enumerate([*pieces, *cut(config, tail.to_bytes())]):
            asyncio.run(spool.put(stream, index, piece))
        shares.append((vector, tail))
    seeds = tuple(bytes([number]) * 32 for number in range(18))
    effect = CombineShares(config, chosen, coin, seeds)

    found = asyncio.run(combinations_of(effect, spool, InlineOffload()))

    for (vector, tail), seed, values in zip(shares, seeds, found.values(), strict=True):
        degrees, word = tail.masks.tolist(), NormWord(Relations(bound, coin), seed)
        for chunk in range(3):
            part = vector[128 * chunk : 128 * chunk + 128]
            word.add(chunk, part)
            degrees = plus(degrees, dots(coin, chunk, part))
        squares = plus(tail.vanishing.tolist(), word.values(tail.witness))
        assert values == (*plus(degrees, dots(coin, 3, tail.witness)), *squares)


def dots(coin: Coin, chunk: int, part: NDArray[np.uint64]) -> list[int]:
    rows = coin.rows("rho", chunk * 2**32, part.size).astype(object)
    return [int(row @ part.astype(object)) for row in rows]


def plus(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [(a + b) % P61.modulus for a, b in zip(one, other, strict=True)]
