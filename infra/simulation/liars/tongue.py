"""What all liars have in common: they know all, speak in their own name, and are written down."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from actors.ports import Lane
from infra.simulation.broker import Taken
from infra.simulation.crew import Crew
from infra.simulation.draws import fraction
from infra.simulation.faults import Fault
from infra.simulation.queues import Parcel
from infra.simulation.signatures import signature_of, signed
from infra.simulation.wording import said
from protocols.codec import SIGNATURE_BYTES
from protocols.messages import (
    Announce,
    AnswerChunk,
    Contribution,
    Endorsement,
    Have,
    OpenRound,
    ShareChunk,
    Vote,
    Wire,
)
from protocols.records import HeldShare, RoundRecord
from protocols.round_config import Roster
from protocols.secagg.sets import contribution_digest, set_digest


class Tongue:
    """Says what a liar wants said, and keeps the books of it.

    A liar sees every disk. That is more than any real one sees, and the rules must hold all the
    same.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    @property
    def roster(self) -> Roster:
        """Who takes part."""
        return self._crew.world.roster

    @property
    def crew(self) -> Crew:
        """What those who bring faults about have in common."""
        return self._crew

    # --- what a liar knows ------------------------------------------------------------

    def round(self) -> RoundRecord | None:
        """Return the round under way, as the coordinator has it on its disk."""
        return self._crew.ghost.durable(self.roster.coordinator, "round", RoundRecord)

    def held(self, holder: str, cid: bytes) -> tuple[Contribution, ...]:
        """Return what a holder has in full, sorted by trainer."""
        ghost, found = self._crew.ghost, []
        for trainer in self.roster.trainers:
            share = ghost.durable(holder, f"round/{cid.hex()}/share/{trainer}", HeldShare)
            if share is not None and share.complete:
                digest = contribution_digest(share.header)
                found.append(Contribution(trainer=trainer, digest=digest))
        return tuple(found)

    def votes(
        self, cid: bytes, chosen: tuple[Contribution, ...], voters: Sequence[str]
    ) -> tuple[Endorsement, ...]:
        """Return a certificate that names these: true signatures of those who voted so."""
        digest = set_digest(cid, chosen)
        vote, federation = Vote(cid=cid, set_digest=digest), self.roster.federation
        votes, lies = self._crew.ghost.votes.get(cid, {}), self._crew.ghost.lies
        return tuple(
            Endorsement(
                holder=name,
                signature=signature_of(federation, name, vote)
                if votes.get(name) == digest or lies.voted(cid, name, digest)
                else bytes(SIGNATURE_BYTES),
            )
            for name in voters
        )

    def bits(self, fault: Fault, number: int = 0) -> int:
        """Return 64 bits that belong to one lie."""
        return self._crew.stage.draw(f"{fault.kind.value} {fault.target} {fault.at_s}", number)

    def bytes(self, fault: Fault, number: int = 0) -> bytes:
        """Return 32 bytes that belong to one lie."""
        return hashlib.sha256(self.bits(fault, number).to_bytes(8, "big")).digest()

    def some(self, fault: Fault, names: Sequence[str]) -> list[str]:
        """Choose the share of these that a lie is told to, but at least one."""
        drawn = [
            (fraction(self.bits(fault, 1 + place), 0), name) for place, name in enumerate(names)
        ]
        chosen = [name for value, name in drawn if value < fault.amount]
        return chosen or [min(drawn)[1]] if drawn else []

    # --- what it says -----------------------------------------------------------------

    def say(self, liar: str, to: str, message: Wire, *, name: str = "") -> bool:
        """Put a lie into a queue, in the name of its liar or under another; say if it fitted."""
        lane = Lane.BULK if isinstance(message, ShareChunk | AnswerChunk) else Lane.CONTROL
        body = signed(self.roster.federation, liar, message, name=name)
        parcel = Parcel(liar, body, type(message).__name__, 0.0)
        if self._crew.world.broker.take(to, lane, parcel) is not Taken.YES:
            return False
        self._note(liar, to, message)
        text, facts = said(message)
        self._crew.stage.tell(f"{liar} lies to {to}: {text}{f' ({facts})' if facts else ''}")
        return True

    def _note(self, liar: str, to: str, message: Wire) -> None:
        ghost = self._crew.ghost
        ghost.lies.note(liar, to, message)
        match message:
            case OpenRound() | Announce():
                ghost.numbers.setdefault(message.config.cid(), message.config.number)
            case Have():
                receipts = ghost.receipts.setdefault(message.cid, {})
                for contribution in message.contributions:
                    receipts.setdefault(contribution.trainer, {})[liar] = None
            case _:
                pass
