"""What a round is; its id is the hash of its canonical bytes."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from .codec import canonical
from .trust.sealing import SuiteName

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}\Z"
MINIMUM_FLOOR = 3  # with two survivors, each learns the other's vector from the sum

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]


class Roster(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Who belongs to a federation. A holder's place gives its evaluation point, place + 1.

    `keys` is the digest of the signed roster that the names are from, and left out of the bytes
    where there is none: it binds the members' keys and the roster's epoch.
    """

    federation: Name
    coordinator: Name
    holders: tuple[Name, ...]
    trainers: tuple[Name, ...]
    keys: Digest | None = None

    def __post_init__(self) -> None:
        everybody = (self.coordinator, *self.holders, *self.trainers)
        if len(set(everybody)) != len(everybody):
            raise ValueError("every actor of a federation needs a name of its own")

    def digest(self) -> bytes:
        """Return the SHA-256 of the canonical bytes."""
        return hashlib.sha256(canonical(self)).digest()

    def role(self, name: str) -> Literal["coordinator", "holder", "trainer"] | None:
        """Return what `name` is here, or None for a stranger."""
        if name == self.coordinator:
            return "coordinator"
        if name in self.holders:
            return "holder"
        return "trainer" if name in self.trainers else None


class RoundConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One secure sum: everything that all parties must agree on before anybody computes.

    Attributes:
        dimension: length of the summed vector.
        fraction_bits: a real x travels as the integer round(x · 2^fraction_bits).
        threshold: t, answers needed to open; fewer learn nothing.
        vote: True for the two-phase release (vote, then answer).
        quorum: votes that make a certificate; with `vote` False it is not used.
        minimum: the smallest set that may be opened.
        beat_ms: who works long for the round says so this often.
        sealing: how shares and answers are sealed; who lacks it can't take part.
        state: SHA-256 of the model state that the contributions refer to.
    """

    job: Name
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    suite: Literal["shamir"]
    field: Literal["p31", "p61"]
    dimension: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    fraction_bits: Annotated[int, msgspec.Meta(ge=0, le=60)]
    holders: Annotated[int, msgspec.Meta(ge=1, le=64)]
    trainers: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=64)]
    vote: bool
    quorum: Annotated[int, msgspec.Meta(ge=1, le=64)]
    minimum: Annotated[int, msgspec.Meta(ge=MINIMUM_FLOOR)]
    chunk_bytes: Annotated[int, msgspec.Meta(ge=1024, le=4 * 2**20)]
    beat_ms: Annotated[int, msgspec.Meta(ge=10, le=3_600_000)]
    sealing: SuiteName
    state: Digest
    roster: Digest

    def __post_init__(self) -> None:
        faults = threshold_faults(
            holders=self.holders, threshold=self.threshold, quorum=self.quorum, vote=self.vote
        )
        if self.minimum > self.trainers:
            faults.append(f"minimum {self.minimum} is above the {self.trainers} trainers")
        if faults:
            raise ValueError("; ".join(faults))

    def cid(self) -> bytes:
        """Return the round's id: the SHA-256 of its canonical bytes."""
        return hashlib.sha256(canonical(self)).digest()

    def holders_needed(self) -> int:
        """Return how many holders this round can't do without."""
        return holders_needed(threshold=self.threshold, quorum=self.quorum, vote=self.vote)


def majority(holders: int) -> int:
    """Return the smallest quorum two of which always share a holder."""
    return holders // 2 + 1


def holders_needed(*, threshold: int, quorum: int, vote: bool) -> int:
    """Return how many holders a round can't do without, from its opening to its last answer."""
    return max(threshold, quorum) if vote else threshold


def threshold_faults(*, holders: int, threshold: int, quorum: int, vote: bool) -> list[str]:
    """Name every way in which the thresholds make no sense; empty when they do.

    Two sets of one round must never both open (secure-aggregation rule of the two-phase
    release): with the vote, two quorums share a holder and a holder votes once; without it,
    two groups of `threshold` holders must share one, so 2t > n.
    """
    faults = []
    if threshold < 2:
        faults.append(f"threshold {threshold} lets a single holder open everything; use 2 or more")
    if threshold > holders:
        faults.append(f"threshold {threshold} is above the {holders} holders")
    if not vote and 2 * threshold <= holders:
        faults.append(
            f"threshold {threshold} of {holders} holders without the vote step lets two "
            f"different sums of one round open; use {majority(holders)} or more, or vote = true"
        )
    if vote and not majority(holders) <= quorum <= holders:
        faults.append(
            f"quorum {quorum} of {holders} holders must lie between {majority(holders)} "
            f"(any two quorums share a holder) and {holders}"
        )
    return faults
