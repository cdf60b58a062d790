"""How fast one thread shares and opens vectors, beside what the memory could deliver.

    python benchmarks/kernels.py [--size 1000000] [--repeats 15] [--json FILE]

For each prime and each (t of n): `share` makes n rows from a secret row and t - 1 random
rows, `open` interpolates one row from t, `add` is a holder's sum of one more share. The
random rows are made before: the generator's own rate (AES in counter mode) is not in here.

The limit that applies: every kernel reads its rows and writes its result at least once, so
no kernel can move more bytes per second than the memory. `copy` (one read, one write) and
the uint64 addition (two reads, one write) are measured in this same run, on arrays far above
the caches; "of copy" is a kernel's bytes per second over the copy's. It may pass 1 where the
vectors still fit in the last cache, and well below 1 the arithmetic is the limit. Bytes are
those of the algorithm: a cache line that is fetched only to be overwritten is not counted,
neither for the kernels nor for the copy.

Figures are medians of the thread's processor time after a warm-up call, in a heap that keeps what
it has, as an actor's process does: else fresh pages for each result would be most of it. The
warm-up's own seconds are told as well: with an empty cache they are the compilation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from machine import description

from infra.heap import settle_heap
from protocols.secagg.field import FIELDS, PrimeField, Residues
from protocols.secagg.kernels import KERNELS
from protocols.secagg.packed import secret_points
from protocols.secagg.prg import residues

THRESHOLDS = ((3, 5), (6, 10))
PACKINGS = ((4, 2, 5), (8, 3, 10), (16, 10, 20))  # t, k, n
BANDWIDTH_WORDS = 2**25  # 256 MiB for each array: far above any cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured kernel."""

    field: str
    kernel: str
    threshold: int
    holders: int
    values_per_s: float
    bytes_per_s: float
    of_copy: float
    warm_up_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kernel call and the bytes that it must move."""

    kernel: str
    threshold: int
    holders: int
    moved_bytes: int
    values: int
    call: Callable[[], object]


def median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of processor time of one call."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def bandwidth(repeats: int) -> dict[str, float]:
    """Return bytes per second of a copy and of a uint64 addition."""
    a = np.ones(BANDWIDTH_WORDS, dtype=np.uint64)
    b, c = a.copy(), a.copy()
    return {
        "copy": 2 * a.nbytes / median_s(lambda: np.copyto(c, a), repeats),
        "uint64 add": 3 * a.nbytes / median_s(lambda: np.add(a, b, out=c), repeats),
    }


def cases(field: PrimeField, size: int) -> Iterator[Case]:
    """Yield what is measured for one field."""
    kernels, row = KERNELS[field.name], size * field.word_bytes
    for threshold, holders in THRESHOLDS:
        rows = random_rows(field, threshold, size)
        weights = field.lagrange_at_zero(range(1, threshold + 1))
        yield Case(
            kernel="share",
            threshold=threshold,
            holders=holders,
            moved_bytes=(threshold + holders) * row,
            values=size,
            call=partial(kernels.split, rows, holders),
        )
        yield Case(
            kernel="open",
            threshold=threshold,
            holders=holders,
            moved_bytes=(threshold + 1) * row,
            values=size,
            call=partial(kernels.combine, weights, rows),
        )
    yield from packed_cases(field, size)
    accumulator, share = np.zeros(size, dtype=np.uint64), random_rows(field, 1, size)[0]
    yield Case(
        kernel="add",
        threshold=1,
        holders=1,
        moved_bytes=2 * accumulator.nbytes + row,
        values=size,
        call=lambda: kernels.add(accumulator, share),
    )


def packed_cases(field: PrimeField, size: int) -> Iterator[Case]:
    """Yield what is measured of packed shares of `size` values."""
    kernels = KERNELS[field.name]
    for threshold, packing, holders in PACKINGS:
        length = size // packing
        row, values = length * field.word_bytes, length * packing
        privacy, rows = threshold - packing, random_rows(field, threshold, length)
        known = [*secret_points(packing), *range(1, privacy + 1)]
        wanted = range(privacy + 1, holders + 1)
        dealing = [field.lagrange_at(point, known) for point in wanted]
        opening = [
            field.lagrange_at(point, range(1, threshold + 1)) for point in secret_points(packing)
        ]
        for kernel, matrix in (("pack", dealing), ("unpack", opening)):
            yield Case(
                kernel=kernel,
                threshold=threshold,
                holders=holders,
                moved_bytes=(threshold + len(matrix)) * row,
                values=values,
                call=partial(kernels.times, matrix, rows),
            )


def random_rows(field: PrimeField, count: int, size: int) -> Residues:
    """Return uniform residues of shape (count, size)."""
    return residues(field, bytes(32), b"benchmark", count * size).reshape(count, size)


def measured(field: PrimeField, case: Case, copy: float, repeats: int) -> Figure:
    """Measure one case; `repeats` calls after one to warm up."""
    warm_up_s = median_s(case.call, 1)
    seconds = median_s(case.call, repeats)
    return Figure(
        field=field.name,
        kernel=case.kernel,
        threshold=case.threshold,
        holders=case.holders,
        values_per_s=case.values / seconds,
        bytes_per_s=case.moved_bytes / seconds,
        of_copy=case.moved_bytes / seconds / copy,
        warm_up_s=warm_up_s,
    )


def show(size: int, memory: dict[str, float], figures: list[Figure]) -> None:
    """Print the table."""
    print(f"{size:,} values, one thread; memory: ", end="")
    print(", ".join(f"{name} {rate / 1e9:.1f} GB/s" for name, rate in memory.items()))
    print(
        f"{'':5} {'':6} {'t of n':>8} {'M values/s':>11} {'GB/s':>6} {'of copy':>8} {'first s':>8}"
    )
    for figure in figures:
        shape = f"{figure.threshold} of {figure.holders}" if figure.kernel != "add" else ""
        print(
            f"{figure.field:5} {figure.kernel:6} {shape:>8} {figure.values_per_s / 1e6:11.0f} "
            f"{figure.bytes_per_s / 1e9:6.1f} {figure.of_copy:8.2f} {figure.warm_up_s:8.2f}"
        )


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="Sharing and opening rates of one thread.")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    settle_heap(spare=True)
    memory = bandwidth(options.repeats)
    figures = [
        measured(field, case, memory["copy"], options.repeats)
        for field in FIELDS.values()
        for case in cases(field, options.size)
    ]
    show(options.size, memory, figures)
    if options.json:
        report = {
            "size": options.size,
            "threads": 1,
            "machine": description(),
            "memory_bytes_per_s": memory,
            "figures": [asdict(figure) for figure in figures],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
