"""What holders say that trainers contributed: whose word counts where two of them differ.

The header of a contribution is signed by its trainer, and a holder passes that signature on. As
long as all say the same it is not looked at. Where they differ, one signature shows that one of
the holders lies, and two that the trainer sent two contributions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from protocols.codec import parse
from protocols.messages import Contribution, ShareChunk
from protocols.trust.errors import Untrusted
from protocols.trust.evidence import Evidence, Said, contradiction
from protocols.trust.signing import Statement, Verifier


@dataclass(frozen=True, slots=True)
class Claim:
    """A contribution by the word of one holder, with the trainer's signature if it gave one."""

    holder: str
    digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two holders differ: `liars` are not believed, `evidence` is against the trainer."""

    liars: tuple[str, ...] = ()
    evidence: Evidence | None = None


def two_contributions(
    federation: str, known: bytes, signature: bytes, message: ShareChunk
) -> Evidence | None:
    """Return what shows to all that a trainer sent a contribution and then another.

    Args:
        federation: in which both were signed.
        known: the digest of its first contribution.
        signature: the trainer's of that one's header; b"" where it gave none.
        message: a chunk of the second, whose header's signature was checked.

    None where it signed but one.
    """
    if not (signature and message.header_signature):
        return None
    second = Statement.of_header(federation, message.header.trainer, message.header)
    first = replace(second, body_digest=known)
    return contradiction(Said(first, signature), Said(second, message.header_signature))


class Claims:
    """The first claim about each trainer that nothing speaks against."""

    def __init__(self, federation: str, cid: bytes, verifier: Verifier) -> None:
        self._federation = federation
        self._cid = cid
        self._verifier = verifier
        self._first: dict[str, Claim] = {}

    def hear(self, holder: str, contribution: Contribution, signature: bytes) -> Dispute | None:
        """Take a claim; None where it is the first about its trainer or says the same.

        Without a signature it is believed only as long as nobody differs.
        """
        trainer = contribution.trainer
        claim = Claim(holder, contribution.digest, signature)
        known = self._first.setdefault(trainer, claim)
        if known.digest == claim.digest:
            return None
        fine, was_fine = self._signed(trainer, claim), self._signed(trainer, known)
        if fine and was_fine:
            first, second = self._said(trainer, known), self._said(trainer, claim)
            return Dispute(evidence=contradiction(first, second))
        if fine:
            self._first[trainer] = claim
            return Dispute(liars=(known.holder,))
        return Dispute(liars=(holder,))

    def shown(self, trainer: str, data: bytes) -> Evidence:
        """Return the evidence that a holder gave against a trainer of this round.

        Raises:
            Undecodable: it is none.
            Untrusted: it is of something else, or the trainer did not sign both.
        """
        evidence = parse(data, Evidence)
        about = evidence.federation, evidence.round_id, evidence.offender, evidence.type_name
        if about != (self._federation, self._cid, trainer, "ContributionHeader"):
            raise Untrusted("evidence", "evidence of something else")
        for digest, signature in zip(evidence.digests, evidence.signatures, strict=True):
            said = self._said(trainer, Claim("", digest, signature))
            said.statement.require(self._verifier, signature)
        return evidence

    def _signed(self, trainer: str, claim: Claim) -> bool:
        said = self._said(trainer, claim)
        try:
            said.statement.require(self._verifier, said.signature)
        except Untrusted:
            return False
        return True

    def _said(self, trainer: str, claim: Claim) -> Said:
        statement = Statement(
            federation=self._federation,
            round_id=self._cid,
            sender=trainer,
            type_name="ContributionHeader",
            body_digest=claim.digest,
        )
        return Said(statement, claim.signature)
