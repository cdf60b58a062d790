"""What a trainer deals beside its vector where norms are bound: that it is short, in shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.messages import TailDigests
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import chunk_count
from protocols.secagg.field import Residues
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.norm_bound import (
    Sums,
    require_short,
    signs_seed,
    squares_of,
    sums_of_tests,
    witness,
)
from protocols.secagg.suites import SUITES
from protocols.secagg.tail_dealing import salt_of_tests
from protocols.secagg.tails import bound_of

from .ports import Offload

Encoded = Callable[[int], NDArray[np.int64]]
"""Returns one chunk of the integers that travel."""

_TRIES = 8  # of salts; an honest vector fails with one in 2^101


def encoded_by(config: RoundConfig, vector: NDArray[np.float64]) -> Encoded:
    """Return what encodes a vector for the holders chunk by chunk; it raises `Unfit`."""
    suite = SUITES[config.suite]
    return lambda chunk: integers(config, vector, suite.covers(config, chunk))


def integers(config: RoundConfig, vector: NDArray[np.float64], piece: slice) -> NDArray[np.int64]:
    """Return a piece of a vector as the integers that travel. Raises `Unfit`."""
    return FixedPoint.of(config).encode(vector[piece], first=piece.start)


class Shortness:
    """The witness of one contribution. Nothing here keeps more than a chunk of integers.

    Attributes:
        config: of the round.
        bound: its bound.
        encoded: the integers that travel, chunk by chunk.
    """

    def __init__(self, config: RoundConfig, trainer: str, encoded: Encoded) -> None:
        bound = bound_of(config)
        if bound is None:
            raise Misuse("this round bounds no norms")
        self.config, self.bound, self.encoded = config, bound, encoded
        self._trainer = trainer
        self._squared = 0

    async def require(self, offload: Offload) -> None:
        """Raise `Unfit` where the vector is longer than the bound, or does not fit the round."""
        for chunk in range(chunk_count(self.config)):
            self._squared += await offload.run(self._squares, chunk)
        unit = 2.0**-self.config.fraction_bits
        require_short(self.bound, self._squared, unit)

    def _squares(self, chunk: int) -> int:
        return squares_of(self.bound, self.encoded(chunk))

    async def witness(
        self, digests: tuple[bytes, ...], secret: bytes, offload: Offload
    ) -> tuple[bytes, Residues]:
        """Return the salt of the tests, and the bits that are dealt.

        Args:
            digests: of all shares of the vector, which are fixed by now.
            secret: the seed of the contribution, which salts follow from.
            offload: for the loops.
        """
        for number in range(_TRIES):
            salt = salt_of_tests(self.config, secret, number)
            seed = signs_seed(self.config.cid(), self._trainer, salt, digests)
            dealt = witness(self.bound, self._squared, await self._sums(seed, offload))
            if dealt is not None:
                return salt, dealt
        raise Misuse(f"no salt of {_TRIES} fits: the tests are not what they should be")

    async def _sums(self, seed: bytes, offload: Offload) -> Sums:
        totals = [0] * self.bound.tests
        for chunk in range(chunk_count(self.config)):
            run = partial(self._chunk_sums, seed, chunk)
            for j, value in enumerate(await offload.run(run)):
                totals[j] += value
        return tuple(totals)

    def _chunk_sums(self, seed: bytes, chunk: int) -> Sums:
        return sums_of_tests(self.bound, seed, chunk, self.encoded(chunk))


def digests_of(salt: bytes, tails: tuple[bytes, ...]) -> TailDigests:
    """Return what a header says of the tails."""
    return TailDigests(salt=salt, digests=tuple(hashlib.sha256(tail).digest() for tail in tails))
