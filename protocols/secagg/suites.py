"""The ways to sum vectors in secret, behind one interface that works chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .coin import REPETITIONS, Coin, Values
from .field import FIELDS, PrimeField, Residues
from .judging import Committee
from .kernels import KERNELS
from .packed_suite import PackedSuite
from .prg import residues, stream_info
from .seeds import protected_with_seeds
from .shamir import reconstruct, split


class Suite(Protocol):
    """A secure sum: trainers protect, holders add and answer, the coordinator opens.

    A vector travels in chunks of `chunk_values` elements, the last one shorter, so that
    nobody needs memory for a whole share. Every step is linear and exact: what is opened is
    the sum of the integers, as long as its magnitude stays within the field's `half`.
    """

    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many elements a full chunk has."""
        ...

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks a share has, one or more."""
        ...

    def chunk_length(self, config: RoundConfig, chunk: int) -> int:
        """Return how many elements chunk number `chunk` has; `Misuse` if there is none."""
        ...

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of chunk number `chunk` of a share or an answer."""
        ...

    def share_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of one holder's share, all chunks together."""
        ...

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Hide one chunk of a trainer's vector.

        Args:
            config: of the round.
            values: shape (chunk_length,), within the limit of the round's `FixedPoint`.
            seed: 32 secret bytes, drawn for this contribution and never used with other
                values: the difference of the two would be seen.
            chunk: number of the chunk, from 0.

        Returns:
            One payload for each holder, in the order of their places; in rounds with `seeds`
            some are seeds, which `chunks.written_out` makes words of for all that follows.
            Equal arguments give equal bytes, so a retry sends what was sent.

        Raises:
            Misuse: values of a wrong length, type or size, or a seed of a wrong length.
        """
        ...

    def mask_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of the masks of one holder's share."""
        ...

    def deal_masks(self, config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
        """Share one uniform mask for each repetition of a check (`degree_check`).

        Args:
            config: of the round.
            seed: that of `protect`, for the same contribution.

        Returns:
            The masks' bytes for each holder, in the order of their places; the same for equal
            arguments.
        """
        ...

    def masks(self, config: RoundConfig, payload: bytes) -> Residues:
        """Return a holder's share of a trainer's masks, shape (repetitions,).

        Raises:
            Undecodable: not residues, or of a wrong length.
        """
        ...

    def combine(
        self, config: RoundConfig, coin: Coin, chunk: int, shares: Sequence[bytes]
    ) -> tuple[Values, ...]:
        """Return <rho, share> of the same chunk of some stored shares, in their order.

        The sum over all chunks is the combination of a whole share.

        Raises:
            Misuse: no shares, or of different lengths.
            Undecodable: not residues, or of a wrong length.
        """
        ...

    def add(
        self, config: RoundConfig, accumulator: NDArray[np.uint64] | None, payload: bytes
    ) -> NDArray[np.uint64]:
        """Add a trainer's payload to a holder's sum of the same chunk.

        Args:
            config: of the round.
            accumulator: what `add` returned before, changed in place; None at the first.
            payload: from anybody. The first one's length is taken as it is if a chunk of
                this round may have it: compare with `chunk_length` before.

        Raises:
            Undecodable: not residues, or of a wrong length; the accumulator is unchanged.
        """
        ...

    def answer(self, config: RoundConfig, accumulator: NDArray[np.uint64]) -> bytes:
        """Return the holder's share of the sum of one chunk, fully reduced."""
        ...

    def open(self, config: RoundConfig, answers: Mapping[int, bytes]) -> NDArray[np.int64]:
        """Open the sum of one chunk from the answers of enough holders.

        Args:
            config: of the round.
            answers: by the holder's place, from 0; the `threshold` lowest places are used.

        Returns:
            The signed sum, shape (chunk_length,); of the last chunk it may be longer, and what
            comes then means nothing, and belongs to what `vouch_opened` combines.

        Raises:
            Misuse: fewer answers than the threshold, or a place that no holder has.
            Undecodable: an answer is not residues or of a wrong length; the text has its place.
        """
        ...

    def committee(self, config: RoundConfig) -> Committee:
        """Return what is to be known of the holders whose answers are held against each other."""
        ...

    def vouch(
        self, config: RoundConfig, coin: Coin, chunk: int, answers: Mapping[int, bytes]
    ) -> dict[int, Values]:
        """Combine the same chunk of several answers under a coin, for `Vouching`.

        Args:
            config: of the round.
            coin: drawn after all these answers were fixed.
            chunk: number of the chunk, from 0.
            answers: by the holder's place, one or more.

        Raises:
            Undecodable: an answer is not residues or of a wrong length; the text has its place.
        """
        ...

    def vouch_opened(
        self, config: RoundConfig, coin: Coin, chunk: int, opened: NDArray[np.int64]
    ) -> Values:
        """Combine the same chunk of an opened sum, to be held against `Judgement.at_zero`."""
        ...


class ShamirSuite:
    """Shamir shares of the vector itself (secure-aggregation design, section 2.1).

    Fewer than `threshold` holders learn nothing: their shares are uniform up to the PRG.
    """

    name = "shamir"

    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many elements a full chunk has."""
        return config.chunk_bytes // _field(config).word_bytes

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks a share has."""
        return -(-config.dimension // self.chunk_values(config))

    def chunk_length(self, config: RoundConfig, chunk: int) -> int:
        """Return how many elements a chunk has."""
        if not 0 <= chunk < self.chunks(config):
            raise Misuse(f"chunk {chunk} of {self.chunks(config)}")
        full = self.chunk_values(config)
        return min(full, config.dimension - chunk * full)

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of one chunk."""
        return self.chunk_length(config, chunk) * _field(config).word_bytes

    def share_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of one holder's share."""
        return config.dimension * _field(config).word_bytes

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Share one chunk under fresh coefficients.

        Time O(n·t·chunk_length), memory O((n + t)·chunk_length).
        """
        field, length = _field(config), self.chunk_length(config, chunk)
        if values.shape != (length,):
            raise Misuse(f"chunk {chunk} has {length} values, not {values.shape}")
        if config.seeds:
            secrets = field.encode(values)[np.newaxis]
            return protected_with_seeds(config, (0,), secrets, seed, chunk)
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

    def mask_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of the masks of one share."""
        field = _field(config)
        return REPETITIONS[field.name] * field.word_bytes

    def deal_masks(self, config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
        """Share uniform residues, under coefficients of the same stream."""
        field = _field(config)
        shape = config.threshold, REPETITIONS[field.name]
        info = stream_info(suite=self.name, cid=config.cid(), purpose="masks", index=0)
        drawn = residues(field, seed, info, shape[0] * shape[1]).reshape(shape)
        shares = split(field, drawn[0], drawn[1:], config.holders)
        return tuple(field.to_bytes(share) for share in shares)

    def masks(self, config: RoundConfig, payload: bytes) -> Residues:
        """Return residues, one for each repetition."""
        field = _field(config)
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
        field = _field(config)
        if accumulator is None:
            return self._chunk_of(config, payload).astype(np.uint64)
        share = field.from_bytes(payload, count=accumulator.size)
        KERNELS[field.name].add(accumulator, share)
        return accumulator

    def answer(self, config: RoundConfig, accumulator: NDArray[np.uint64]) -> bytes:
        """Return the reduced residues."""
        field = _field(config)
        return field.to_bytes(KERNELS[field.name].reduce(accumulator))

    def open(self, config: RoundConfig, answers: Mapping[int, bytes]) -> NDArray[np.int64]:
        """Interpolate at zero and take the signed value of smallest magnitude."""
        if not set(answers) <= set(range(config.holders)):
            raise Misuse(f"a place is not one of {config.holders} holders")
        if len(answers) < config.threshold:
            raise Misuse(f"{len(answers)} answers do not open; {config.threshold} are needed")
        places = sorted(answers)[: config.threshold]
        rows = [self._answer_of(config, place, answers[place]) for place in places]
        if len({row.size for row in rows}) != 1:
            raise Undecodable(f"the answers of places {places} have different lengths")
        field = _field(config)
        points = [place + 1 for place in places]
        return field.decode(reconstruct(field, points, np.stack(rows)))

    def committee(self, config: RoundConfig) -> Committee:
        """Return the round's threshold and how many of its holders may lie."""
        return Committee(field=_field(config), threshold=config.threshold, faults=config.faults)

    def vouch(
        self, config: RoundConfig, coin: Coin, chunk: int, answers: Mapping[int, bytes]
    ) -> dict[int, Values]:
        """Return <rho, answer> by place."""
        rows = [self._answer_of(config, place, answer) for place, answer in answers.items()]
        return dict(zip(answers, coin.combine(chunk, rows), strict=True))

    def vouch_opened(
        self, config: RoundConfig, coin: Coin, chunk: int, opened: NDArray[np.int64]
    ) -> Values:
        """Return <rho, sum>: the value at zero of the polynomial through those of the answers."""
        (values,) = coin.combine(chunk, [_field(config).encode(opened)])
        return values

    def _answer_of(self, config: RoundConfig, place: int, answer: bytes) -> Residues:
        try:
            return self._chunk_of(config, answer)
        except Undecodable as error:
            raise Undecodable(f"holder at place {place}: {error}") from None

    def _chunk_of(self, config: RoundConfig, payload: bytes) -> Residues:
        # Only a full chunk and the last one can be right.
        share = _field(config).from_bytes(payload)
        lengths = {self.chunk_length(config, chunk) for chunk in (0, self.chunks(config) - 1)}
        if share.size not in lengths:
            raise Undecodable(f"no chunk of this round has {share.size} values")
        return share


def _field(config: RoundConfig) -> PrimeField:
    return FIELDS[config.field]


SUITES: Mapping[str, Suite] = MappingProxyType(
    {ShamirSuite.name: ShamirSuite(), PackedSuite.name: PackedSuite()}
)
"""By the name in the round config."""
