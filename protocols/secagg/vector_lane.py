"""What suites have in common whose shares are of the vector itself: they need no second lane."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .field import Residues
from .seeds import protected_with_seeds
from .share_lane import ShareLane, field_of


class VectorLane(ShareLane):
    """Shares of the vector, k numbers to each polynomial; some may travel as seeds."""

    bulk = None

    def length(self, config: RoundConfig) -> int:
        """Return a k-th of the vector's length."""
        return -(-config.dimension // len(self.secrets_at(config)))

    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many elements a full chunk has."""
        return config.chunk_bytes // field_of(config).word_bytes

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return the piece of the vector that a chunk shares."""
        self.chunk_length(config, chunk)
        full = self.chunk_values(config) * len(self.secrets_at(config))
        return slice(chunk * full, min((chunk + 1) * full, config.dimension))

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Share one chunk; in rounds with `seeds` T of the pieces are seeds.

        Time O(n·t·chunk_length), memory O((n + t)·chunk_length).
        """
        piece = self.covers(config, chunk)
        if values.shape != (piece.stop - piece.start,):
            raise Misuse(f"chunk {chunk} has {piece.stop - piece.start} values, not {values.shape}")
        secrets = self.rows(config, values)
        if config.seeds:
            return protected_with_seeds(config, self.secrets_at(config), secrets, seed, chunk)
        field = field_of(config)
        return tuple(field.to_bytes(row) for row in self.dealt(config, secrets, seed, chunk))

    @abstractmethod
    def dealt(self, config: RoundConfig, secrets: Residues, seed: bytes, chunk: int) -> Residues:
        """Return the shares of one chunk.

        Args:
            config: of the round.
            secrets: shape (k, m), residues.
            seed: of the contribution.
            chunk: number of the chunk.

        Returns:
            Shape (holders, m), residues.
        """
