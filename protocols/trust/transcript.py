"""What a round leaves behind: who agreed to it, voted and answered, over whom, and what came of it.

The coordinator signs it: `framed` with the tag `quorate/transcript` and one field, the canonical
bytes of the `Transcript`. Their SHA-256 stands in the transcript after it, so the rounds of a job
are a chain in which none can be changed, left out or put in later.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from protocols.codec import Undecodable, canonical, parse
from protocols.messages import (
    MAX_HOLDERS,
    AnswerHeader,
    Contributions,
    Endorsements,
    Opened,
    RoundOpened,
    Text,
    Vote,
)
from protocols.round_config import Digest, Name, RoundConfig

from .armour import armoured, dearmoured
from .errors import Untrusted
from .evidence import Evidence
from .framing import framed
from .keys import SignatureBytes
from .roster import Epoch
from .signing import Statement

DOMAIN = "quorate/transcript"
VERSION = 1  # of this form, whatever the protocol's is
KIND = "TRANSCRIPT"
FIRST = bytes(32)  # stands for the transcript before the first one
MAX_EVIDENCE = 64

CheckedAs = Literal["verified", "corrected", "detected", "unverified"]


class Signer(Protocol):
    """Signs in the coordinator's name."""

    def sign(self, statement: bytes) -> bytes:
        """Return the signature, 64 bytes; the same for the same statement."""
        ...


class Answered(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header of a holder's answer, and its signature of it."""

    holder: Name
    header: AnswerHeader
    signature: SignatureBytes


class Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the coordinator could check the answers, and whose were false."""

    status: CheckedAs
    liars: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_HOLDERS)] = ()


UNVERIFIED = Judged(status="unverified")


class Transcript(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the coordinator signs. `auditing` says what is to be believed of it.

    Attributes:
        previous: SHA-256 of the transcript before, `FIRST` where there is none.
        epoch: of the roster whose digest is in the configuration.
        config: the round; the model state that went out is in it.
        opened: countersignatures, with which holders agreed to this very configuration.
        chosen: the set that was summed or was to be summed, empty where none was proposed.
        set_digest: of `chosen` in this round, None where none was proposed.
        votes: the certificate, of signatures of `Vote`; empty in a round without votes.
        answers: what holders answered, those found false included.
        judged: how far the answers could be checked, None where nothing was opened.
        sum_digest: SHA-256 of the opened sum, see `digest_of_sum`; None where none was.
        next_state: SHA-256 of the model state that came of it, None where none did.
        evidence: against members that said two things where they may say one.
        outcome: complete; or abandoned for `reason`, and then nothing was opened; or failed, and
            then a sum was opened with which the job, for `reason`, could not go on.
    """

    federation: Name
    coordinator: Name
    previous: Digest
    epoch: Epoch
    config: RoundConfig
    opened: Annotated[tuple[Opened, ...], msgspec.Meta(max_length=MAX_HOLDERS)]
    chosen: Contributions
    set_digest: Digest | None
    votes: Endorsements
    answers: Annotated[tuple[Answered, ...], msgspec.Meta(max_length=MAX_HOLDERS)]
    judged: Judged | None
    sum_digest: Digest | None
    next_state: Digest | None
    evidence: Annotated[tuple[Evidence, ...], msgspec.Meta(max_length=MAX_EVIDENCE)]
    outcome: Literal["complete", "abandoned", "failed"]
    reason: Text

    def digest(self) -> bytes:
        """Return the SHA-256 of the canonical bytes, by which the next transcript names it."""
        return hashlib.sha256(canonical(self)).digest()

    def statement(self) -> bytes:
        """Return the bytes that the coordinator signs."""
        return framed(DOMAIN, VERSION, canonical(self))

    def signed_by(self, key: Signer) -> SignedTranscript:
        """Return it as it is kept: signed by the coordinator."""
        return SignedTranscript(transcript=self, signature=key.sign(self.statement()))


class SignedTranscript(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transcript as it is kept and given to others. `auditing` says whether to believe it."""

    transcript: Transcript
    signature: SignatureBytes

    def to_text(self) -> str:
        """Return the text of its file."""
        return armoured(KIND, canonical(self))


def read_transcript(text: bytes) -> SignedTranscript:
    """Return the transcript of a file. No signature in it is checked yet.

    Raises:
        Untrusted: it is damaged, or contradicts itself.
    """
    content = dearmoured(KIND, text)
    try:
        signed = parse(content, SignedTranscript)
    except Undecodable as error:
        raise Untrusted("form", f"no transcript: {error}") from None
    if canonical(signed) != content:
        raise Untrusted("form", "a transcript in another form than the canonical one")
    return signed


def countersigned(federation: str, cid: bytes, opened: Opened) -> Statement:
    """Return what a holder signed when it opened a round."""
    message = RoundOpened(cid=cid, sealing_key=opened.sealing_key)
    return Statement.of(federation, opened.holder, message)


def voted(federation: str, cid: bytes, holder: str, set_digest: bytes) -> Statement:
    """Return what a holder signed when it voted."""
    message = Vote(cid=cid, set_digest=set_digest)
    return Statement.of(federation, holder, message)


def digest_of_sum(total: NDArray[np.int64]) -> bytes:
    """Return the SHA-256 of an opened sum: its integers, shape (d,), as little-endian int64."""
    return hashlib.sha256(np.ascontiguousarray(total, dtype="<i8").data).digest()
