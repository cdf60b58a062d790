"""How fast one thread masks, adds and opens, beside what memory and AES could deliver.

    python benchmarks/masked.py [--size 1000000] [--set A] [--trainers 1000] [--repeats 9]
        [--json FILE]

`encode` is all that a trainer does for one vector: secrets, their shares for five holders of
whom three open, and every masked block. Its parts stand below it: `secret` (with the shares),
`noise` (the discrete Gaussian of all coefficients), `public` (the public polynomials modulo all
primes), `products` (public times secret: the transforms). `add` is the coordinator's work for
one more trainer, `open` its work once per round. What is opened must be the sum, or the run fails.

What bounds them is measured in this same run. `copy` (one read, one write of arrays far above
the caches): "copies" is how often the memory could have moved a kernel's result in its time.
AES-256 in counter mode: "AES" is how often the key stream that the kernel needs could have been
drawn. Both say that masking is arithmetic, so there is a third one: `cached` is one pass of numpy
over words that stay in the L2 cache, a multiplication of two arrays. The butterflies of
`products` are 3.5 such passes for each of log2(N) stages and 8 around them; "of cached" is the
seconds that so many passes take, as a part of the kernel's. The rest of 1 is for strided halves.

Seconds are medians of the processor time of this thread, which neighbours on a busy machine
change less than that of the clock. The last line is what the rest of a process feels: another
thread masks vectors, and this one, which asks for the interpreter every millisecond, says how
long it had to wait for it, beside the same with a thread that hashes without the interpreter's
lock: what is left then is the machine's own business.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from machine import description

from protocols.secagg.masked.gaussian import gaussian
from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.masked_round import MaskedRound
from protocols.secagg.masked.masking import evaluations, mask, products, secret_of
from protocols.secagg.masked.ntt import TILE, transform_of
from protocols.secagg.masked.opening import Total, add, open_block
from protocols.secagg.masked.parameters import SETS
from protocols.secagg.masked.sharing import shares_of
from protocols.secagg.masked.streams import private_words, public_residues
from protocols.secagg.prg import key_stream

BANDWIDTH_WORDS = 2**25  # 256 MiB for each array: far above any cache
AES_BYTES = 2**22
SEED, CID = bytes(range(32)), bytes(32)
THRESHOLDS = (3, 5)
STALL_RUN_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured kernel."""

    kernel: str
    seconds: float
    values_per_s: float
    copies: float
    aes: float
    of_cached: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the machine can do."""

    copy_bytes_per_s: float
    aes_bytes_per_s: float
    cached_words_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kernel's call, the bytes of its result, those of key stream, and passes over words."""

    kernel: str
    result_bytes: int
    drawn_bytes: int
    call: Callable[[], object]
    words: float = 0


def median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of processor time of one call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def limits(repeats: int) -> Limits:
    """Measure what bounds the kernels."""
    source = np.ones(BANDWIDTH_WORDS, dtype=np.uint64)
    target = source.copy()
    read = key_stream(SEED, b"benchmark")
    one, other = source[: TILE // 2].copy(), source[: TILE // 2].copy()
    product = one.copy()

    def passes() -> None:
        for _ in range(100):
            np.multiply(one, other, out=product)

    return Limits(
        copy_bytes_per_s=2 * source.nbytes / median_s(lambda: np.copyto(target, source), repeats),
        aes_bytes_per_s=AES_BYTES / median_s(lambda: read(AES_BYTES), repeats),
        cached_words_per_s=100 * one.size / median_s(passes, repeats),
    )


class Vector:
    """One trainer's vector and all that is done with it."""

    def __init__(self, of: MaskedRound) -> None:
        self.of = of
        limit = of.layout.limit
        self.values = np.random.default_rng(0).integers(-limit, limit, of.dimension, endpoint=True)
        self.secrets = [secret_of(of, SEED, span) for span in range(of.spans)]
        self.blocks = self.masked()
        self.totals: list[Total] = [
            add(of, block, None, payload) for block, payload in enumerate(self.blocks)
        ]

    def part(self, block: int) -> np.ndarray:
        start = self.of.start(block)
        return self.values[start : start + self.of.length(block)]

    def masked(self) -> list[bytes]:
        of = self.of
        return [
            mask(of, SEED, block, self.part(block), self.secrets[of.span_of(block)])
            for block in range(of.blocks)
        ]

    def shared(self) -> None:
        for span in range(self.of.spans):
            secret = secret_of(self.of, SEED, span)
            shares_of(self.of, SEED, span, secret, THRESHOLDS)

    def encoded(self) -> None:
        self.shared()
        self.masked()

    def added(self) -> None:
        for block, payload in enumerate(self.blocks):
            add(self.of, block, self.totals[block], payload)

    def opened(self) -> np.ndarray:
        of = self.of
        points = [evaluations(of.layout.parameters, secret.values) for secret in self.secrets]
        pieces = []
        for block, payload in enumerate(self.blocks):
            total = add(of, block, None, payload)
            pieces.append(open_block(of, block, total, points[of.span_of(block)]).values)
        return np.concatenate(pieces)

    def multiplied(self, publics: list[list[np.ndarray]]) -> None:
        parameters = self.of.layout.parameters
        for block, rows in enumerate(publics):
            secret = self.secrets[self.of.span_of(block)]
            for number, prime in enumerate(parameters.primes):
                transform = transform_of(parameters.degree, prime)
                for _ in products(transform, rows[number], secret.evaluations[number]):
                    pass


def cases(vector: Vector) -> Iterator[Case]:
    """Yield what is measured."""
    of = vector.of
    parameters, blocks = of.layout.parameters, range(of.blocks)
    counts = [of.coefficients(block) for block in blocks]
    wholes = [of.polynomials(block) * parameters.degree for block in blocks]
    words = [private_words(CID, SEED, "noise", block, counts[block]) for block in blocks]
    upload, noise_bytes = of.upload_bytes(), 8 * sum(counts)
    public_bytes = 4 * sum(wholes) * len(parameters.primes)
    share_bytes = of.spans * parameters.degree * 4 * (THRESHOLDS[0] - 1 + 2)

    def publics() -> list[list[np.ndarray]]:
        return [
            [public_residues(CID, prime, block, wholes[block]) for prime in parameters.primes]
            for block in blocks
        ]

    drawn, all_drawn = publics(), noise_bytes + public_bytes + share_bytes
    yield Case(kernel="encode", result_bytes=upload, drawn_bytes=all_drawn, call=vector.encoded)
    yield Case(
        kernel="  secret",
        result_bytes=of.spans * parameters.degree * 4 * THRESHOLDS[1],
        drawn_bytes=share_bytes,
        call=vector.shared,
    )
    yield Case(
        kernel="  noise",
        result_bytes=sum(counts),
        drawn_bytes=noise_bytes,
        call=lambda: [gaussian(each) for each in words],
    )
    yield Case(kernel="  public", result_bytes=public_bytes, drawn_bytes=public_bytes, call=publics)
    yield Case(
        kernel="  products",
        result_bytes=2 * public_bytes,
        drawn_bytes=0,
        call=lambda: vector.multiplied(drawn),
        words=public_bytes / 4 * (3.5 * (parameters.degree.bit_length() - 1) + 8),
    )
    yield Case(kernel="add", result_bytes=upload, drawn_bytes=0, call=vector.added)
    yield Case(
        kernel="open",
        result_bytes=vector.values.nbytes,
        drawn_bytes=public_bytes,
        call=vector.opened,
    )


def measured(case: Case, size: int, bounds: Limits, repeats: int) -> Figure:
    """Measure one case."""
    seconds = median_s(case.call, repeats)
    return Figure(
        kernel=case.kernel,
        seconds=seconds,
        values_per_s=size / seconds,
        copies=seconds * bounds.copy_bytes_per_s / case.result_bytes,
        aes=seconds * bounds.aes_bytes_per_s / case.drawn_bytes if case.drawn_bytes else 0,
        of_cached=case.words / bounds.cached_words_per_s / seconds,
    )


def stalls(work: Callable[[], object]) -> tuple[float, float]:
    """Return the longest wait for the interpreter beside a working thread, and the 99 % one."""
    done = threading.Event()

    def run() -> None:
        until = time.perf_counter() + STALL_RUN_S
        while time.perf_counter() < until:
            work()
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    waits = []
    while not done.is_set():
        start = time.perf_counter()
        time.sleep(0.001)
        waits.append(time.perf_counter() - start - 0.001)
    thread.join()
    waits.sort()
    return waits[-1], waits[len(waits) * 99 // 100]


def show(of: MaskedRound, bounds: Limits, figures: list[Figure]) -> None:
    """Print the table."""
    print(
        f"{of.dimension:,} values of {of.layout.trainers} trainers in {of.layout}, "
        f"{of.upload_bytes():,} bytes of upload"
    )
    print(
        f"one thread; copy {bounds.copy_bytes_per_s / 1e9:.1f} GB/s; AES-256-CTR "
        f"{bounds.aes_bytes_per_s / 1e9:.1f} GB/s; cached {bounds.cached_words_per_s / 1e9:.1f} "
        f"G words/s"
    )
    print(f"{'':12} {'ms':>8} {'M values/s':>11} {'copies':>8} {'AES':>8} {'of cached':>10}")
    for each in figures:
        aes = f"{each.aes:8.1f}" if each.aes else f"{'':8}"
        cached = f"{each.of_cached:10.2f}" if each.of_cached else ""
        print(
            f"{each.kernel:12} {each.seconds * 1e3:8.2f} {each.values_per_s / 1e6:11.1f} "
            f"{each.copies:8.1f} {aes} {cached}"
        )


def main() -> None:
    """Measure, print, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="The rates of the suite `masked`.")
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--set", choices=tuple(SETS), default="A")
    parser.add_argument("--slots", type=int, default=0)
    parser.add_argument("--trainers", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    parameters = SETS[options.set]
    slots = options.slots or len(parameters.primes)
    layout = Layout(parameters=parameters, trainers=options.trainers, slots=slots)
    vector = Vector(MaskedRound(CID, layout, options.size))
    if not np.array_equal(vector.opened(), vector.values):
        sys.exit("what was opened is not what was masked")
    bounds = limits(options.repeats)
    figures = [measured(case, options.size, bounds, options.repeats) for case in cases(vector)]
    show(vector.of, bounds, figures)
    zeros = bytes(2**25)
    waits = {
        "masking": stalls(vector.encoded),
        "hashing": stalls(lambda: hashlib.sha256(zeros)),
    }
    for beside, (longest, usual) in waits.items():
        print(
            f"beside a {beside} thread: waits of {usual * 1e3:.1f} ms in 99 of 100 cases, "
            f"{longest * 1e3:.1f} ms at most"
        )
    if options.json:
        report = {
            "size": options.size,
            "layout": str(layout),
            "trainers": options.trainers,
            "upload_bytes": vector.of.upload_bytes(),
            "threads": 1,
            "machine": description(),
            "limits": asdict(bounds),
            "waits_s": waits,
            "figures": [asdict(figure) for figure in figures],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
