"""What a round is; its id is the hash of its canonical bytes."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from .codec import canonical
from .secagg.masked.layout import MOST_SLOTS, Layout
from .secagg.masked.parameters import SETS
from .trust.sealing import SuiteName

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}\Z"
MINIMUM_FLOOR = 3  # with two survivors, each learns the other's vector from the sum
MAX_STALENESS = 1000  # rounds that a contribution may be old
MAX_NORM_BOUND = 2**54 // 76  # docs/norm-bound.md: above, the tests do not fit the field p61

Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
SumSuite = Literal["shamir", "packed", "masked"]
FieldName = Literal["p31", "p61"]
MaskSet = Literal["", "A", "B"]

NO_SEEDS = (
    "the suite masked sends no seeds, as its shares are short; leave seeds out, or use suite = "
    '"shamir" or "packed"'
)
NO_BUFFERED_BATCHES = (
    "rounds that ask a sample can't be buffered: what is computed would be given to a round that "
    "asks others"
)


class Roster(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    dict=True,
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
        """Return the SHA-256 of the canonical bytes, which is computed once."""
        return self._digest

    @cached_property
    def _digest(self) -> bytes:
        return hashlib.sha256(canonical(self)).digest()

    def role(self, name: str) -> Literal["coordinator", "holder", "trainer"] | None:
        """Return what `name` is here, or None for a stranger."""
        return self._roles.get(name)

    @cached_property
    def _roles(self) -> dict[str, Literal["coordinator", "holder", "trainer"]]:
        return {
            self.coordinator: "coordinator",
            **dict.fromkeys(self.holders, "holder"),
            **dict.fromkeys(self.trainers, "trainer"),
        }


class RoundConfig(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    dict=True,
    cache_hash=True,
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
        norm_bound: the largest sum of squares of the integers of one contribution; 0, and left
            out of the bytes, where there is no bound.
        parameters: the parameter set of the suite `masked`; left out of the bytes in others.
        slots: how many values share a coefficient there.
        packing: k, secrets in one polynomial; only of the suite "packed", and else 0 and left out
            of the bytes.
        seeds: whether `privacy()` shares of each trainer travel as seeds; left out of the bytes
            where they do not.
        buffered: so many complete contributions are enough for a sum, and who computes goes on
            into the next round; 0, and left out of the bytes, where a round waits for everybody.
        max_staleness: so many rounds old the state of a contribution may be, where buffered.
        discounted: how many values, from the first, shrink with the age of a contribution; the
            last `max_staleness` + 1 count ages.
        batches: so many batches the trainers are split into, where a round asks only some of
            them (`batches.py`); 0, and left out of the bytes, where it asks everybody.
        drawn: how many of the batches a round asks.
    """

    job: Name
    number: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    suite: SumSuite
    field: FieldName
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
    norm_bound: Annotated[int, msgspec.Meta(ge=0, le=MAX_NORM_BOUND)] = 0
    parameters: MaskSet = ""
    slots: Annotated[int, msgspec.Meta(ge=0, le=MOST_SLOTS)] = 0
    packing: Annotated[int, msgspec.Meta(ge=0, le=62)] = 0
    seeds: bool = False
    buffered: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    max_staleness: Annotated[int, msgspec.Meta(ge=0, le=MAX_STALENESS)] = 0
    discounted: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    batches: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    drawn: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0

    def __post_init__(self) -> None:
        wrong = threshold_faults(
            holders=self.holders,
            faults=self.faults,
            threshold=self.threshold,
            quorum=self.quorum,
            vote=self.vote,
        )
        wrong += self._packing_faults()
        if self.checks:
            wrong += checks_faults(
                holders=self.holders,
                faults=self.faults,
                threshold=self.threshold,
                vote=self.vote,
            )
        if self.norm_bound:
            wrong += norm_means(checks=self.checks, field=self.field, suite=self.suite)
            wrong += norm_faults(holders=self.holders, faults=self.faults, threshold=self.threshold)
        if not 0 <= self.norm_bound <= MAX_NORM_BOUND:
            wrong.append(f"norm_bound {self.norm_bound} is not between 0 and {MAX_NORM_BOUND}")
        if self.minimum > self.trainers:
            wrong.append(f"minimum {self.minimum} is above the {self.trainers} trainers")
        wrong += self._mask_faults()
        wrong += self._buffer_faults()
        wrong += self._batch_faults()
        if wrong:
            raise ValueError("; ".join(wrong))

    def _buffer_faults(self) -> list[str]:
        if not self.buffered:
            aged = self.max_staleness or self.discounted
            return ["only contributions to buffered rounds have an age"] if aged else []
        wrong = buffer_faults(buffered=self.buffered, minimum=self.minimum, trainers=self.trainers)
        if self.max_staleness < 1:
            wrong.append("max_staleness must be 1 or more where rounds are buffered")
        if self.discounted + self.max_staleness + 1 > self.dimension:
            wrong.append(f"a vector of {self.dimension} values has no room for the ages")
        return wrong

    def _batch_faults(self) -> list[str]:
        if not self.batches:
            return ["only batches are drawn, and there are none"] if self.drawn else []
        wrong = []
        if not 1 <= self.drawn < self.batches:
            wrong.append(f"drawn {self.drawn} must be from 1 to {self.batches - 1}, or no batches")
        if self.trainers // self.batches < self.minimum:
            wrong.append(
                f"{self.batches} batches of {self.trainers} trainers are below the minimum of "
                f"{self.minimum} each"
            )
        if self.buffered:
            wrong.append(NO_BUFFERED_BATCHES)
        return wrong

    def _packing_faults(self) -> list[str]:
        if self.suite == "packed":
            return packing_faults(
                holders=self.holders,
                faults=self.faults,
                threshold=self.threshold,
                packing=self.packing,
                vote=self.vote,
            )
        return [f"packing {self.packing} is only for the suite packed"] if self.packing else []

    def _mask_faults(self) -> list[str]:
        if self.suite != "masked":
            masked = self.parameters or self.slots
            return [f"the suite {self.suite} has no parameter set and no slots"] if masked else []
        wrong = []
        if self.seeds:
            wrong.append(NO_SEEDS)
        if self.field != "p31":
            wrong.append("the suite masked shares its secrets over p31")
        try:
            layout = self.layout()
        except ValueError as error:
            return [*wrong, str(error)]
        least = least_chunk_bytes(self.parameters)
        if layout is None:
            wrong.append("the suite masked needs a parameter set")
        elif self.chunk_bytes < least:
            wrong.append(
                f"chunks of {self.chunk_bytes} bytes hold no share of the parameter set "
                f"{self.parameters}; use {least} or more"
            )
        return wrong

    def layout(self) -> Layout | None:
        """Return how values lie in a masked vector; None in other suites.

        Raises:
            ValueError: the slots hold no sum; the text says what to change.
        """
        if not self.parameters:
            return None
        return Layout(parameters=SETS[self.parameters], trainers=self.trainers, slots=self.slots)

    def cid(self) -> bytes:
        """Return the round's id: the SHA-256 of its canonical bytes, which is computed once."""
        return self._cid

    @cached_property
    def _cid(self) -> bytes:
        return hashlib.sha256(canonical(self)).digest()

    def holders_needed(self) -> int:
        """Return how many holders this round can't do without."""
        needed = holders_needed(
            threshold=self.threshold, faults=self.faults, quorum=self.quorum, vote=self.vote
        )
        # The values of t holders always fit one polynomial, those of 2 · t - 1 one of squares.
        if self.norm_bound:
            return max(needed, norm_holders(self.threshold, self.faults))
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


def buffer_faults(*, buffered: int, minimum: int, trainers: int) -> list[str]:
    """Name every reason why rounds can't end with so many contributions; empty when they can."""
    if buffered < minimum:
        return [
            f"buffered {buffered} is below the minimum of {minimum}, under which no sum is opened; "
            f"use {minimum} or more"
        ]
    if buffered > trainers:
        return [f"buffered {buffered} is above the {trainers} trainers; use {trainers} or less"]
    return []


def batches_of(*, trainers: int, sample: int, batch: int = 0) -> tuple[int, int]:
    """Return how many batches there are, and how many of them a round asks: about `sample`.

    `batch` is the least of a batch; 0 is a whole sample.
    """
    batches = max(1, trainers // (batch or sample))
    return batches, max(1, round(sample * batches / trainers))


def batches_text(batches: int, drawn: int) -> str:
    """Return whom a round asks, in words."""
    return f"{drawn} of {batches} batches" if batches else "everybody"


def sample_faults(*, trainers: int, minimum: int, sample: int, batch: int = 0) -> list[str]:
    """Name every reason why rounds can't ask about so many trainers; empty when they can."""
    least = batch or sample
    if least < minimum:
        what = "batches of {0} are" if batch else "a sample of {0} is"
        return [
            f"{what.format(least)} below the minimum of {minimum}, under which no sum is opened; "
            f"use {minimum} or more"
        ]
    if batch > sample:
        return [f"a sample of {sample} holds no whole batch of {batch}; use {sample} or less"]
    batches, drawn = batches_of(trainers=trainers, sample=sample, batch=batch)
    if drawn < batches:
        return []
    most = trainers // 2
    cure = f"use {most} or less, or leave it out" if most >= minimum else "leave it out"
    return [
        f"a sample of {sample} of {trainers} trainers in batches of {least} or more is everybody; "
        f"{cure}"
    ]


def least_chunk_bytes(parameters: str) -> int:
    """Return the shortest chunk in which a share of a parameter set fits, 0 for none."""
    return 4 * SETS[parameters].degree if parameters else 0


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


def norm_holders(threshold: int, faults: int) -> int:
    """Return how many holders must speak where norms are bound: 2 · t - 1 + f, above 2 · t - 1."""
    return 2 * threshold - 1 + max(faults, 1)


def squared_bound(norm: float, fraction_bits: int) -> int:
    """Return β for vectors of reals up to `norm`, exactly: (norm · 2^fraction_bits)², rounded down.

    What is bounded are the integers that travel. Rounding to them may add √d / 2 to their norm.
    """
    return int((Fraction(norm) * 2**fraction_bits) ** 2)


def norm_means(*, checks: bool, field: str, suite: str) -> list[str]:
    """Name what a norm bound lacks beside holders; empty when it lacks nothing."""
    wrong = []
    if not checks:
        wrong.append("a norm bound needs checks = true, as bits are believed of true shares only")
    if field != "p61":
        wrong.append(f'a norm bound needs field = "p61", as squares do not fit {field}')
    if suite != "shamir":
        wrong.append(
            f'a norm bound needs suite = "shamir", as no length can be checked in shares of {suite}'
        )
    return wrong


def norm_faults(*, holders: int, faults: int, threshold: int) -> list[str]:
    """Name every reason why so many holders can't bound the norms of vectors; empty when they can.

    With n holders, f faults and threshold t: n >= 2 · t - 1 + f and n > 2 · t - 1, as squares of
    shares lie on polynomials with 2 · t - 1 coefficients (docs/norm-bound.md).
    """
    needed = norm_holders(threshold, faults)
    if holders >= needed:
        return []
    inequality = "n >= 2t - 1 + f" if faults else "n > 2t - 1"
    most = (holders + 1 - max(faults, 1)) // 2
    smaller = f", or threshold {most} or less" if most > max(faults, 1) else ""
    return [
        f"a norm bound needs {inequality}, as squares of shares have twice the degree: with "
        f"threshold {threshold} and faults {faults} {needed} holders, and there are {holders}; "
        f"use {needed} holders or more{smaller}"
    ]


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
