"""What holders said in one round that may be said once, and who said two things.

Signatures that come here were checked: what somebody else can be shown is kept, nothing else.
"""

from __future__ import annotations

from protocols.messages import AnswerChunk, Vote, Wire
from protocols.trust.evidence import Evidence, Said, contradiction
from protocols.trust.signing import Statement
from protocols.trust.transcript import MAX_EVIDENCE, voted


class Contradictions:
    """Bounded: the first words of each holder and kind, and one piece of evidence for them."""

    def __init__(self, federation: str, cid: bytes) -> None:
        self._federation = federation
        self._cid = cid
        self._first: dict[tuple[str, str], Said] = {}
        self._evidence: dict[tuple[str, str], Evidence] = {}

    def hear(self, holder: str, message: Wire, signature: bytes) -> None:
        """Compare a message of a holder with what it said before; unsigned ones leave nothing."""
        match message:
            case Vote() if signature:
                statement = voted(self._federation, self._cid, holder, message.set_digest)
                self._compare(Said(statement, signature))
            case AnswerChunk(header=header, header_signature=own) if own:
                self._compare(Said(Statement.of_header(self._federation, holder, header), own))

    def _compare(self, said: Said) -> None:
        place = said.statement.sender, said.statement.type_name
        found = contradiction(self._first.setdefault(place, said), said)
        if found is not None:
            self.add(found)

    def add(self, evidence: Evidence) -> None:
        """Keep evidence, one piece of an offender and kind, and so many in all."""
        if len(self._evidence) < MAX_EVIDENCE:
            self._evidence.setdefault((evidence.offender, evidence.type_name), evidence)

    def evidence(self) -> tuple[Evidence, ...]:
        """Return what was found, sorted by offender and kind."""
        return tuple(self._evidence[place] for place in sorted(self._evidence))
