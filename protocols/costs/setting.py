"""One round as the formulas of its costs see it."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.round_config import FieldName, SumSuite
from protocols.secagg.coin import REPETITIONS
from protocols.secagg.field import FIELDS
from protocols.secagg.masked.layout import Layout
from protocols.secagg.masked.masked_round import MaskedRound
from protocols.secagg.norm_bound import NormBound
from protocols.secagg.prg import SEED_BYTES
from protocols.secagg.salts import SALT_BYTES
from protocols.trust.sealing import HYBRID, OVERHEAD_BYTES, PUBLIC_BYTES, SuiteName

_ANY_CID = bytes(32)


@dataclass(frozen=True, slots=True)
class Stream:
    """What travels from one party to another in boxes: bytes inside of them, and how many."""

    payload: int = 0
    chunks: int = 0

    def __add__(self, other: Stream) -> Stream:
        return Stream(self.payload + other.payload, self.chunks + other.chunks)

    def times(self, count: int) -> Stream:
        """Return so many of them."""
        return Stream(self.payload * count, self.chunks * count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the costs of a round follow from; the names are those of `RoundConfig`.

    Unlike there, any number of trainers will do.

    Attributes:
        dimension: d, values in a vector.
        trainers: N, all of whom contribute.
        holders: n.
        threshold: t.
        quorum: votes of a certificate.
        packing: k; 0 where each value has a polynomial of its own.
        layout: how values lie under the mask; only of the suite "masked".
        state_bytes: of the model state that each trainer fetches before the round.
    """

    suite: SumSuite
    dimension: int
    trainers: int
    holders: int
    threshold: int
    quorum: int
    field: FieldName = "p61"
    faults: int = 0
    packing: int = 0
    seeds: bool = False
    checks: bool = False
    norm_bound: int = 0
    layout: Layout | None = None
    chunk_bytes: int = 256 * 1024
    sealing: SuiteName = HYBRID
    state_bytes: int = 0

    @property
    def name(self) -> str:
        """The suite with what makes it a particular one, in words."""
        if self.layout is not None:
            return f"masked, {self.layout}"
        if self.packing:
            return f"packed, {self.packing} numbers to a polynomial, over {self.field}"
        return f"shamir over {self.field}"

    @property
    def word_bytes(self) -> int:
        """Bytes of a residue that holders add."""
        return FIELDS[self.field].word_bytes

    @property
    def privacy(self) -> int:
        """T, so many holders learn nothing together."""
        return self.threshold - max(self.packing, 1)

    @property
    def masked(self) -> MaskedRound | None:
        """How the vector is cut under its mask; None in suites without one."""
        if self.layout is None:
            return None
        return MaskedRound(_ANY_CID, self.layout, self.dimension, self.chunk_bytes)

    @property
    def share_words(self) -> int:
        """m, residues of one holder's share of one trainer's vector, or of its secrets."""
        masked = self.masked
        if masked is not None:
            return masked.spans * masked.layout.parameters.degree
        return -(-self.dimension // max(self.packing, 1))

    @property
    def answer(self) -> Stream:
        """One holder's share of the sum."""
        full = self._chunk_words
        return Stream(self.share_words * self.word_bytes, -(-self.share_words // full))

    @property
    def share(self) -> Stream:
        """One holder's share of one trainer, as words."""
        salt = 0 if self.norm_bound else SALT_BYTES
        return self.answer + Stream(salt) + self.tail

    @property
    def seeded_share(self) -> Stream:
        """The same where it travels as a seed for each chunk."""
        words, chunks = self.share_words, self.answer.chunks
        last = words - (chunks - 1) * self._chunk_words
        sizes = (chunks - 1, self._chunk_words), (1, last)
        seeds = sum(count * min(SEED_BYTES, size * self.word_bytes) for count, size in sizes)
        return self.share + Stream(seeds - self.answer.payload)

    @property
    def shares(self) -> Stream:
        """All shares of one trainer."""
        seeded = self.privacy if self.seeds else 0
        return self.share.times(self.holders - seeded) + self.seeded_share.times(seeded)

    @property
    def tail(self) -> Stream:
        """What a share has behind the vector: the masks of a check, and of a norm bound more."""
        if not self.checks:
            return Stream()
        masks = REPETITIONS[self.field] * self.word_bytes
        if not self.norm_bound:
            return Stream(masks, 1)
        witness = NormBound(squared=self.norm_bound).witness_length * self.word_bytes
        size = SALT_BYTES + 2 * masks + witness
        return Stream(size, -(-size // (self._full_words * self.word_bytes)))

    @property
    def bulk(self) -> Stream:
        """What one trainer sends the coordinator: its masked vector."""
        masked = self.masked
        return Stream() if masked is None else Stream(masked.upload_bytes(), masked.blocks)

    @property
    def residues(self) -> int:
        """Residues of one masked vector, over all primes; 0 in suites without a mask."""
        masked = self.masked
        if masked is None:
            return 0
        last = masked.blocks - 1
        coefficients = last * masked.coefficients(0) + masked.coefficients(last)
        return coefficients * len(masked.layout.parameters.primes)

    @property
    def box_bytes(self) -> int:
        """What a sealed box has beside its content."""
        return OVERHEAD_BYTES[self.sealing]

    @property
    def key_bytes(self) -> int:
        """A public key of a round."""
        return PUBLIC_BYTES[self.sealing]

    @property
    def _full_words(self) -> int:
        return self.chunk_bytes // self.word_bytes

    @property
    def _chunk_words(self) -> int:
        masked = self.masked
        return self._full_words if masked is None else masked.layout.parameters.degree
