"""What a machine wants done, as data.

An actor performs the effects of one decision in this order: store chunks, decide on streams that
are whole by that, commit all records at once, then send and start work, then acknowledge what was
received.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .codec import VERSION
from .messages import (
    Announce,
    AnswerHeader,
    Contribution,
    ContributionHeader,
    Message,
)
from .round_config import RoundConfig
from .secagg.carrying import Given
from .secagg.coin import Coin
from .trust.evidence import Evidence
from .trust.sealing import SealingKey
from .trust.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Send:
    """Send a control message; it may be repeated by a later decision.

    `version` is that of the envelope: only `Unsupported` ever travels in another than ours.
    """

    to: str
    message: Message
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Record:
    """Write (or, with None, delete) a journal key before anything of this decision leaves."""

    key: str
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete every journal key that begins with `prefix`."""

    prefix: str


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """Make one chunk of a stream durable before the message is acknowledged."""

    config: RoundConfig
    stream: str
    index: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erase:
    """Delete all streams below `prefix`, after the records are durable."""

    prefix: str


@dataclass(frozen=True, slots=True)
class CheckStream:
    """Report whether a whole stream has this digest and holds residues only.

    It is a vector's, and with `masks` a whole share's. Where norms are bound, `digest` is that of
    the vector's share and its salt, and `tail` that of all that is dealt beside it.
    """

    config: RoundConfig
    stream: str
    digest: bytes
    masks: bool = field(default=False, kw_only=True)
    tail: bytes = field(default=b"", kw_only=True)


@dataclass(frozen=True, slots=True)
class Prepare:
    """Trainer: compute, encode and protect; spool the finished upload; report its header.

    Where a result is `given`, it is at hand: take that and compute nothing.
    """

    announce: Announce
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class Compute:
    """Trainer: fetch the state of this round, compute on it, report each; keep the result.

    Its work has the prefix `carried_by(job)`: that a round ends does not end it.
    """

    config: RoundConfig


@dataclass(frozen=True, slots=True)
class CancelWork:
    """Stop all work on streams below `prefix`: they are about to be erased, or not wanted."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Trainer: send these spooled chunks to one holder, or to the coordinator, and no others.

    One is under way for each at a time: the next follows once it was reported as sent. They
    are sealed to this key.
    """

    config: RoundConfig
    header: ContributionHeader
    to: str
    sealing_key: SealingKey
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SumShares:
    """Holder: add the stored shares of `chosen`; spool the result; report its header."""

    config: RoundConfig
    chosen: tuple[Contribution, ...]
    stream: str


@dataclass(frozen=True, slots=True)
class CombineShares:
    """Holder: combine each stored share of `chosen` under the coin, masked; report the values.

    Where norms are bound, `seeds` are those of the trainers' tests, in the order of the set.
    """

    config: RoundConfig
    chosen: tuple[Contribution, ...]
    coin: Coin
    seeds: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Holder: send the spooled answer to the coordinator, chunk by chunk."""

    config: RoundConfig
    header: AnswerHeader
    sealing_key: SealingKey


@dataclass(frozen=True, slots=True)
class JudgeAnswers:
    """Coordinator: hold these complete answers against each other; report the judgement."""

    config: RoundConfig
    answers: dict[str, AnswerHeader]
    coin: Coin


@dataclass(frozen=True, slots=True)
class OpenSum:
    """Coordinator: rebuild the sum from t of these holders' answers; report it.

    With a coin, the combinations of what was opened must be `at_zero`.
    """

    config: RoundConfig
    answers: dict[str, AnswerHeader]
    chosen: tuple[Contribution, ...]
    coin: Coin | None = None
    at_zero: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class KeepTranscript:
    """Coordinator: sign what a round left and make it durable, before what comes after this."""

    transcript: Transcript


@dataclass(frozen=True, slots=True)
class KeepEvidence:
    """Holder: make a file of evidence durable, which is in the journal by then."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the monitor."""

    event: object


def carried_by(job: str) -> str:
    """Return the prefix of the work whose result may go to a later round of a job."""
    return f"carried/{job}"


Effect = (
    Send
    | Record
    | Forget
    | StoreChunk
    | Erase
    | CheckStream
    | Prepare
    | Compute
    | CancelWork
    | Upload
    | SumShares
    | CombineShares
    | Answer
    | JudgeAnswers
    | OpenSum
    | KeepTranscript
    | KeepEvidence
    | Report
)
