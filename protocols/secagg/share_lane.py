"""The lane to the holders, the same for all suites: shares of residues, added and opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .coin import REPETITIONS, Coin, Values
from .field import FIELDS, PrimeField, Residues
from .judging import Committee
from .kernels import KERNELS
from .packed import interpolated
from .prg import residues, stream_info
from .shamir import split


class ShareLane(ABC):
    """Shares of residues, in full chunks and a last one that may be shorter.

    A share is the value of a polynomial with `threshold` coefficients, whose values elsewhere
    are the secrets. So many holders as `config.privacy()` says learn nothing: their shares are
    uniform up to the PRG.
    """

    name: str

    def secrets_at(self, config: RoundConfig) -> tuple[int, ...]:
        """Return the points at which a polynomial has its secrets."""
        return (0,)

    @abstractmethod
    def length(self, config: RoundConfig) -> int:
        """Return how many residues a share has, one or more."""

    @abstractmethod
    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many residues a full chunk has."""

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks a share has."""
        return _shape_of(self, config).chunks

    def chunk_length(self, config: RoundConfig, chunk: int) -> int:
        """Return how many residues a chunk has."""
        shape = _shape_of(self, config)
        if not 0 <= chunk < shape.chunks:
            raise Misuse(f"chunk {chunk} of {shape.chunks}")
        return shape.full if chunk < shape.chunks - 1 else shape.last

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of one chunk."""
        return self.chunk_length(config, chunk) * field_of(config).word_bytes

    def share_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of one holder's share."""
        return self.length(config) * field_of(config).word_bytes

    def mask_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of the masks of one share."""
        field = field_of(config)
        return REPETITIONS[field.name] * field.word_bytes

    def deal_masks(self, config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
        """Share uniform residues, under coefficients of the same stream."""
        field = field_of(config)
        shape = config.threshold, REPETITIONS[field.name]
        info = stream_info(suite=self.name, cid=config.cid(), purpose="masks", index=0)
        drawn = residues(field, seed, info, shape[0] * shape[1]).reshape(shape)
        shares = split(field, drawn[0], drawn[1:], config.holders)
        return tuple(field.to_bytes(share) for share in shares)

    def masks(self, config: RoundConfig, payload: bytes) -> Residues:
        """Return residues, one for each repetition."""
        field = field_of(config)
        return field.from_bytes(payload, count=REPETITIONS[field.name])

    def combine(
        self, config: RoundConfig, coin: Coin, chunk: int, shares: Sequence[bytes]
    ) -> tuple[Values, ...]:
        """Return the combinations of one chunk of some shares."""
        return coin.combine(chunk, [self._chunk_of(config, share) for share in shares])

    def add(
        self, config: RoundConfig, accumulator: NDArray[np.uint64] | None, payload: bytes
    ) -> NDArray[np.uint64]:
        """Add residues; p31 sums are reduced only by `answer`."""
        field = field_of(config)
        if accumulator is None:
            return self._chunk_of(config, payload).astype(np.uint64)
        share = field.from_bytes(payload, count=accumulator.size)
        KERNELS[field.name].add(accumulator, share)
        return accumulator

    def answer(self, config: RoundConfig, accumulator: NDArray[np.uint64]) -> bytes:
        """Return the reduced residues."""
        field = field_of(config)
        return field.to_bytes(KERNELS[field.name].reduce(accumulator))

    def open(self, config: RoundConfig, answers: Mapping[int, bytes]) -> NDArray[np.int64]:
        """Interpolate where the secrets are and take the signed values of smallest magnitude."""
        if not set(answers) <= set(range(config.holders)):
            raise Misuse(f"a place is not one of {config.holders} holders")
        if len(answers) < config.threshold:
            raise Misuse(f"{len(answers)} answers do not open; {config.threshold} are needed")
        places = sorted(answers)[: config.threshold]
        rows = [self._answer_of(config, place, answers[place]) for place in places]
        if len({row.size for row in rows}) != 1:
            raise Undecodable(f"the answers of places {places} have different lengths")
        field = field_of(config)
        points = [place + 1 for place in places]
        opened = interpolated(field, points, np.stack(rows), self.secrets_at(config))
        # With the filling: an owner may choose one, and answers are judged with it.
        return field.decode(opened.reshape(-1))

    def committee(self, config: RoundConfig) -> Committee:
        """Return the round's threshold, where secrets are, and how many of its holders may lie."""
        return Committee(
            field=field_of(config),
            threshold=config.threshold,
            faults=config.faults,
            secrets_at=self.secrets_at(config),
        )

    def vouch(
        self, config: RoundConfig, coin: Coin, chunk: int, answers: Mapping[int, bytes]
    ) -> dict[int, Values]:
        """Return <rho, answer> by place."""
        rows = [self._answer_of(config, place, answer) for place, answer in answers.items()]
        return dict(zip(answers, coin.combine(chunk, rows), strict=True))

    def vouch_opened(
        self, config: RoundConfig, coin: Coin, chunk: int, opened: NDArray[np.int64]
    ) -> Values:
        """Return <rho, row> of each row of the sum: values of the polynomials of the answers."""
        combined = coin.combine(chunk, list(self.rows(config, opened)))
        return tuple(value for values in combined for value in values)

    def rows(self, config: RoundConfig, values: NDArray[np.int64]) -> Residues:
        """Return what one chunk shares, a row for each secret of a polynomial.

        Args:
            config: of the round.
            values: shape (m,).

        Returns:
            Residues, shape (k, m / k), of which the last ones are zero where k does not divide m.
        """
        residues_, count = field_of(config).encode(values), len(self.secrets_at(config))
        if filling := -values.size % count:
            residues_ = np.concatenate((residues_, np.zeros(filling, dtype=residues_.dtype)))
        return residues_.reshape(count, -1)

    def _answer_of(self, config: RoundConfig, place: int, answer: bytes) -> Residues:
        try:
            return self._chunk_of(config, answer)
        except Undecodable as error:
            raise Undecodable(f"holder at place {place}: {error}") from None

    def _chunk_of(self, config: RoundConfig, payload: bytes) -> Residues:
        # Only a full chunk and the last one can be right.
        share = field_of(config).from_bytes(payload)
        shape = _shape_of(self, config)
        if share.size != shape.last and (share.size != shape.full or shape.chunks == 1):
            raise Undecodable(f"no chunk of this round has {share.size} values")
        return share


class _Shape(NamedTuple):
    """How many chunks a share has, and how many residues a full one and the last one have."""

    chunks: int
    full: int
    last: int


@lru_cache(maxsize=256)  # the same for all of a round, and asked with every chunk
def _shape_of(lane: ShareLane, config: RoundConfig) -> _Shape:
    length, full = lane.length(config), lane.chunk_values(config)
    chunks = -(-length // full)
    return _Shape(chunks, full, length - (chunks - 1) * full)


def field_of(config: RoundConfig) -> PrimeField:
    """Return the field that holders add in."""
    return FIELDS[config.field]
