"""What can go wrong: every class of fault, and a plan of faults as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import msgspec

from protocols.round_config import holders_needed, majority, norm_holders


class Kind(Enum):
    """The planned classes of fault. `Rates` has those that are drawn for each message."""

    CRASH = "crash"
    CRASH_AT_COMMIT = "crash at commit"
    CRASH_AT_SEND = "crash at send"
    DEATH = "death"
    BLACKOUT = "blackout"
    PAUSE = "pause"
    CONSUMER_CANCELLED = "consumer cancelled"
    CONNECTION_LOST = "connection lost"
    LINK_ENDED = "link ended"
    PARTITION = "partition"
    PARTITION_IN = "partition in"
    PARTITION_OUT = "partition out"
    FLAPPING = "flapping"
    SWIZZLE = "swizzle"
    CLOG = "clog"
    BROKER_RESTART = "broker restart"
    BROKER_LOSES_UNCONFIRMED = "broker loses unconfirmed"
    BROKER_WIPED = "broker wiped"
    BROKER_BLOCKED = "broker blocked"
    BLOBS_SLOW = "blobs slow"
    DISK_FULL = "disk full"
    DISK_SLOW = "disk slow"
    FSYNC_LIES = "fsync lies"
    OLD_BACKUP = "old backup"
    JOURNAL_DAMAGED = "journal damaged"
    SPOOL_DAMAGED = "spool damaged"
    CLOCK_JUMP = "clock jump"
    CLOCK_DRIFT = "clock drift"
    TRAINING_FAILS = "training fails"
    TRAINING_HANGS = "training hangs"
    TRAINING_GARBAGE = "training garbage"
    FALSE_MASK = "false mask"
    SLOW = "slow"
    SILENT = "silent"
    BABBLE = "babble"
    LEAVE = "leave"
    OTHER_ROSTER = "other roster"
    REPLAY = "replay"
    # Lies; `liars` has who tells each of them, when, and who must refuse it.
    LIE_SECOND_SET = "lie: second set"
    LIE_CLOSE_SET = "lie: close set over the same state"
    LIE_SMALL_SET = "lie: set below the minimum"
    LIE_DOUBLED_TRAINER = "lie: trainer twice in a set"
    LIE_STRANGER = "lie: stranger in a set"
    LIE_OUT_OF_TURN = "lie: batch out of turn"
    LIE_OTHER_DIGEST = "lie: other digest in a set"
    LIE_FEW_VOTES = "lie: too few votes"
    LIE_DOUBLED_VOTERS = "lie: voters named twice"
    LIE_STRANGE_VOTERS = "lie: strangers as voters"
    LIE_INVENTED_VOTES = "lie: invented votes"
    LIE_OLD_NUMBER = "lie: old round number"
    LIE_OTHER_CONFIG = "lie: other config"
    LIE_FOREIGN_ROSTER = "lie: round of another roster"
    LIE_CLOSED = "lie: closed and asked again"
    LIE_OTHER_MODEL = "lie: other model for some"
    LIE_SECOND_CONTRIBUTION = "lie: second contribution"
    LIE_WRONG_SHARE = "lie: share without its digest"
    LIE_OTHERS_NAME = "lie: share in another name"
    LIE_GARBAGE_SHARE = "lie: garbage for a share"
    LIE_OLD_SHARE = "lie: share of an earlier round"
    LIE_LOOSE_SHARES = "lie: shares that do not fit"
    LIE_LONG_VECTOR = "lie: vector beyond the bound"
    LIE_OTHER_MASK = "lie: mask of another secret"
    LIE_STRANGE_VOTE = "lie: vote for no set"
    LIE_EMPTY_VOTE = "lie: vote without the shares"
    LIE_GARBAGE_ANSWER = "lie: garbage for an answer"
    LIE_WRONG_ANSWER = "lie: wrong answer"
    LIE_ONE_VALUE = "lie: answer with one wrong value"
    LIE_TWO_ANSWERS = "lie: two answers"
    LIE_RECEIPT = "lie: receipt for nothing"
    LIE_ACCUSATION = "lie: innocent accused"
    LIE_GRANT = "lie: grant for nothing"
    LIE_ABOVE_ITS_PLACE = "lie: above its place"


ANYBODY = "*"


class Point(Enum):
    """Where in the code of a host a fault may be aimed at."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"
    BEFORE_SEND = "before send"
    AFTER_SEND = "after send"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The `nth` time (from 1) that a target does this with that.

    `what` is the name of a message, or the kind of a record like `vote`; empty means any. `by`
    is who does it if it is not the target: a host, or `ANYBODY`.
    """

    point: Point
    what: str = ""
    nth: int = 1
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned fault: from `at_s`, or from the first time after it that `aim` is met.

    Attributes:
        round: if not 0, `at_s` is the time since that round began, and an aim that was not met
            when another round begins is given up.
        target: a host; empty for the broker and for everybody.
        duration_s: how long it lasts, or how long a crashed host is down.
        amount: how strong; each kind says of what.
    """

    kind: Kind
    at_s: float
    target: str = ""
    duration_s: float = 0.0
    amount: float = 0.0
    aim: Aim | None = None
    round: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Per message: how likely each thing is, from 0 to 1, and how long delays are.

    Attributes:
        lost: lost on its way to the broker; the sender notices and repeats it.
        unconfirmed: taken by the broker, the confirmation lost; the sender repeats it.
        doubled: queued twice.
        delayed: held up for `delay_s` on average.
        overtaken: on its way without regard to what was sent before it.
        unacked: the acknowledgement lost; delivered again.
        hop_s: mean time of one way between a host and the broker.
    """

    lost: float = 0.0
    unconfirmed: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    overtaken: float = 0.0
    unacked: float = 0.0
    hop_s: float = 0.003
    delay_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Who takes part, and what a round needs."""

    holders: int = 4
    trainers: int = 15
    threshold: int = 3
    minimum: int = 8
    values: int = 4
    vote: bool = True
    queue_messages: int = 2000
    training_s: float = 4.0
    faults: int = 0
    checks: bool = False
    norms: bool = False
    masked: bool = False
    packing: int = 0  # of the suite "packed", 0 for "shamir"
    buffered: int = 0  # contributions that end a round, 0 where it waits for everybody
    batches: int = 0  # into which trainers are split; 0 where a round asks everybody
    drawn: int = 0  # of them, by a round

    @property
    def needed(self) -> int:
        """How many holders a round can't do without."""
        needed = holders_needed(
            threshold=self.threshold,
            faults=self.faults,
            quorum=majority(self.holders, self.faults),
            vote=self.vote,
        )
        if self.norms:
            return max(needed, norm_holders(self.threshold, self.faults))
        return max(needed, self.threshold + 1) if self.checks else needed

    @property
    def most_packing(self) -> int:
        """How many secrets a polynomial may have, 0 if none: see `packing_faults`."""
        most = self.threshold - max(self.faults, 1)
        alike = self.threshold + 1 - majority(self.holders, self.faults)
        return most if self.vote else min(most, alike)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a history follows from, beside its seed.

    For `faulty_s` seconds the faults happen. Then, if `healed_s` is not 0, a core is healed, the
    others stay dead, and `healed_rounds` rounds must be complete within that time. The faults end
    earlier if `rounds` is not 0 and so many rounds have ended.
    """

    size: Size = field(default_factory=Size)
    rates: Rates = field(default_factory=Rates)
    faults: tuple[Fault, ...] = ()
    faulty_s: float = 60.0
    healed_s: float = 0.0
    healed_rounds: int = 3
    core: tuple[str, ...] = ()
    rounds: int = 0

    def to_json(self) -> bytes:
        """Return the plan as JSON."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(data: bytes) -> Plan:
        """Read what `to_json` wrote. Raises `msgspec.ValidationError`."""
        return msgspec.json.decode(data, type=Plan)
