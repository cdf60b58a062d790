"""What every way to sum vectors in secret offers: one lane to the holders, perhaps a second one.

What a trainer gives goes into one or two lanes:

* to each share-holder a *share*, in chunks: of the vector itself, or of a short secret;
* where the secret only hides the vector, the vector under it to the coordinator: the *bulk*.

The machines and actors move both and know neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from protocols.errors import ProtocolError
from protocols.round_config import RoundConfig

from .coin import Coin, Values
from .field import Residues
from .judging import Committee

BulkTotal = NDArray[np.uint32]
"""The sum of one chunk of the bulk of some trainers; its shape is the suite's own."""


class Garbled(ProtocolError):
    """What was opened is no sum of the contributions: one of them, or an answer, was false."""


class BulkDamaged(Garbled):
    """The bulk of a contribution can't be read any more: nobody was false."""


class Hiding(Protocol):
    """A trainer's bulk while it is made: what hides it is drawn once and kept no longer."""

    def protect(self, chunk: int, values: NDArray[np.int64]) -> bytes:
        """Hide the values that a chunk covers.

        Returns:
            `payload_bytes` of the chunk. Equal rounds, seeds and values give equal bytes.

        Raises:
            Misuse: values of a wrong length, type or size.
        """
        ...


class Unhiding(Protocol):
    """The coordinator's way from sums of bulk to the sum of vectors."""

    def open(self, chunk: int, total: BulkTotal) -> NDArray[np.int64]:
        """Return the signed sum of the values that a chunk covers.

        Raises:
            Garbled: it is none.
        """
        ...

    def remark(self) -> str:
        """Say what is odd about all that was opened, though it is right; mostly nothing."""
        ...


class Bulk(Protocol):
    """The lane to the coordinator; each chunk fits into `chunk_bytes` of the round."""

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks there are, one or more."""
        ...

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return which values of the vector a chunk hides; `Misuse` if there is none such."""
        ...

    def payload_bytes(self, config: RoundConfig, chunk: int) -> int:
        """Return the bytes of chunk number `chunk`."""
        ...

    def total_bytes(self, config: RoundConfig) -> int:
        """Return the bytes of all chunks together."""
        ...

    def hiding(self, config: RoundConfig, seed: bytes) -> Hiding:
        """Begin to hide a vector under the seed of its contribution.

        Raises:
            Misuse: a seed of a wrong length.
        """
        ...

    def add(
        self, config: RoundConfig, chunk: int, total: BulkTotal | None, payload: bytes
    ) -> BulkTotal:
        """Add a trainer's chunk to the sum of its like.

        Args:
            config: of the round.
            chunk: number of the chunk.
            total: what `add` returned before, changed in place; None at the first.
            payload: from anybody.

        Raises:
            Undecodable: not residues, or of a wrong length; the sum is unchanged.
        """
        ...

    def unhiding(
        self, config: RoundConfig, secrets: NDArray[np.int64], contributors: int
    ) -> Unhiding:
        """Begin to open sums of bulk.

        Args:
            config: of the round.
            secrets: all that `Suite.open` returned, one chunk after the other.
            contributors: how many trainers are in the sum.

        Raises:
            Garbled: these are no sums of so many secrets.
        """
        ...


class Suite(Protocol):
    """A secure sum: trainers protect, holders add and answer, the coordinator opens.

    A share travels in chunks, the last one perhaps shorter, so that nobody needs memory for
    the whole. Every step is linear and exact: what is opened is the sum of the integers, as
    long as each is within the limit of the round's `FixedPoint`.
    """

    @property
    def bulk(self) -> Bulk | None:
        """The lane to the coordinator, None where shares carry the vector."""
        ...

    def chunks(self, config: RoundConfig) -> int:
        """Return how many chunks a share has, one or more."""
        ...

    def covers(self, config: RoundConfig, chunk: int) -> slice:
        """Return which values of the vector a chunk shares; none where the bulk has them.

        Raises:
            Misuse: there is no such chunk.
        """
        ...

    def chunk_length(self, config: RoundConfig, chunk: int) -> int:
        """Return how many residues chunk number `chunk` has; `Misuse` if there is none."""
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
        """Make one chunk of the share of each holder.

        Args:
            config: of the round.
            values: those that the chunk `covers`, within the limit of the round's `FixedPoint`.
            seed: 32 secret bytes, drawn for this contribution and never used with other
                values: the difference of the two would be seen.
            chunk: number of the chunk, from 0.

        Returns:
            One payload for each holder, in the order of their places; in rounds with `seeds`
            some are seeds, which `chunks.words_of` makes words of for all that follows.
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
        """Open the sum of what one chunk shares from the answers of enough holders.

        Args:
            config: of the round.
            answers: by the holder's place, from 0; the `threshold` lowest places are used.

        Returns:
            The signed sum of what the chunk shares: of vectors, or of what hides them in `bulk`.
            Of the last chunk it may be longer; what comes then means nothing, and belongs to
            what `vouch_opened` combines.

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
