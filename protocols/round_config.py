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


class RoundConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One secure sum: everything that all parties must agree on before anybody computes.

    Attributes:
        dimension: length of the summed vector.
        fraction_bits: a real x travels as the integer round(x · 2^fraction_bits).
        threshold: t, shares that open a sum; fewer tell nothing, or with packed ones a part.
        faults: f, the most holders that may break any rule, lie or stay silent.
        vote: True for the two-phase release (vote, then answer).
        quorum: votes that make a certificate; with `vote` False it is not used.
        minimum: the smallest set that may be opened.
        beat_ms: who works long for the round says so this often.
        sealing: how shares and answers are sealed; who lacks it can't take part.
        state: SHA-256 of the model state that the contributions refer to.
        checks: whether it is checked that trainers' shares lie on polynomials before the vote;
            left out of the bytes where they are not.
        packing: k, secrets in one polynomial; only of the suite "packed", and else 0 and left out
            of the bytes.
        seeds: whether `privacy()` shares of each trainer travel as seeds; left out of the bytes
            where they do not.
    """

    job: Name
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    suite: Literal["shamir", "packed"]
    field: Literal["p31", "p61"]
    dimension: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]
    fraction_bits: Annotated[int, msgspec.Meta(ge=0, le=60)]
    holders: Annotated[int, msgspec.Meta(ge=1, le=64)]
    trainers: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    threshold: Annotated[int, msgspec.Meta(ge=1, le=64)]
    faults: Annotated[int, msgspec.Meta(ge=0, le=64)]
    vote: bool
    quorum: Annotated[int, msgspec.Meta(ge=1, le=64)]
    minimum: Annotated[int, msgspec.Meta(ge=MINIMUM_FLOOR)]
    chunk_bytes: Annotated[int, msgspec.Meta(ge=1024, le=4 * 2**20)]
    beat_ms: Annotated[int, msgspec.Meta(ge=10, le=3_600_000)]
    sealing: SuiteName
    state: Digest
    roster: Digest
    checks: bool = False
    packing: Annotated[int, msgspec.Meta(ge=0, le=62)] = 0
    seeds: bool = False

    def __post_init__(self) -> None:
        wrong = threshold_faults(
            holders=self.holders,
            faults=self.faults,
            threshold=self.threshold,
            quorum=self.quorum,
            vote=self.vote,
        )
        if self.suite == "packed":
            wrong += packing_faults(
                holders=self.holders,
                faults=self.faults,
                threshold=self.threshold,
                packing=self.packing,
                vote=self.vote,
            )
        elif self.packing:
            wrong.append(f"packing {self.packing} is only for the suite packed")
        if self.checks:
            wrong += checks_faults(
                holders=self.holders,
                faults=self.faults,
                threshold=self.threshold,
                vote=self.vote,
            )
        if self.minimum > self.trainers:
            wrong.append(f"minimum {self.minimum} is above the {self.trainers} trainers")
        if wrong:
            raise ValueError("; ".join(wrong))

    def cid(self) -> bytes:
        """Return the round's id: the SHA-256 of its canonical bytes."""
        return hashlib.sha256(canonical(self)).digest()

    def holders_needed(self) -> int:
        """Return how many holders this round can't do without."""
        needed = holders_needed(
            threshold=self.threshold, faults=self.faults, quorum=self.quorum, vote=self.vote
        )
        # The values of t holders always fit one polynomial.
        return max(needed, self.threshold + 1) if self.checks else needed

    def privacy(self) -> int:
        """Return T: so many holders learn nothing of a vector from their shares."""
        return self.threshold - max(self.packing, 1)

    def answers_needed(self) -> int:
        """Return how many answers open a sum: among fewer, f false ones could pass for true."""
        return self.threshold + self.faults

    def answers_wanted(self) -> int:
        """Return from how many answers all of f false ones are told apart."""
        return self.threshold + 2 * self.faults


def majority(holders: int, faults: int = 0) -> int:
    """Return the smallest quorum two of which always share a holder that breaks no rule."""
    return (holders + faults) // 2 + 1


def holders_needed(*, threshold: int, faults: int, quorum: int, vote: bool) -> int:
    """Return how many holders a round can't do without, from its opening to its last answer."""
    answers = threshold + faults
    return max(answers, quorum) if vote else answers


def threshold_faults(
    *, holders: int, faults: int, threshold: int, quorum: int, vote: bool
) -> list[str]:
    """Name every way in which the thresholds make no sense; empty when they do.

    With n holders, f faults, threshold t and quorum q (secure-aggregation design, 3.1):

    * t > f and t >= 2, or the liars open everything by themselves;
    * n >= t + 2 · f: with f holders silent, the answers of the others still show a false one;
    * two sets of one round never both open. With the vote 2 · q > n + f: two quorums share a
      holder that votes once. Without it 2 · t > n + f: two groups that open share one;
    * with the vote n - f >= q: f silent holders can't keep a quorum from voting.
    """
    crowd = crowd_fault(holders, faults)
    if crowd is not None:
        return [crowd]
    lied = f", of whom {faults} may lie," if faults else ""
    wrong = []
    if threshold < 2:
        wrong.append(f"threshold {threshold} lets a single holder open everything; use 2 or more")
    elif threshold <= faults:
        wrong.append(
            f"threshold {threshold} lets {faults} lying holders open everything; "
            f"use {faults + 1} or more"
        )
    if threshold > holders:
        wrong.append(f"threshold {threshold} is above the {holders} holders")
    elif threshold > holders - 2 * faults:
        wrong.append(
            f"threshold {threshold} with faults = {faults} needs {threshold + 2 * faults} holders, "
            f"so that {faults} can be missing and false answers are still noticed, and there are "
            f"{holders}; use {holders - 2 * faults} or less"
        )
    smallest, most = majority(holders, faults), holders - faults
    if not vote and threshold < smallest:
        wrong.append(
            f"threshold {threshold} of {holders} holders{lied} without the vote step lets two "
            f"different sums of one round open; use {smallest} or more, or vote = true"
        )
    if vote and not smallest <= quorum <= most:
        sure = f"{most} (as {faults} may be silent)" if faults else f"{most}"
        wrong.append(
            f"quorum {quorum} of {holders} holders must lie between {smallest} "
            f"(any two quorums share a holder{' that is honest' if faults else ''}) and {sure}"
        )
    return wrong


def packing_faults(
    *, holders: int, faults: int, threshold: int, packing: int, vote: bool
) -> list[str]:
    """Name every reason why k secrets can't share a polynomial; empty when they can.

    With n holders, f faults, threshold t and packing k, T = t - k holders learn nothing: k >= 1;
    T >= 1; T >= f; and without the vote 2 · (T + 1) > n + f, as of two sets of one round two
    groups that learn a part must not both exist. With k = 1 these are the rules of any threshold.
    """
    privacy = threshold - packing
    if packing < 1:
        return [f'packing {packing} packs nothing; use 1 or more, or suite = "shamir"']
    if privacy < 1:
        least = f"threshold {packing + 1}"
        way = f"packing {threshold - 1} or less, or {least}" if threshold > 1 else least
        return [
            f"packing {packing} with threshold {threshold} lets every single holder learn a part "
            f"of each vector: of {threshold} shares that open {packing} numbers at once, only "
            f"{threshold} - {packing} may be known without telling anything; use {way} or more"
        ]
    ramp = (
        f"with packing {packing} and threshold {threshold} only {privacy} holders learn nothing: "
        f"each further one learns one combination more of every {packing} numbers, until "
        f"{threshold} know all"
    )
    wrong = []
    if privacy < faults:
        wrong.append(
            f"{ramp}; {faults} that lie would learn a part; use packing {threshold - faults} or "
            f"less, or threshold {faults + packing} or more"
        )
    if not vote and 2 * (privacy + 1) <= holders + faults:
        wrong.append(
            f"{ramp}; without the vote step two different sums of one round can both be learnt in "
            f"part; use threshold {majority(holders, faults) - 1 + packing} or more, or "
            f"vote = true"
        )
    return wrong


def checks_faults(*, holders: int, faults: int, threshold: int, vote: bool) -> list[str]:
    """Name every reason why a round can't check its trainers' shares; empty when it can.

    With n holders, f faults and threshold t: n > t and n >= t + 2 · f, or values of holders
    show nothing, or don't tell bad trainers from liars. And the vote, as holders agree on one
    coin by the same quorum: two coins under the same masks would show their difference.
    """
    needed = threshold + max(2 * faults, 1)
    wrong = []
    if holders < needed:
        lied = f" and faults {faults}" if faults else ""
        wrong.append(
            f"with threshold {threshold}{lied} {holders} holders can't tell shares that belong "
            f"together from others; checks need {needed} holders, or threshold "
            f"{holders - max(2 * faults, 1)} or less"
        )
    if not vote:
        wrong.append("checks need vote = true: the holders agree on their coin by a quorum")
    return wrong


def crowd_fault(holders: int, faults: int) -> str | None:
    """Say why so many of the holders can't be at fault, None if they can.

    The others must be a quorum, two of which share an honest holder: n >= 3 · f + 1.
    """
    if faults >= 0 and (faults == 0 or 3 * faults + 1 <= holders):
        return None
    if faults < 0:
        return f"faults {faults} is below 0; use 0 or more"
    quorum = majority(holders, faults)
    return (
        f"faults {faults} of {holders} holders are too many: a quorum of {quorum} "
        f"shares an honest holder with every other, and only {holders - faults} are sure to vote; "
        f"use {max(0, holders - 1) // 3} or less, or {3 * faults + 1} holders or more"
    )
