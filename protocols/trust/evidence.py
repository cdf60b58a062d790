"""Evidence that a member said two things of which an honest one says one; all can check it.

There are messages that an honest sender says once a round and repeats byte for byte: the closed
table `ONCE_A_ROUND`. Two signatures of one member over two different ones show that it broke the
rule, to everybody who has the roster, and nobody but that member can make them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from protocols.codec import Undecodable, canonical, parse
from protocols.round_config import Digest, Name

from .armour import armoured, dearmoured
from .errors import Untrusted
from .keys import SignatureBytes
from .members import Members
from .requests import Role
from .signing import NO_ROUND, Statement

KIND = "EVIDENCE"
MAX_TEXT = 8 * 1024  # characters of a file, of which evidence takes about 700

Once = Literal["Propose", "Vote", "ContributionHeader", "AnswerHeader"]
ONCE_A_ROUND: Mapping[str, Role] = {
    "Propose": "coordinator",
    "Vote": "holder",
    "ContributionHeader": "trainer",
    "AnswerHeader": "holder",
}
_WHAT: Mapping[Once, str] = {
    "Propose": "proposed two different sets",
    "Vote": "voted for two different sets",
    "ContributionHeader": "sent two different contributions",
    "AnswerHeader": "sent two different answers",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A statement with its sender's signature."""

    statement: Statement
    signature: bytes


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two statements of one member in one round, of a kind that it may say once.

    Believe it after `require` only. `digests` are the SHA-256 of both bodies, the smaller one
    first, so that two statements give one piece of evidence, whichever came first.
    """

    federation: Name
    round_id: Digest
    offender: Name
    type_name: Once
    digests: tuple[Digest, Digest]
    signatures: tuple[SignatureBytes, SignatureBytes]

    def __post_init__(self) -> None:
        if self.digests[0] >= self.digests[1]:
            raise ValueError("evidence is of two different bodies, the smaller digest first")

    def __str__(self) -> str:
        return f"{self.offender} {self.what} in round {self.round_id.hex()[:16]}"

    @property
    def what(self) -> str:
        """Say what the offender did."""
        return _WHAT[self.type_name]

    def to_text(self) -> str:
        """Return the text of a file of it."""
        return armoured(KIND, canonical(self))

    def require(self, members: Members) -> None:
        """Check that the offender said both, as everybody can who has the roster of the round.

        Raises:
            Untrusted: it is of another federation or of no round, the offender's role never
                says this, or one of the signatures is not its own.
        """
        body = members.body
        if self.federation != body.federation:
            raise Untrusted(
                "federation",
                f"evidence of a federation {self.federation!r}; this roster is of "
                f"{body.federation!r}",
            )
        if self.round_id == NO_ROUND:
            raise Untrusted("evidence", "evidence of no round: nothing is said once outside of one")
        entry, role = body.entry(self.offender), ONCE_A_ROUND[self.type_name]
        if entry is None or entry.role != role:
            raise Untrusted(
                "evidence",
                f"{self.offender} is no {role} in epoch {body.epoch}: where it was one in that "
                f"round, give the roster of then",
            )
        for digest, signature in zip(self.digests, self.signatures, strict=True):
            statement = Statement(
                federation=self.federation,
                round_id=self.round_id,
                sender=self.offender,
                type_name=self.type_name,
                body_digest=digest,
            )
            try:
                statement.require(members, signature)
            except Untrusted as error:
                raise Untrusted(
                    "evidence",
                    f"{self.offender} did not sign both with the key that it has in epoch "
                    f"{body.epoch} ({error}): this shows nothing against it; where its key was "
                    f"changed since, give the roster of then",
                ) from None


def contradiction(first: Said, second: Said) -> Evidence | None:
    """Return the evidence that two statements make, None where both may be said by one member.

    The signatures are not checked here: pass on what was checked when it came.
    """
    one, other = first.statement, second.statement
    if _place(one) != _place(other) or one.body_digest == other.body_digest:
        return None
    if one.type_name not in ONCE_A_ROUND or one.round_id == NO_ROUND:
        return None
    low, high = sorted((first, second), key=lambda said: said.statement.body_digest)
    return msgspec.convert(
        {
            "federation": one.federation,
            "round_id": one.round_id,
            "offender": one.sender,
            "type_name": one.type_name,
            "digests": (low.statement.body_digest, high.statement.body_digest),
            "signatures": (low.signature, high.signature),
        },
        Evidence,
        builtin_types=(bytes,),
    )


def is_evidence(text: bytes) -> bool:
    """Say whether a file claims to hold evidence, whatever it is worth."""
    return text.startswith(armoured(KIND, b"").splitlines()[0].encode())


def read_evidence(text: bytes) -> Evidence:
    """Return the evidence of a file; whether to believe it says `Evidence.require`.

    Raises:
        Untrusted: damaged, or in another form than ours.
    """
    content = dearmoured(KIND, text)
    try:
        evidence = parse(content, Evidence)
    except Undecodable as error:
        raise Untrusted("form", f"no evidence: {error}") from None
    if canonical(evidence) != content:
        raise Untrusted("form", "evidence in another form than the canonical one")
    return evidence


def _place(statement: Statement) -> tuple[str, bytes, str, str]:
    return statement.federation, statement.round_id, statement.sender, statement.type_name
