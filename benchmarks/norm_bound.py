"""What a bound on norms costs a trainer, and a holder for each trainer.

    python benchmarks/norm_bound.py [--sizes 100000 1000000] [--repeats 7]

`trainer` is the length, the tests and the bits of one vector, and the dealing of its tail to ten
holders, the shares of the vector not counted. `holder` is what the check adds for one trainer,
whose degree alone takes `degrees`. Medians of the processor time of one thread, after a first
call that compiles.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.round_config import RoundConfig
from protocols.secagg.coin import PIECE, Coin
from protocols.secagg.field import P61
from protocols.secagg.norm_bound import NormBound, squares_of, sums_of_tests, witness
from protocols.secagg.norm_word import NormWord, Relations
from protocols.secagg.tail_dealing import deal_tails
from protocols.secagg.tails import tail_bytes

BOUND = NormBound(squared=2**40)
SEED = bytes(range(32))


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median milliseconds of processor time of one call."""
    call()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return 1000 * statistics.median(times)


def config_of(size: int) -> RoundConfig:
    """Return a round of ten holders with this bound."""
    return RoundConfig(
        job="bench",
        number=1,
        suite="shamir",
        field="p61",
        dimension=size,
        fraction_bits=8,
        holders=10,
        trainers=10,
        threshold=4,
        faults=1,
        vote=True,
        quorum=6,
        minimum=3,
        chunk_bytes=8 * PIECE,
        beat_ms=1000,
        sealing="x25519",
        state=bytes(32),
        roster=bytes(32),
        checks=True,
        norm_bound=BOUND.squared,
    )


def chunks_of(values: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut a vector as it travels."""
    return [values[start : start + PIECE] for start in range(0, values.size, PIECE)]


def trainer(config: RoundConfig, values: NDArray[np.int64]) -> None:
    """Do what a trainer does beside sharing its vector."""
    squared, totals = 0, [0] * BOUND.tests
    for number, chunk in enumerate(chunks_of(values)):
        squared += squares_of(BOUND, chunk)
        for j, value in enumerate(sums_of_tests(BOUND, SEED, number, chunk)):
            totals[j] += value
    dealt = witness(BOUND, squared, tuple(totals))
    if dealt is None:
        raise Misuse("a test of an honest vector failed")
    deal_tails(config, SEED, dealt)


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    draw, coin = np.random.default_rng(1), Coin(field=P61, seed=SEED, context=SEED)
    relations = Relations(BOUND, coin)
    bits = draw.integers(0, P61.modulus, size=BOUND.witness_length, dtype=np.uint64)
    print(f"a tail has {tail_bytes(config_of(1))} bytes")
    for size in options.sizes:
        values = draw.integers(-500, 501, size=size)
        share = draw.integers(0, P61.modulus, size=size, dtype=np.uint64)
        pieces = [share[start : start + PIECE] for start in range(0, size, PIECE)]

        def holder(pieces: list[NDArray[np.uint64]] = pieces) -> None:
            word = NormWord(relations, SEED)
            for number, piece in enumerate(pieces):
                word.add(number, piece)
            word.values(bits)

        def degrees(pieces: list[NDArray[np.uint64]] = pieces) -> None:
            for number, piece in enumerate(pieces):
                coin.combine(number, [piece])

        config = config_of(size)
        dealing = median_ms(partial(trainer, config, values), options.repeats)
        telling = median_ms(holder, options.repeats)
        alone = median_ms(degrees, options.repeats)
        print(f"d = {size}: trainer {dealing:.1f} ms, holder {telling:.1f} ms for each trainer,")
        print(f"  degrees {alone:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
