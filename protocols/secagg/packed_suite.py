"""The suite `packed`: a share is k times shorter, and fewer holders may pool theirs."""

from __future__ import annotations

from protocols.round_config import RoundConfig

from .field import Residues
from .packed import secret_points, split_packed
from .prg import residues, stream_info
from .share_lane import field_of
from .vector_lane import VectorLane


class PackedSuite(VectorLane):
    """Packed shares of the vector itself (secure-aggregation design, section 2.2).

    The vector of a chunk is cut into k equal rows, the last one filled up with zeros; column by
    column they are the k secrets of a polynomial. Up to `config.privacy()` holders learn nothing:
    their shares are uniform up to the PRG. From there to `threshold` each further one learns a
    k-th part, so the rules of a round count liars against the former (`packing_faults`).
    """

    name = "packed"

    def secrets_at(self, config: RoundConfig) -> tuple[int, ...]:
        """Return -1 to -k."""
        return secret_points(config.packing)

    def dealt(self, config: RoundConfig, secrets: Residues, seed: bytes, chunk: int) -> Residues:
        """Draw the shares of T holders; the others fit them and the secrets.

        Time O((n - T)·t·m).
        """
        field, privacy, length = field_of(config), config.privacy(), secrets.shape[1]
        info = stream_info(suite=self.name, cid=config.cid(), purpose="given shares", index=chunk)
        randoms = residues(field, seed, info, privacy * length).reshape(privacy, length)
        return split_packed(field, secrets, randoms, config.holders, range(privacy))
