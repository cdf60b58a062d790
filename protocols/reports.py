"""What actors tell about their rounds: public facts, for people, logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Step(Enum):
    """The steps of a round, in order."""

    OPENING = "opening"
    COLLECTING = "collecting"
    CHECKING = "checking"
    VOTING = "voting"
    RELEASING = "releasing"
    UPDATING = "updating"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChosen:
    """A job left open what hides its vectors, and this is what all of its rounds have, and why.

    `packing`, `parameters` and `slots` are 0 or empty where the suite has none.
    """

    job: str
    suite: str
    packing: int
    parameters: str
    slots: int
    dimension: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundBegan:
    """A round was announced to the holders.

    Where it asks only some of the trainers, they are `asked` in number, and those of the batches
    `drawn`, from 1, of so many `batches`. Else all three are empty or 0: it asks everybody.
    """

    job: str
    number: int
    dimension: int
    asked: int = 0
    drawn: tuple[int, ...] = ()
    batches: int = 0

    @property
    def turn(self) -> str:
        """Say which batches it asks, `batch 3 of 5`; nothing where it asks everybody."""
        word = "batch" if len(self.drawn) == 1 else "batches"
        listed = ", ".join(str(place) for place in self.drawn)
        return f"{word} {listed} of {self.batches}" if self.drawn else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a round stands: told at every step and whenever something came in.

    `receipts` of `expected` count pairs (trainer, holder) while collecting, and holders'
    messages in the other steps. `survivors` are the trainers that are complete at enough
    holders. `deadline_s` is how long the step will still wait without any progress. `remark` says
    why a step waits though nobody is expected any more.
    """

    job: str
    number: int
    step: Step
    receipts: int
    expected: int
    survivors: int
    waiting_for: tuple[str, ...]
    deadline_s: float
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerLeft:
    """A trainer took no part in a round that went on without it; `step` is where it was lost."""

    number: int
    trainer: str
    step: Step
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerReturned:
    """A trainer that had left takes part again."""

    number: int
    trainer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLeft:
    """The round went on without a share-holder in a step: it did not answer, or said why."""

    number: int
    holder: str
    step: Step
    reason: str = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderReturned:
    """A share-holder that had left answers again."""

    number: int
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesChecked:
    """The shares of all trainers that were collected were checked before the vote.

    Those of `inconsistent` lie on no polynomial at the honest holders; the vectors of `too_long`
    are longer than the round's bound, or what shows that they are not is false; each of
    `disputed`, a trainer and holders, does not fit, and either may be at fault. The round goes on
    without these trainers.
    """

    job: str
    number: int
    checked: str
    inconsistent: tuple[str, ...]
    disputed: tuple[tuple[str, tuple[str, ...]], ...]
    too_long: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersJudged:
    """The answers of `answered` were held against each other; `checked` is what came of it.

    All are right (`verified`); those of `liars` are false and the others right (`corrected`);
    or some are false and nobody can be named (`detected`): then further answers are waited for.
    """

    job: str
    number: int
    checked: str
    answered: tuple[str, ...]
    liars: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundComplete:
    """The sum over `survivors` was opened from the answers of `answered` without the `liars`.

    If the answers were `verified` or `corrected`, the sum is right whatever up to f holders did;
    `unverified`, it is as good as their word. `remark` is what was odd about a right sum.
    """

    job: str
    number: int
    survivors: tuple[str, ...]
    answered: tuple[str, ...]
    seconds: float
    checked: str = "unverified"
    liars: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAbandoned:
    """No sum was opened in this round, and none ever will be."""

    job: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainersSuspected:
    """What is known, from round `number` on, of trainers whose masks garble sums; told on change.

    Of each of `groups` one is under suspicion at least, and their members take part in turns,
    and only to find out whose fault it was. `left_out` are the members of those that can't be
    split: they take part again in one round, for a try, when `asked_at` rounds are completed.
    Without groups nobody is suspected any more.
    """

    job: str
    number: int
    groups: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]
    asked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPutOff:
    """Round `number` begins in `seconds`, or as soon as one of `missing` is heard of.

    `abandoned` rounds in a row came before it, the last for this `reason`; `missing` are those
    who were silent in it.
    """

    job: str
    number: int
    abandoned: int
    seconds: float
    missing: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdated:
    """The job took in a sum. `metrics` are secure sums too, divided by the total weight."""

    job: str
    number: int
    completed: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnded:
    """The job is over: `converged`, `max rounds`, `stopped`, or `failed` with the reason.

    `liars` are the share-holders that answered falsely in some round, `inconsistent` the
    trainers whose shares belonged to no vector in some round, `too_long` those whose vector was
    longer than the bound. `suspects` are the trainers that were left out in the end, as sums with
    them were garbled.
    """

    job: str
    outcome: str
    reason: str
    completed: int
    liars: tuple[str, ...] = ()
    inconsistent: tuple[str, ...] = ()
    too_long: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


Outcome = Literal["contributed", "answered", "declined", "refused", "late", "carried", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TookPart:
    """`actor`'s own part in a round is over, and how, as far as it knows.

    A trainer `contributed` (enough holders have its share to open a sum with it), `declined`,
    was `refused` by too many holders, was `late` (the round went on without it), its work is
    `carried` into the next round (where rounds are buffered), or the round was `closed` without a
    sum. A holder `answered`, or the round was `closed` before it did. `accused` are those against
    whom it has evidence of this round.
    """

    actor: str
    job: str
    number: int
    outcome: Outcome
    accused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`actor` refused what `peer` asked: `what` is a share, proposal, release, open or hello."""

    actor: str
    peer: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerJoined:
    """The coordinator was greeted by `actor`; told again only when something changed."""

    actor: str
    role: str
    software: str
    suites: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incompatible:
    """`actor` and `peer` speak different versions of the protocol; `versions` are the peer's."""

    actor: str
    peer: str
    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFault:
    """`actor` dropped a message of `peer` that broke a rule."""

    actor: str
    peer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceKept:
    """`actor` has what shows to all that `offender` did `what` in a round; told at each start."""

    actor: str
    offender: str
    what: str
    cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRestarted:
    """`actor` crashed and was built again from its journal."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerTrouble:
    """For the owner's own eyes: why `actor` declined a round; the text may speak of its data."""

    actor: str
    kind: str
    text: str


Event = (
    SuiteChosen
    | RoundBegan
    | Progress
    | TrainerLeft
    | TrainerReturned
    | HolderLeft
    | HolderReturned
    | SharesChecked
    | AnswersJudged
    | RoundComplete
    | RoundAbandoned
    | TrainersSuspected
    | RoundPutOff
    | StateUpdated
    | JobEnded
    | TookPart
    | Refusal
    | PeerJoined
    | Incompatible
    | PeerFault
    | EvidenceKept
    | ActorRestarted
    | OwnerTrouble
)
