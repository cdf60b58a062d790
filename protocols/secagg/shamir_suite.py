"""The suite `shamir`: shares of the vector itself (secure-aggregation design, section 2.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .prg import residues, stream_info
from .shamir import split
from .share_lane import ShareLane, field_of


class ShamirSuite(ShareLane):
    """One lane: every holder gets a share as long as the vector, in chunks of `chunk_bytes`."""

    name = "shamir"
    bulk = None

    def length(self, config: RoundConfig) -> int:
        """Return the length of the vector."""
        return config.dimension

    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many elements a full chunk has."""
        return config.chunk_bytes // field_of(config).word_bytes

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return the piece of the vector that a chunk shares."""
        start = chunk * self.chunk_values(config)
        return slice(start, start + self.chunk_length(config, chunk))

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Share one chunk under fresh coefficients.

        Time O(n·t·chunk_length), memory O((n + t)·chunk_length).
        """
        field, length = field_of(config), self.chunk_length(config, chunk)
        if values.shape != (length,):
            raise Misuse(f"chunk {chunk} has {length} values, not {values.shape}")
        info = stream_info(suite=self.name, cid=config.cid(), purpose="coefficients", index=chunk)
        random_rows = config.threshold - 1
        coefficients = residues(field, seed, info, random_rows * length)
        shares = split(
            field,
            field.encode(values),
            coefficients.reshape(random_rows, length),
            config.holders,
        )
        return tuple(field.to_bytes(share) for share in shares)
