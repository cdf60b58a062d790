"""What machines keep in their journals, and under which keys."""

from __future__ import annotations

from .messages import (
    AnswerHeader,
    CoinShare,
    Committed,
    Contribution,
    ContributionHeader,
    Opened,
    Pledges,
)
from .messages import Message as Value
from .round_config import Digest, Name, RoundConfig
from .trust.keys import SignatureBytes
from .trust.sealing import BoxSeed, SealingKey

SENT_KEPT = 4096  # rounds of a job whose contributions a trainer can still account for


class LastRound(Value, frozen=True):
    """Holder, key `last/<job>`: the highest round ever opened or closed; none below it again."""

    number: int
    cid: Digest


class HeldConfig(Value, frozen=True):
    """Holder, key `round/<cid>/config`: this round is open; answers are sealed to `sealing_key`."""

    config: RoundConfig
    sealing_key: SealingKey


class HeldKey(Value, frozen=True):
    """Holder, key `round/<cid>/key`: what opens the shares of this round, and nothing after it."""

    seed: BoxSeed


class HeldShare(Value, frozen=True):
    """Holder, key `round/<cid>/share/<trainer>`: the first header seen; `complete` once checked.

    Coordinator, key `bulk/<cid>/<trainer>`: the same of a contribution's bulk.
    """

    header: ContributionHeader
    complete: bool
    signature: bytes = b""


class HeldExclusion(Value, frozen=True):
    """Holder, key `round/<cid>/excluded/<trainer>`; with the evidence, where there is any."""

    reason: str
    evidence: bytes = b""


class HeldFreeze(Value, frozen=True):
    """Holder, key `round/<cid>/frozen`: the one set that is checked, and this holder's bytes."""

    chosen: tuple[Contribution, ...]
    opening: Digest


class HeldCommitments(Value, frozen=True):
    """Holder, key `round/<cid>/committed`: who may have a part in the coin, known before it is."""

    committed: tuple[Committed, ...]


class HeldCoin(Value, frozen=True):
    """Holder, key `round/<cid>/coin`: what makes the one coin of the round."""

    shares: tuple[CoinShare, ...]


class HeldProposal(Value, frozen=True):
    """Holder, key `round/<cid>/proposed`: the first proposal that it was sent, signed.

    `body_digest` is the SHA-256 of its canonical bytes. Besides, key `evidence/<cid>`, outlives
    the round: an `Evidence` of this one and another.
    """

    body_digest: Digest
    signature: SignatureBytes


class HeldVote(Value, frozen=True):
    """Holder, key `round/<cid>/vote`: the one set this holder will ever answer for."""

    chosen: tuple[Contribution, ...]


class HeldAnswer(Value, frozen=True):
    """Holder, key `round/<cid>/answer`: released; the header once the answer is spooled."""

    chosen: tuple[Contribution, ...]
    header: AnswerHeader | None


class TrainerSets(Value, frozen=True):
    """Sets over one model state, each as in `Pledged`, and the roster that the bits count in.

    Holder, key `pledged/<job>/<state>`: those that it voted or answered for. It outlives its
    rounds: whatever is opened over this state later must stay away from them.
    """

    roster: Digest
    apart: int
    sets: Pledges


class Contributed(Value, frozen=True):
    """Trainer, key `job/<job>`: the last round contributed to, and to whom it must still go.

    `sealing_key` is the coordinator's, where it gets a part, too. In a buffered round it is also
    said which result it was: that of the state `base`, so many rounds old.
    """

    config: RoundConfig
    opened: tuple[Opened, ...]
    header: ContributionHeader
    open: bool
    sealing_key: SealingKey | None = None
    base: bytes = b""
    staleness: int = 0


class Sent(Value, frozen=True):
    """Trainer, key `sent/<job>/<number % SENT_KEPT>`: what it contributed to a round.

    So the record of a round stays until another one takes its place, and a job has `SENT_KEPT`.
    """

    number: int
    cid: Digest
    digest: Digest

    def key(self, job: str) -> str:
        """Return the journal's key."""
        return f"sent/{job}/{self.number % SENT_KEPT:04}"


class Setback(Value, frozen=True):
    """Why the last round was abandoned, and who was silent in it: the next round is put off."""

    reason: str
    missing: tuple[Name, ...]


class SuspectGroup(Value, frozen=True):
    """Trainers of whom one garbles sums, as far as is known: `shown`, where a sum said so.

    The order is that in which they are split. One that can't be split is asked again when so
    many rounds as `asked_at` are completed, `pause` after it was last; 0 where that is not so.
    """

    trainers: tuple[Name, ...]
    shown: bool
    asked_at: int = 0
    pause: int = 0


class Suspicion(Value, frozen=True):
    """What garbled sums said: groups of suspects, of a roster, and all `sums` over this state.

    Of those the coordinator has the answers; each as in `Pledged`.
    """

    roster: Digest
    groups: tuple[SuspectGroup, ...]
    sums: Pledges


class RunRecord(Value, frozen=True):
    """Coordinator, key `run`: where the job stands between two rounds.

    `closed` is the id of the last round that ended, empty before the first: everybody is told
    of its end again after a restart, as a crash may have come before the telling. `liars` are
    the holders that answered falsely in rounds whose sum was opened, `inconsistent` the trainers
    whose shares belonged to no vector in rounds that were checked, `too_long` those whose vector
    was longer than the bound. `proposed` are the sets of
    earlier rounds over the same state. `setback` is what became of the last round, None where it
    was completed. Of the next vectors `discounted` values shrink with age. `suspicion` is what
    garbled sums said of trainers, None while there were none.
    """

    number: int
    state: Digest
    dimension: int
    completed: int
    abandoned: int
    over: bool
    reason: str
    closed: bytes = b""
    liars: tuple[Name, ...] = ()
    inconsistent: tuple[Name, ...] = ()
    too_long: tuple[Name, ...] = ()
    proposed: TrainerSets | None = None
    setback: Setback | None = None
    discounted: int = 0
    suspicion: Suspicion | None = None


class Suspect(Value, frozen=True, omit_defaults=True):
    """A trainer that was left out by the check, and why.

    `disputed` names holders whose values do not fit its shares; with none it is at fault. It is
    its vector's length, if `too_long`, and else its shares.
    """

    trainer: Name
    disputed: tuple[Name, ...]
    too_long: bool = False


class CheckRecord(Value, frozen=True):
    """How far the check of a round has come: what holders were told of it, and its outcome."""

    frozen: tuple[Contribution, ...]
    committed: tuple[Committed, ...] = ()
    shares: tuple[CoinShare, ...] = ()
    suspects: tuple[Suspect, ...] = ()


class RoundRecord(Value, frozen=True):
    """Coordinator, key `round`: the round under way, as far as others were told of it.

    `seed` makes the key that answers are sealed to; it goes with the round.
    """

    config: RoundConfig
    seed: BoxSeed
    announced: tuple[Opened, ...]
    chosen: tuple[Contribution, ...]
    check: CheckRecord | None = None
