"""Every message, in the order of a round.

All are frozen, all arrive through `codec`, and none shows a payload in its `repr`.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec

from .codec import SIGNATURE_BYTES, Envelope, digest_of, unseal
from .round_config import Digest, Name, RoundConfig
from .trust.sealing import MAX_OVERHEAD_BYTES, SealingKey

MAX_CHUNK_BYTES = 4 * 2**20
MAX_TRAINERS = 100_000
MAX_HOLDERS = 64
MAX_CREDIT = 256
MAX_EVIDENCE_BYTES = 2048
MAX_PLEDGED = 64  # sets over one model state

Index = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Size = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Short = Annotated[str, msgspec.Meta(max_length=64)]
Shorts = Annotated[tuple[Short, ...], msgspec.Meta(max_length=16)]
Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_CREDIT)]
Payload = Annotated[bytes, msgspec.Meta(max_length=MAX_CHUNK_BYTES + MAX_OVERHEAD_BYTES)]
Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
# Left out by what machines make, and put in where it is sent; without it nobody takes a chunk.
HeaderSignature = Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES)]
TrainerBits = Annotated[bytes, msgspec.Meta(max_length=MAX_TRAINERS // 8)]
Pledges = Annotated[tuple[TrainerBits, ...], msgspec.Meta(max_length=MAX_PLEDGED)]
RoundNumber = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """Base of all messages: immutable, strict, silent about bytes."""

    def __repr__(self) -> str:
        shown = (f"{name}={_brief(getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(shown)})"


def _brief(value: Any) -> str:
    # A payload is long and may be a share; a digest is only told apart by its first bytes.
    if isinstance(value, bytes):
        return value[:4].hex() if len(value) == 32 else f"<{len(value)} bytes>"
    if isinstance(value, tuple):
        return f"<{len(value)} items>"
    return repr(value)


# --- presence -------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """Any actor → coordinator: I started, or started again, and this is what I can do.

    `software` is for people; `suites`, `fields` and `sealing` are those that a round may use
    with it.
    """

    role: Literal["trainer", "holder"]
    software: Short
    suites: Shorts
    fields: Shorts
    sealing: Shorts


class Goodbye(Message, frozen=True):
    """Any actor → coordinator: I was asked to stop; don't wait for me."""


class Unsupported(Message, frozen=True):
    """Anyone → a peer of another version of the protocol, sealed in that version.

    Its shape is the same in all versions, as is that of the envelope.
    """

    versions: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, lt=2**31)], ...],
        msgspec.Meta(min_length=1, max_length=16),
    ]


class Welcome(Message, frozen=True):
    """Coordinator → the greeter: rounds of `job` below `number` no longer interest us."""

    job: Name
    number: RoundNumber


# --- announce -------------------------------------------------------------------------


class OpenRound(Message, frozen=True):
    """Coordinator → holders: keep shares for this round, and seal your answer to this key."""

    config: RoundConfig
    sealing_key: SealingKey


class RoundOpened(Message, frozen=True):
    """Holder → coordinator: the round is open here; shares are to be sealed to this key."""

    cid: Digest
    sealing_key: SealingKey


class Opened(Message, frozen=True):
    """A holder that has opened a round: what it said, and its signature of that.

    The signature is that of its `RoundOpened`: it countersigns the round, and vouches for the key.
    """

    holder: Name
    sealing_key: SealingKey
    signature: Signature


class Pledged(Message, frozen=True):
    """Holder → coordinator: over this round's model state I went along with these sets before.

    I go along with them again, or with one that differs from each by `apart` trainers or more.
    Each is a bit for every trainer of the roster, lowest bit first.
    """

    cid: Digest
    apart: Annotated[int, msgspec.Meta(ge=0, le=MAX_TRAINERS)]
    sets: Pledges


class Announce(Message, frozen=True, omit_defaults=True):
    """Coordinator → trainers: contribute to this round, one share to each who opened it.

    Where the suite has a lane to the coordinator, what goes there is sealed to `sealing_key`.
    """

    config: RoundConfig
    opened: Annotated[tuple[Opened, ...], msgspec.Meta(max_length=MAX_HOLDERS)]
    sealing_key: SealingKey | None = None


class Accepted(Message, frozen=True):
    """Trainer → coordinator: I take part and begin to compute."""

    cid: Digest


class Declined(Message, frozen=True):
    """Trainer → coordinator: not this round. Only the kind is told: texts may quote data."""

    cid: Digest
    kind: Text


class Working(Message, frozen=True):
    """Trainer or holder → coordinator: still at it, and it moves; worth waiting for."""

    cid: Digest


# --- contribute -----------------------------------------------------------------------


class TailDigests(Message, frozen=True):
    """What a header has besides, where norms are bound: the salt of its tests, and the tails.

    `digests[i]` is that of what the holder at place i gets beside its share of the vector.
    """

    salt: Digest
    digests: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=MAX_HOLDERS)]


class Header(Message, frozen=True, dict=True):
    """What stands in each chunk of a stream, is signed by itself, and is told by its digest."""

    def digest(self) -> bytes:
        """Return the SHA-256 of the canonical bytes, which is computed once."""
        return self._digest

    @cached_property
    def _digest(self) -> bytes:
        return digest_of(self)


class ContributionHeader(Header, frozen=True, omit_defaults=True):
    """What a trainer fixes before the first byte leaves: one digest for each roster holder.

    `share_digests[i]` belongs to the holder at place i of the round's roster, `bulk_digest` to
    the coordinator where the suite has a lane to it; the digest of this header names the
    contribution, so whoever votes for it votes for the bulk, too. Where norms are bound
    `share_digests[i]` is of the vector's share and a salt that only this holder gets. What a
    round has not is left out of the bytes.
    """

    cid: Digest
    trainer: Name
    share_bytes: Size
    share_digests: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=MAX_HOLDERS)]
    tails: TailDigests | None = None
    bulk_digest: Digest | None = None


class ShareChunk(Message, frozen=True):
    """Trainer → one holder: a piece of that holder's share, with the header it belongs to.

    Trainer → coordinator: a piece of the bulk, where the suite has one. All that follows is the
    same for both.

    The payload travels as a sealed box, which its recipient opens before anything else. The
    header is signed by itself, too, so that two of them are evidence without what they came with.

    Chunk 0 is also the offer of the whole share: it may be sent at any time, and again, and
    is answered with a `Grant` of what is missing, or with `Have`. The others wait for a grant.
    """

    header: ContributionHeader
    index: Index
    payload: Payload
    header_signature: HeaderSignature = b""


Span = tuple[Index, Count]


class Grant(Message, frozen=True):
    """Holder or coordinator → trainer: send these chunks, the lowest that are missing here.

    `spans` are runs (first, how many), ascending and apart, together at most `MAX_CREDIT`.
    """

    cid: Digest
    spans: Annotated[tuple[Span, ...], msgspec.Meta(min_length=1, max_length=MAX_CREDIT)]


class Contribution(Message, frozen=True):
    """A trainer and the digest of its header: what sets are made of."""

    trainer: Name
    digest: Digest


HeaderSignatures = Annotated[tuple[HeaderSignature, ...], msgspec.Meta(max_length=MAX_TRAINERS)]
Contributions = Annotated[tuple[Contribution, ...], msgspec.Meta(max_length=MAX_TRAINERS)]


class Have(Message, frozen=True):
    """Holder → coordinator and trainer: these contributions are complete and durable here.

    Coordinator → trainer: the bulk of this contribution is. `signatures` are the trainers' own,
    of their headers, one for each contribution.
    """

    cid: Digest
    contributions: Contributions
    signatures: HeaderSignatures = ()


class Excluded(Message, frozen=True):
    """Holder → coordinator: this trainer broke the rules of the round and is left out here.

    `evidence` is that of two contributions, in canonical bytes; with it all leave the trainer
    out. Without it there is the word of one holder, which lacks the contribution then.
    """

    cid: Digest
    trainer: Name
    reason: Text
    evidence: Annotated[bytes, msgspec.Meta(max_length=MAX_EVIDENCE_BYTES)] = b""


class Refused(Message, frozen=True):
    """Anyone → a sender whose message for `cid` came late or was not allowed."""

    cid: Digest
    what: Text
    reason: Text


class Endorsement(Message, frozen=True):
    """A holder, and its signature of a short message that whoever gets this can put together."""

    holder: Name
    signature: Signature


Endorsements = Annotated[tuple[Endorsement, ...], msgspec.Meta(max_length=MAX_HOLDERS)]


# --- check, where a round has checks -----------------------------------------------------


class Freeze(Message, frozen=True):
    """Coordinator → holders: these contributions, sorted by trainer, are what is checked."""

    cid: Digest
    chosen: Contributions


class Frozen(Message, frozen=True):
    """Holder → coordinator: this set and no other in this round, and what binds it to 32 bytes."""

    cid: Digest
    set_digest: Digest
    commitment: Digest


class Committed(Message, frozen=True):
    """A holder that froze the set: what it said, and its signature of that `Frozen`."""

    holder: Name
    commitment: Digest
    signature: Signature


class Reveal(Message, frozen=True):
    """Coordinator → holders: these are committed, sorted by name; say what you committed to."""

    cid: Digest
    set_digest: Digest
    committed: Annotated[tuple[Committed, ...], msgspec.Meta(max_length=MAX_HOLDERS)]


class CoinOpening(Message, frozen=True):
    """Holder → coordinator: the bytes that its commitment is to."""

    cid: Digest
    opening: Digest


class CoinShare(Message, frozen=True):
    """A holder, and what it opened its commitment with."""

    holder: Name
    opening: Digest


class Toss(Message, frozen=True):
    """Coordinator → holders: all these, sorted by name, make the coin of the round."""

    cid: Digest
    shares: Annotated[tuple[CoinShare, ...], msgspec.Meta(max_length=MAX_HOLDERS)]


class Tossed(Message, frozen=True):
    """Holder → coordinator: this coin, and never another in this round."""

    cid: Digest
    coin: Digest


Stretch = tuple[Index, Annotated[int, msgspec.Meta(ge=1, le=MAX_TRAINERS)]]
Stretches = Annotated[tuple[Stretch, ...], msgspec.Meta(min_length=1, max_length=MAX_TRAINERS)]
Residue = Annotated[int, msgspec.Meta(ge=0, lt=2**61)]


class Ask(Message, frozen=True):
    """Coordinator → holders: tell the check values of these trainers together.

    Each of `about` is a run (first, how many) of the frozen set. `tossed` is the certificate:
    each signature is that of the holder's `Tossed` of this coin.
    """

    cid: Digest
    coin: Digest
    tossed: Endorsements
    about: Stretches


class CheckValues(Message, frozen=True):
    """Holder → coordinator: for each run that it was asked about one residue a repetition.

    Where norms are bound as many of squares follow.
    """

    cid: Digest
    coin: Digest
    about: Stretches
    values: Annotated[
        tuple[Annotated[tuple[Residue, ...], msgspec.Meta(max_length=8)], ...],
        msgspec.Meta(max_length=MAX_TRAINERS),
    ]


# --- vote and release -----------------------------------------------------------------


class Propose(Message, frozen=True):
    """Coordinator → holders: sum these contributions, sorted by trainer."""

    cid: Digest
    chosen: Contributions


class Vote(Message, frozen=True):
    """Holder → coordinator: for this set, and never another in this round."""

    cid: Digest
    set_digest: Digest


class Release(Message, frozen=True):
    """Coordinator → holders: a quorum voted for the same set; open it.

    `votes` is the certificate: each signature is that of the holder's `Vote` for `chosen`.
    """

    cid: Digest
    chosen: Contributions
    votes: Endorsements


class AnswerHeader(Header, frozen=True):
    """What a holder fixes before it answers: the digest of its share of the sum."""

    cid: Digest
    set_digest: Digest
    answer_bytes: Size
    answer_digest: Digest


class AnswerChunk(Message, frozen=True):
    """Holder → coordinator: a piece of the holder's share of the sum, as a `ShareChunk` travels."""

    header: AnswerHeader
    index: Index
    payload: Payload
    header_signature: HeaderSignature = b""


class CloseRound(Message, frozen=True):
    """Coordinator → all: the round is over; erase what was kept for it."""

    cid: Digest
    job: Name
    number: RoundNumber
    complete: bool
    reason: Text


Wire = (
    Hello
    | Goodbye
    | Unsupported
    | Welcome
    | OpenRound
    | RoundOpened
    | Pledged
    | Announce
    | Accepted
    | Declined
    | Working
    | ShareChunk
    | Grant
    | Have
    | Excluded
    | Refused
    | Freeze
    | Frozen
    | Reveal
    | CoinOpening
    | Toss
    | Tossed
    | Ask
    | CheckValues
    | Propose
    | Vote
    | Release
    | AnswerChunk
    | CloseRound
)


def received(data: bytes) -> tuple[Envelope, Wire]:
    """Return the envelope and the message of bytes that came in; see `codec.unseal`."""
    schema: Any = Wire  # a union is no `type` to the type checker
    envelope, message = unseal(data, schema)
    return envelope, message


def read(data: bytes) -> tuple[str, Wire]:
    """Return the named sender and the message, for those who only look on; see `received`."""
    envelope, message = received(data)
    return envelope.sender, message
