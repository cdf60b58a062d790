"""What the messages of a federation tell to somebody who watches them pass."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.messages import (
    Accepted,
    Announce,
    AnswerChunk,
    CloseRound,
    Have,
    OpenRound,
    Propose,
    Release,
    ShareChunk,
    Vote,
    Wire,
)
from protocols.round_config import Roster

from .cells import Cell, Moment, Party


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message on its way."""

    sender: str
    recipient: str
    message: Wire


@dataclass(slots=True)
class Watch:
    """Keeps track of rounds by number, and knows when a step begins at somebody."""

    roster: Roster
    threshold: int
    numbers: dict[bytes, int] = field(default_factory=dict)
    rivals: dict[int, int] = field(default_factory=dict)
    answered: dict[bytes, dict[str, None]] = field(default_factory=dict)

    def number_of(self, sighting: Sighting) -> int | None:
        """Return the round that a message is about, None for one that is about none."""
        message = sighting.message
        if isinstance(message, OpenRound | Announce):
            self._learn(message)
            return message.config.number
        cid = cid_of(message)
        if isinstance(message, AnswerChunk):
            self.answered.setdefault(message.header.cid, {})[sighting.sender] = None
        return None if cid is None else self.numbers.get(cid)

    def _learn(self, message: OpenRound | Announce) -> None:
        cid, number = message.config.cid(), message.config.number
        if cid not in self.numbers:
            self.numbers[cid] = number
            self.rivals[number] = self.rivals.get(number, 0) + 1

    def shows(self, cell: Cell, victim: str | None, sighting: Sighting) -> bool:
        """Say whether this message is the first sign of the cell's step at the victim.

        `victim` is None for the broker, which sees every message.
        """
        return self.begins(cell.moment, cell.party, victim, sighting)

    def begins(self, moment: Moment, party: Party, victim: str | None, sighting: Sighting) -> bool:
        """Say whether this message shows that the step has begun at the victim, of this party."""
        message = sighting.message
        if not isinstance(message, _SIGNS[moment]):
            return False
        if moment is Moment.CHECKPOINT:
            cid = cid_of(message)
            return cid is not None and len(self.answered.get(cid, {})) >= self.threshold
        return self._concerns(party, victim, sighting)

    def _concerns(self, party: Party, victim: str | None, sighting: Sighting) -> bool:
        ends = (sighting.sender, sighting.recipient)
        if party is Party.BROKER or victim in ends:
            return True
        # Steps in which this party has no part: the first sign of it anywhere.
        others = {self.roster.role(name) for name in ends}
        role = party.value
        return role not in others


_SIGNS: dict[Moment, tuple[type, ...]] = {
    Moment.ANNOUNCE: (OpenRound, Announce),
    Moment.COMPUTE: (Accepted,),
    Moment.UPLOAD: (ShareChunk,),
    Moment.RECEIPT: (Have,),
    Moment.VOTE: (Propose, Vote),
    Moment.RELEASE: (Release,),
    Moment.OPEN: (AnswerChunk,),
    Moment.CHECKPOINT: (AnswerChunk,),
}


def cid_of(message: Wire) -> bytes | None:
    """Return which round a message is about, None for one that opens a round or is about none."""
    match message:
        case ShareChunk() | AnswerChunk():
            return message.header.cid
        case Accepted() | Have() | Propose() | Vote() | Release() | CloseRound():
            return message.cid
        case _:
            return None
