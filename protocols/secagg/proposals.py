"""What a coordinator proposed first in each round, and what shows to all that it proposed more.

An honest coordinator writes the set of a round down before it proposes it, and proposes no other,
however often it crashes: two signatures of its proposals in one round are evidence. A holder keeps
the first from before anybody hears of it, whether it goes along with the set or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from protocols.codec import canonical, parse
from protocols.effects import Effect, KeepEvidence, Record, Report
from protocols.messages import Propose
from protocols.records import HeldProposal
from protocols.reports import EvidenceKept
from protocols.trust.errors import Untrusted
from protocols.trust.evidence import Evidence, Said, contradiction
from protocols.trust.signing import Statement, Verifier

from .held_round import HeldRound

_PREFIX = "evidence/"
MOST_KEPT = 64  # pieces in all; more show no more, and a liar must not fill the disk


class Proposals:
    """The evidence of a holder, one piece a round; it outlives its round and is never deleted."""

    def __init__(self, name: str, federation: str, verifier: Verifier) -> None:
        self._name = name
        self._federation = federation
        self._verifier = verifier
        self._kept: dict[str, Evidence] = {}  # by journal key

    def restore(self, records: Mapping[str, bytes]) -> None:
        """Take up what the journal remembers."""
        self._kept = {
            key: parse(value, Evidence) for key, value in records.items() if key.startswith(_PREFIX)
        }

    def again(self) -> list[Effect]:
        """Keep and tell everything once more: a crash may have come before its file."""
        return [effect for evidence in self._kept.values() for effect in self._told(evidence)]

    def accused(self, cid: bytes) -> tuple[str, ...]:
        """Name those that there is evidence against, of a round."""
        evidence = self._kept.get(_key(cid))
        return () if evidence is None else (evidence.offender,)

    def hear(
        self, held: HeldRound, sender: str, message: Propose, signature: bytes
    ) -> list[Effect]:
        """Take a proposal of an open round, good or bad; an unsigned one leaves nothing.

        What it returns must be durable before anything that follows from the proposal.
        """
        if not signature:
            return []
        statement = Statement.of(self._federation, sender, message)
        first = held.proposed
        if first is None:
            held.proposed = HeldProposal(body_digest=statement.body_digest, signature=signature)
            return [held.record("proposed", held.proposed)]
        before = Said(replace(statement, body_digest=first.body_digest), first.signature)
        return self._keep(_key(held.cid), before, Said(statement, signature))

    def _keep(self, key: str, before: Said, now: Said) -> list[Effect]:
        evidence = contradiction(before, now)
        if evidence is None or key in self._kept or len(self._kept) >= MOST_KEPT:
            return []
        try:
            for said in (before, now):
                said.statement.require(self._verifier, said.signature)
        except Untrusted:
            return []  # nobody else would believe it
        self._kept[key] = evidence
        return [Record(key, canonical(evidence)), *self._told(evidence)]

    def _told(self, evidence: Evidence) -> list[Effect]:
        told = EvidenceKept(
            actor=self._name,
            offender=evidence.offender,
            what=evidence.what,
            cid=evidence.round_id.hex(),
        )
        return [KeepEvidence(evidence), Report(told)]


def _key(cid: bytes) -> str:
    return _PREFIX + cid.hex()
