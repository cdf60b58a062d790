"""The suite `shamir`: shares of the vector itself (secure-aggregation design, section 2.1)."""

from __future__ import annotations

from protocols.round_config import RoundConfig

from .field import Residues
from .prg import residues, stream_info
from .shamir import split
from .share_lane import field_of
from .vector_lane import VectorLane


class ShamirSuite(VectorLane):
    """One lane: every holder gets a share as long as the vector, in chunks of `chunk_bytes`."""

    name = "shamir"

    def dealt(self, config: RoundConfig, secrets: Residues, seed: bytes, chunk: int) -> Residues:
        """Share one chunk under fresh coefficients."""
        field, length = field_of(config), secrets.shape[1]
        info = stream_info(suite=self.name, cid=config.cid(), purpose="coefficients", index=chunk)
        random_rows = config.threshold - 1
        coefficients = residues(field, seed, info, random_rows * length)
        return split(field, secrets[0], coefficients.reshape(random_rows, length), config.holders)
