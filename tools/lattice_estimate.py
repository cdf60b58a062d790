"""Estimate what it costs to break the mask of the suite `masked` (docs/lattice-estimate.md).

    python tools/lattice_estimate.py [--json FILE]

The attacks and the models of their cost are those of the lattice estimator (Albrecht, Player,
Scott: "On the concrete hardness of learning with errors", 2015, and its successor on GitHub):

* uSVP: Kannan's embedding of the primal lattice as Bai and Galbraith scale it, broken when the
  last block of size beta has the error as its shortest vector (Alkim, Ducas, Poeppelmann,
  Schwabe: "Post-quantum key exchange", 2016), under the geometric series assumption.
* dual: many short vectors of the dual lattice, which tell samples from uniform ones (Espitau,
  Joux, Kharchenko, 2020; the many vectors from one sieve as Guo and Johansson, 2021).

It knows nothing of the ring. `tests/tools/test_lattice_estimate.py` holds it against figures
that the lattice estimator has published.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import ceil, e, exp, floor, inf, log, log2, pi, sqrt
from pathlib import Path

SMALLEST_BLOCK, LARGEST_BLOCK = 41, 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Lwe:
    """One instance: b = A·s + e modulo q, with m rows of n entries."""

    name: str
    n: int
    log2_q: float
    secret: float  # standard deviations
    error: float
    m: float = inf

    @property
    def log_q(self) -> float:
        return self.log2_q * log(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One attack at its best block size; costs are base-two logarithms of operations."""

    attack: str
    beta: int
    dimension: int
    core_svp: float
    quantum_core_svp: float
    bdgl16: float
    matzov: float


# The sets A and B after the reduction of Hint-RLWE: sigma / 2 = 3.3.
OURS = (
    Lwe(name="A", n=4096, log2_q=90, secret=3.3, error=3.3),
    Lwe(name="B", n=8192, log2_q=180, secret=3.3, error=3.3),
)
# What a set must not be: the same rings with a prime more, and half of the ring of A.
REFUSED = (
    Lwe(name="N=4096, four primes", n=4096, log2_q=120, secret=3.3, error=3.3),
    Lwe(name="N=2048, two primes", n=2048, log2_q=60, secret=3.3, error=3.3),
)
# The Homomorphic Encryption Standard's line for 128 bits, secrets as wide as the error.
STANDARD = (
    Lwe(name="standard, N=4096", n=4096, log2_q=111, secret=3.19, error=3.19),
    Lwe(name="standard, N=8192", n=8192, log2_q=220, secret=3.19, error=3.19),
)


def log_delta(beta: float) -> float:
    """Return the logarithm of the root-Hermite factor of BKZ (Chen's asymptotic formula)."""
    return log(beta / (2 * pi * e) * (pi * beta) ** (1 / beta)) / (2 * (beta - 1))


def breaks(lwe: Lwe, beta: int, dimension: int) -> bool:
    """Say whether BKZ of this block size finds the secret in a lattice of this dimension."""
    scale = max(lwe.error / lwe.secret, 1)
    found = log(lwe.error**2 * (beta - 1) + lwe.error**2) / 2
    volume = log(lwe.error) + lwe.n * log(scale) + (dimension - lwe.n - 1) * lwe.log_q
    return found <= log_delta(beta) * (2 * beta - dimension - 1) + volume / dimension


def usvp(lwe: Lwe) -> tuple[int, int]:
    """Return the smallest block size that breaks, and the smallest dimension in which it does."""
    low, high = SMALLEST_BLOCK, LARGEST_BLOCK
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _dimension(lwe, middle) else (middle + 1, high)
    dimension = _dimension(lwe, low)
    if dimension is None:
        raise ValueError(f"{lwe.name}: no block size up to {LARGEST_BLOCK} breaks it")
    return low, dimension


def _dimension(lwe: Lwe, beta: int) -> int | None:
    # The right side less the left one is concave in d, so it only rises up to its best d.
    scale = max(lwe.error / lwe.secret, 1)
    lost = (lwe.n + 1) * lwe.log_q - lwe.n * log(scale) - log(lwe.error)
    best = ceil(sqrt(lost / log_delta(beta)))
    high = int(max(min(best, lwe.m + lwe.n), beta + 1))
    if not breaks(lwe, beta, high):
        return None
    low = max(beta, lwe.n)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if breaks(lwe, beta, middle) else (middle + 1, high)
    return low


# --- models of cost -------------------------------------------------------------------

PROGRESSIVE = 1 / (1 - 2**-0.292)  # all smaller sieves before the last one
MATZOV_SLOPE, MATZOV_START = 0.29613500308205365, 20.387885985467914


def added(*logs: float) -> float:
    """Return log2 of a sum of powers of two."""
    top = max(logs)
    return top + log2(sum(2 ** (each - top) for each in logs))


def lll(dimension: int) -> float:
    """Return log2 of what LLL costs before."""
    return 3 * log2(dimension)


def bdgl16(beta: int, dimension: int) -> float:
    """Return log2 of the operations of BKZ with the sieve of Becker and others (2016)."""
    calls = log2(8 * dimension) if beta < dimension else 0
    return added(lll(dimension), 0.292 * beta + 16.4 + calls)


def sieve(dimension: float) -> float:
    """Return log2 of the gates of one progressive sieve (MATZOV, 2022)."""
    return log2(PROGRESSIVE) + MATZOV_SLOPE * dimension + MATZOV_START


def free(beta: float) -> float:
    """Return the dimensions for free (Ducas, 2018)."""
    return max(beta * log(4 / 3) / log(beta / (2 * pi * e)), 0)


def matzov(beta: int, dimension: int) -> float:
    """Return log2 of the gates of progressive BKZ."""
    calls = log2(PROGRESSIVE * max(dimension - beta, 1))
    return added(lll(dimension), calls + sieve(beta - free(beta)))


# --- the dual attack ------------------------------------------------------------------


def dual_at(lwe: Lwe, beta: int) -> tuple[float, int]:
    """Return log2 of the gates of the dual attack at a block size, and its dimension."""
    slope = log_delta(beta)
    log_c = log(lwe.secret) + lwe.log_q - log(lwe.error)
    rows = int(min(max(1, ceil(sqrt(lwe.n * log_c / slope)) - lwe.n), lwe.m))
    dimension = rows + lwe.n
    # How wide the noise of a sample is, over q, when it is made with a vector of the sieve.
    longer = _longer(beta, 2 * beta)
    width = longer * lwe.secret * exp(dimension * slope - rows / dimension * log_c)
    advantage = exp(-2 * (pi * width) ** 2) if width < 16 else 0
    if advantage**2 < 1e-300:
        return inf, dimension
    needed = -2 * log(0.02) / advantage**2  # to be right in 99 of 100 cases
    block = _sieved(beta, dimension)
    batches = max(1, ceil(needed / 2 ** (0.2075 * block)))
    once = added(matzov(beta, dimension), sieve(block))
    return added(log2(batches) + once, log2(needed)), dimension


def _sieved(beta: int, dimension: int) -> int:
    # The largest sieve that costs no more than the BKZ before it.
    calls = log2(max(dimension - beta, 1) * PROGRESSIVE) / MATZOV_SLOPE
    return min(dimension, floor(beta - free(beta) + calls))


def _longer(beta: int, dimension: int) -> float:
    # All vectors of a sieve are longer than the shortest one by this factor.
    block = _sieved(beta, dimension)
    return sqrt(4 / 3) * exp((block - 1) * (log_delta(block) - log_delta(beta)))


def dual(lwe: Lwe) -> tuple[float, int, int]:
    """Return log2 of the gates of the best dual attack, its block size and its dimension."""
    costs = ((*dual_at(lwe, beta), beta) for beta in range(SMALLEST_BLOCK, LARGEST_BLOCK))
    gates, dimension, beta = min(costs)
    return gates, beta, dimension


def figures(lwe: Lwe) -> tuple[Figure, Figure]:
    """Return what both attacks cost."""
    beta, dimension = usvp(lwe)
    gates, dual_beta, dual_dimension = dual(lwe)
    return (
        _figure("uSVP", beta, dimension, matzov(beta, dimension)),
        _figure("dual", dual_beta, dual_dimension, gates),
    )


def _figure(attack: str, beta: int, dimension: int, gates: float) -> Figure:
    return Figure(
        attack=attack,
        beta=beta,
        dimension=dimension,
        core_svp=round(0.292 * beta, 1),
        quantum_core_svp=round(0.265 * beta, 1),
        bdgl16=round(bdgl16(beta, dimension), 1),
        matzov=round(gates, 1),
    )


def report(instances: Iterable[Lwe]) -> list[dict[str, object]]:
    """Return inputs and outputs of some instances."""
    made: list[dict[str, object]] = []
    for lwe in instances:
        given = {key: value for key, value in asdict(lwe).items() if value != inf}
        made.append({"input": given, "output": [asdict(figure) for figure in figures(lwe)]})
    return made


def main() -> None:
    """Print the table, and write the JSON when asked."""
    parser = argparse.ArgumentParser(description="What it costs to break the mask.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    made = report((*OURS, *REFUSED, *STANDARD))
    names = ("beta", "d", "core", "quantum", "BDGL16", "MATZOV")
    widths = (5, 6, 6, 8, 7, 7)
    heads = " ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    print(f"{'':22} {'attack':6} {heads}")
    for lwe in (*OURS, *REFUSED, *STANDARD):
        for each in figures(lwe):
            print(
                f"{lwe.name:22} {each.attack:6} {each.beta:5} {each.dimension:6} {each.core_svp:6} "
                f"{each.quantum_core_svp:8} {each.bdgl16:7} {each.matzov:7}"
            )
    if options.json:
        options.json.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
