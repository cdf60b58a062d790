"""The suite `masked`: the vector under a mask to the coordinator, its secret to the holders.

What hides what, and why, is in docs/masked.md; the arithmetic is in `masked`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .masked.masked_round import MaskedRound
from .masked.masking import Secret, evaluations, mask, secret_of
from .masked.noise import Noise, Verdict, exceeds
from .masked.ntt import Words
from .masked.opening import add, open_block
from .masked.sharing import shares_of
from .prg import SEED_BYTES
from .share_lane import ShareLane
from .suite import BulkTotal, Garbled


@lru_cache(maxsize=16)
def round_of(config: RoundConfig) -> MaskedRound:
    """Return the masked sum that a round is.

    Raises:
        Misuse: a round of another suite.
    """
    layout = config.layout()
    if layout is None:
        raise Misuse(f"a round of the suite {config.suite} masks nothing")
    return MaskedRound(config.cid(), layout, config.dimension, config.chunk_bytes)


class MaskedHiding:
    """One trainer's vector; the secret of one span is kept at a time."""

    def __init__(self, of: MaskedRound, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise Misuse(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._of = of
        self._seed = seed
        self._known: tuple[int, Secret] | None = None

    def protect(self, chunk: int, values: NDArray[np.int64]) -> bytes:
        """Mask one block."""
        return mask(self._of, self._seed, chunk, values, self._secret(self._of.span_of(chunk)))

    def _secret(self, span: int) -> Secret:
        if self._known is None or self._known[0] != span:
            self._known = span, secret_of(self._of, self._seed, span)
        return self._known[1]


class MaskedUnhiding:
    """Takes the mask off one block after the other, and listens to the noise."""

    def __init__(self, of: MaskedRound, secrets: NDArray[np.int64], contributors: int) -> None:
        parameters = of.layout.parameters
        rows = secrets.reshape(of.spans, parameters.degree)
        if exceeds(int(np.abs(rows).max()), contributors):
            raise Garbled(
                f"the answers open to no sum of {contributors} secrets: a holder or a trainer "
                f"gave a false share"
            )
        self._of = of
        self._secrets = rows
        self._contributors = contributors
        self._noise = Noise()
        self._known: tuple[int, Words] | None = None

    def open(self, chunk: int, total: BulkTotal) -> NDArray[np.int64]:
        """Open one block."""
        opened = open_block(self._of, chunk, total, self._evaluations(self._of.span_of(chunk)))
        self._noise += opened.noise
        if opened.noise.verdict(self._contributors) is Verdict.GARBLED:
            raise Garbled(
                f"block {chunk} opens to noise that {self._contributors} trainers do not have: "
                f"the mask of one does not belong to its secret"
            )
        return opened.values

    def remark(self) -> str:
        """Say that the noise of all blocks was not drawn as agreed."""
        if self._noise.verdict(self._contributors) is not Verdict.WRONG_WIDTH:
            return ""
        spread = self._noise.spread(self._contributors)
        return f"the noise has {spread:.3f} times the variance that it should have"

    def _evaluations(self, span: int) -> Words:
        if self._known is None or self._known[0] != span:
            values = evaluations(self._of.layout.parameters, self._secrets[span])
            self._known = span, values
        return self._known[1]


class MaskedBulk:
    """Masked blocks, each a chunk."""

    def chunks(self, config: RoundConfig) -> int:
        """Return how many blocks there are."""
        return round_of(config).blocks

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return the values of a block."""
        of = round_of(config)
        start = of.start(chunk)
        return slice(start, start + of.length(chunk))

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of a block."""
        return round_of(config).payload_bytes(chunk)

    def total_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of all blocks together."""
        return round_of(config).upload_bytes()

    def hiding(self, config: RoundConfig, seed: bytes) -> MaskedHiding:
        """Begin to mask a vector."""
        return MaskedHiding(round_of(config), seed)

    def add(
        self, config: RoundConfig, chunk: int, total: BulkTotal | None, payload: bytes
    ) -> BulkTotal:
        """Add residues modulo each prime, in place."""
        return add(round_of(config), chunk, total, payload)

    def unhiding(
        self, config: RoundConfig, secrets: NDArray[np.int64], contributors: int
    ) -> MaskedUnhiding:
        """Begin to open blocks with the sum of the secrets."""
        return MaskedUnhiding(round_of(config), secrets, contributors)


class MaskedSuite(ShareLane):
    """Two lanes: each holder gets shares of the secrets, one chunk for each span of values."""

    name = "masked"
    bulk = MaskedBulk()

    def length(self, config: RoundConfig) -> int:
        """Return N for each span."""
        return round_of(config).spans * self.chunk_values(config)

    def chunk_values(self, config: RoundConfig) -> int:
        """Return N."""
        return round_of(config).layout.parameters.degree

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return none: what is shared is drawn, and the vector is in the bulk."""
        self.chunk_length(config, chunk)
        return slice(0, 0)

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Share the secret of one span."""
        self.chunk_length(config, chunk)
        if values.shape != (0,):
            raise Misuse(f"a share of a secret carries no values, not {values.shape}")
        of = round_of(config)
        secret = secret_of(of, seed, chunk)
        return shares_of(of, seed, chunk, secret, (config.threshold, config.holders))
