"""The suite `packed`: a share is k times shorter, and fewer holders may pool theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable
from protocols.errors import Misuse
from protocols.round_config import RoundConfig

from .coin import REPETITIONS, Coin, Values
from .field import FIELDS, PrimeField, Residues
from .judging import Committee
from .kernels import KERNELS
from .packed import reconstruct_packed, secret_points, split_packed
from .prg import residues, stream_info
from .seeds import protected_with_seeds
from .shamir import split


class PackedSuite:
    """Packed shares of the vector itself (secure-aggregation design, section 2.2).

    The vector of a chunk is cut into k equal rows, the last one filled up with zeros; column by
    column they are the k secrets of a polynomial. Up to `config.privacy()` holders learn nothing:
    their shares are uniform up to the PRG. From there to `threshold` each further one learns a
    k-th part, so the rules of a round count liars against the former (`packing_faults`).
    """

    name = "packed"

    def chunk_values(self, config: RoundConfig) -> int:
        """Return how many elements a full chunk has: k for each word of a share."""
        return config.chunk_bytes // _field(config).word_bytes * config.packing

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks a share has."""
        return -(-config.dimension // self.chunk_values(config))

    def chunk_length(self, config: RoundConfig, chunk: int) -> int:
        """Return how many elements of the vector a chunk has."""
        if not 0 <= chunk < self.chunks(config):
            raise Misuse(f"chunk {chunk} of {self.chunks(config)}")
        full = self.chunk_values(config)
        return min(full, config.dimension - chunk * full)

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of one chunk."""
        return self._words(config, chunk) * _field(config).word_bytes

    def share_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of one holder's share."""
        last = self.chunks(config) - 1
        return last * self.payload_bytes(config, 0) + self.payload_bytes(config, last)

    def protect(
        self, config: RoundConfig, values: NDArray[np.int64], seed: bytes, chunk: int
    ) -> tuple[bytes, ...]:
        """Share one chunk: T random shares, and the others that fit them and the secrets.

        Time O((n - T)·t·chunk_length / k), memory O((n + t)·chunk_length / k).
        """
        field, length = _field(config), self.chunk_length(config, chunk)
        if values.shape != (length,):
            raise Misuse(f"chunk {chunk} has {length} values, not {values.shape}")
        secrets, privacy = self._rows(config, values), config.privacy()
        if config.seeds:
            points = secret_points(config.packing)
            return protected_with_seeds(config, points, secrets, seed, chunk)
        info = stream_info(suite=self.name, cid=config.cid(), purpose="given shares", index=chunk)
        randoms = residues(field, seed, info, privacy * secrets.shape[1])
        randoms = randoms.reshape(privacy, secrets.shape[1])
        shares = split_packed(field, secrets, randoms, config.holders, range(privacy))
        return tuple(field.to_bytes(share) for share in shares)

    def mask_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of the masks of one share."""
        field = _field(config)
        return REPETITIONS[field.name] * field.word_bytes

    def deal_masks(self, config: RoundConfig, seed: bytes) -> tuple[bytes, ...]:
        """Share uniform polynomials with t coefficients, as those have that they are to hide."""
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
        """Interpolate at -1 to -k and take the signed values of smallest magnitude.

        Of the last chunk the filling comes too, after its values.
        """
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
        opened = reconstruct_packed(field, points, np.stack(rows), config.packing)
        # With the filling: an owner may choose one, and answers are judged with it.
        return field.decode(opened.reshape(-1))

    def committee(self, config: RoundConfig) -> Committee:
        """Return the round's threshold T + k, where its secrets are, and how many may lie."""
        return Committee(
            field=_field(config),
            threshold=config.threshold,
            faults=config.faults,
            secrets_at=secret_points(config.packing),
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
        """Return <rho, row> for each of the k rows of the sum, one after the other."""
        combined = coin.combine(chunk, list(self._rows(config, opened)))
        return tuple(value for values in combined for value in values)

    def _words(self, config: RoundConfig, chunk: int) -> int:
        return -(-self.chunk_length(config, chunk) // config.packing)

    def _rows(self, config: RoundConfig, values: NDArray[np.int64]) -> Residues:
        """Return the residues of one chunk, shape (k, words), filled up with zeros."""
        packing = config.packing
        padded = np.zeros((packing, -(-values.size // packing)), dtype=_field(config).dtype)
        padded.reshape(-1)[: values.size] = _field(config).encode(values)
        return padded

    def _answer_of(self, config: RoundConfig, place: int, answer: bytes) -> Residues:
        try:
            return self._chunk_of(config, answer)
        except Undecodable as error:
            raise Undecodable(f"holder at place {place}: {error}") from None

    def _chunk_of(self, config: RoundConfig, payload: bytes) -> Residues:
        # Only a full chunk and the last one can be right.
        share = _field(config).from_bytes(payload)
        lengths = {self._words(config, chunk) for chunk in (0, self.chunks(config) - 1)}
        if share.size not in lengths:
            raise Undecodable(f"no chunk of this round has {share.size} words")
        return share


def _field(config: RoundConfig) -> PrimeField:
    return FIELDS[config.field]
