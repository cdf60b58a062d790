"""The two parameter sets of the mask: ring, modulus and noise (docs/masked.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from types import MappingProxyType

SIGMA = Fraction(33, 5)
TAIL = 60
"""No secret and no noise is larger; a larger one has probability below 2^-64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """The ring Z_Q[X] / (X^N + 1), and how much of it is masked at a time.

    The standard deviation `SIGMA` and the `TAIL` of secrets and noise are the same in all sets.

    Attributes:
        name: what a round calls it.
        degree: N, a power of two.
        primes: whose product is Q; each is below 2^30 and 1 modulo 2N.
        block_polynomials: polynomials in a full block; a block is what one message carries.
        span_values: the most values under one secret, in whole blocks but at least one.
    """

    name: str
    degree: int
    primes: tuple[int, ...]
    block_polynomials: int
    span_values: int = 2**24

    def __post_init__(self) -> None:
        if self.degree < 2 or self.degree & (self.degree - 1):
            raise ValueError(f"degree {self.degree} is not a power of two")
        # Lazy sums of log2(N) + 1 residues times another one must fit in 64 bits.
        if self.degree > 2**13:
            raise ValueError(f"degree {self.degree} is above 8192: 64 bits do not hold its sums")
        for prime in self.primes:
            if not 2**29 < prime < 2**30 or prime % (2 * self.degree) != 1:
                raise ValueError(f"{prime} is not a 30-bit prime that is 1 modulo 2N")
        if len(set(self.primes)) != len(self.primes):
            raise ValueError("the primes must be different from each other")

    @property
    def modulus(self) -> int:
        """Q, the product of the primes."""
        return prod(self.primes)

    @property
    def usable_bits(self) -> int:
        """The bits of a coefficient that noise and slots may fill together."""
        return self.modulus.bit_length() - 1

    @property
    def block_coefficients(self) -> int:
        """Coefficients of a full block."""
        return self.degree * self.block_polynomials

    @property
    def most_trainers(self) -> int:
        """The most secrets whose sum stays below half of 2^31 - 1, where holders add them."""
        return (2**30 - 1) // TAIL


A = ParameterSet(
    name="A",
    degree=4096,
    primes=(1073643521, 1073479681, 1073184769),
    block_polynomials=16,
)
B = ParameterSet(
    name="B",
    degree=8192,
    primes=(1073643521, 1073479681, 1073184769, 1073053697, 1072857089, 1072496641),
    block_polynomials=4,
)
SETS: Mapping[str, ParameterSet] = MappingProxyType({each.name: each for each in (A, B)})
"""By the name in a round; the lattice estimate of each is in docs/lattice-estimate.md."""
