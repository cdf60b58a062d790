"""How long it takes to find share-holders that lie, beside what the memory could deliver.

    python benchmarks/lying_holders.py [--size 1000000] [--repeats 7] [--json FILE]

For each prime and each (t of n) as many holders as can be named change one coordinate each of
their answer to a sum of `size` values. `combine` makes the combinations of all answers: their
coefficients are generated (AES in counter mode), and every answer is read once. `decode` finds
the liars in the words of all repetitions, `open` the sum from t of the others. The right
holders must be named and the right sum opened, or the run fails.

"of copy" is the bytes of the answers over the seconds of `combine`, as a part of what a copy
moves on arrays far above the caches: 1 would be to read the answers at the speed of the memory.
Figures are medians of the processor time of one thread, which neighbours on a busy machine
change less than that of the clock, after a first call that compiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import description

from protocols.secagg.coin import Coin
from protocols.secagg.field import FIELDS, PrimeField, Residues
from protocols.secagg.judging import Committee, Judgement, judge, most_correctable
from protocols.secagg.prg import residues
from protocols.secagg.shamir import split
from protocols.secagg.vouching import check_answers, open_fitting

THRESHOLDS = ((3, 5), (4, 10), (8, 20))
BANDWIDTH_WORDS = 2**25  # 256 MiB for each array: far above any cache
SEED = bytes(range(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The search for liars in one case."""

    field: str
    threshold: int
    holders: int
    liars: int
    combine_s: float
    decode_s: float
    open_s: float
    answer_bytes: int
    of_copy: float


def median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of processor time of one call."""
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def copy_bytes_per_s(repeats: int) -> float:
    """Return what a copy moves."""
    a = np.ones(BANDWIDTH_WORDS, dtype=np.uint64)
    b = a.copy()
    return 2 * a.nbytes / median_s(lambda: np.copyto(b, a), repeats)


def answers_of(
    field: PrimeField, threshold: int, holders: int, size: int
) -> tuple[Residues, dict[int, Residues]]:
    """Return a sum and what honest holders answer."""
    rows = residues(field, SEED, b"benchmark", threshold * size).reshape(threshold, size)
    return rows[0], dict(enumerate(split(field, rows[0], rows[1:], holders)))


def lied(field: PrimeField, answers: dict[int, Residues], liars: tuple[int, ...]) -> None:
    """Change one coordinate of each liar's answer."""
    for place in liars:
        coordinate = (place * 104_729) % answers[place].size
        value = int(answers[place][coordinate])
        answers[place][coordinate] = (value + 1) % field.modulus


def require(liars: tuple[int, ...], judgement: Judgement, *, opened_right: bool) -> None:
    """End the run if the outcome is wrong."""
    if judgement.wrong != liars or not opened_right:
        sys.exit(f"places {liars} lied, {judgement.wrong} were named")


def measured(
    field: PrimeField, shape: tuple[int, int], size: int, copy: float, repeats: int
) -> Figure:
    """Measure one case."""
    threshold, holders = shape
    total, answers = answers_of(field, threshold, holders, size)
    faults = most_correctable(holders, threshold)
    liars = tuple(range(1, holders, 2))[:faults]
    lied(field, answers, liars)
    committee = Committee(field=field, threshold=threshold, faults=faults)
    judgement = check_answers(committee, answers, SEED)
    opened = open_fitting(committee, answers, judgement)
    require(liars, judgement, opened_right=bool((opened == total).all()))

    coin = Coin(field=field, seed=SEED, context=b"answers at hand")
    words = dict(zip(answers, coin.combine(0, list(answers.values())), strict=True))
    whole_s = median_s(lambda: check_answers(committee, answers, SEED), repeats)
    decode_s = median_s(lambda: judge(committee, words), repeats)
    read = holders * size * field.word_bytes
    return Figure(
        field=field.name,
        threshold=threshold,
        holders=holders,
        liars=len(liars),
        combine_s=whole_s - decode_s,
        decode_s=decode_s,
        open_s=median_s(lambda: open_fitting(committee, answers, judgement), repeats),
        answer_bytes=read,
        of_copy=read / (whole_s - decode_s) / copy,
    )


def show(size: int, copy: float, figures: list[Figure]) -> None:
    """Print the table."""
    print(f"{size:,} values, one thread; memory: copy {copy / 1e9:.1f} GB/s")
    print(
        f"{'':5} {'t of n':>8} {'liars':>6} {'combine ms':>11} {'decode ms':>10} "
        f"{'open ms':>8} {'GB/s':>6} {'of copy':>8}"
    )
    for figure in figures:
        shape = f"{figure.threshold} of {figure.holders}"
        rate = figure.answer_bytes / figure.combine_s
        print(
            f"{figure.field:5} {shape:>8} {figure.liars:6} {figure.combine_s * 1e3:11.1f} "
            f"{figure.decode_s * 1e3:10.2f} {figure.open_s * 1e3:8.1f} {rate / 1e9:6.1f} "
            f"{figure.of_copy:8.2f}"
        )


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="The time to find lying share-holders.")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    copy = copy_bytes_per_s(options.repeats)
    figures = [
        measured(field, shape, options.size, copy, options.repeats)
        for field in FIELDS.values()
        for shape in THRESHOLDS
    ]
    show(options.size, copy, figures)
    if options.json:
        report = {
            "size": options.size,
            "threads": 1,
            "machine": description(),
            "copy_bytes_per_s": copy,
            "figures": [asdict(figure) for figure in figures],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
