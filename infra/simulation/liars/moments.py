"""Who may tell which lie, and at which moments it hurts most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.simulation.faults import ANYBODY, Aim, Kind, Point

Party = Literal["coordinator", "trainer", "holder", "anybody"]

_OPENING = Aim(point=Point.BEFORE_SEND, what="OpenRound", by=ANYBODY)
_ANNOUNCING = Aim(point=Point.BEFORE_SEND, what="Announce", by=ANYBODY)
_ACCEPTED = Aim(point=Point.RECEIVED, what="Accepted", by=ANYBODY)
_RECEIPT = Aim(point=Point.RECEIVED, what="Have", by=ANYBODY)
_PROPOSING = Aim(point=Point.BEFORE_SEND, what="Propose", by=ANYBODY)
_VOTED = Aim(point=Point.AFTER_COMMIT, what="vote", by=ANYBODY)
_RELEASING = Aim(point=Point.BEFORE_SEND, what="Release", by=ANYBODY)
_ANSWERED = Aim(point=Point.AFTER_COMMIT, what="answer", by=ANYBODY)
_RESTARTED = Aim(point=Point.BEFORE_SEND, what="Hello", by=ANYBODY)

_SET = (_RECEIPT, _PROPOSING, _VOTED, _RELEASING, _ANSWERED, _RESTARTED)
_SHARE = (_ANNOUNCING, _ACCEPTED, _RECEIPT, _PROPOSING, _VOTED)
_ANSWER = (_PROPOSING, _VOTED, _RELEASING, _ANSWERED)
_ANY = (_OPENING, _ANNOUNCING, *_SET)


@dataclass(frozen=True, slots=True)
class Moments:
    """Who tells a lie, and what somebody is about to do, or has just done, when it is told."""

    party: Party
    aims: tuple[Aim, ...]


MOMENTS: dict[Kind, Moments] = {
    Kind.LIE_SECOND_SET: Moments("coordinator", _SET),
    Kind.LIE_CLOSE_SET: Moments("coordinator", (_VOTED, _RELEASING, _ANSWERED)),
    Kind.LIE_SMALL_SET: Moments("coordinator", _SET),
    Kind.LIE_DOUBLED_TRAINER: Moments("coordinator", _SET),
    Kind.LIE_STRANGER: Moments("coordinator", _SET),
    Kind.LIE_OUT_OF_TURN: Moments("coordinator", _SET),
    Kind.LIE_OTHER_DIGEST: Moments("coordinator", _SET),
    Kind.LIE_FEW_VOTES: Moments("coordinator", _SET),
    Kind.LIE_DOUBLED_VOTERS: Moments("coordinator", _SET),
    Kind.LIE_STRANGE_VOTERS: Moments("coordinator", _SET),
    Kind.LIE_INVENTED_VOTES: Moments("coordinator", _SET),
    Kind.LIE_OLD_NUMBER: Moments("coordinator", _ANY),
    Kind.LIE_OTHER_CONFIG: Moments("coordinator", (_OPENING, _ANNOUNCING, _RESTARTED)),
    Kind.LIE_FOREIGN_ROSTER: Moments("coordinator", (_OPENING, _ANNOUNCING)),
    Kind.LIE_CLOSED: Moments("coordinator", _SET),
    Kind.LIE_OTHER_MODEL: Moments("coordinator", (_OPENING, _ANNOUNCING, _ACCEPTED)),
    Kind.LIE_SECOND_CONTRIBUTION: Moments("trainer", _SHARE),
    Kind.LIE_WRONG_SHARE: Moments("trainer", _SHARE),
    Kind.LIE_OTHERS_NAME: Moments("trainer", _SHARE),
    Kind.LIE_GARBAGE_SHARE: Moments("trainer", _SHARE),
    Kind.LIE_OLD_SHARE: Moments("trainer", _SHARE),
    Kind.LIE_LOOSE_SHARES: Moments("trainer", _SHARE),
    Kind.LIE_LONG_VECTOR: Moments("trainer", _SHARE),
    Kind.LIE_OTHER_MASK: Moments("trainer", _SHARE),
    Kind.LIE_STRANGE_VOTE: Moments("holder", _ANSWER),
    Kind.LIE_EMPTY_VOTE: Moments("holder", _ANSWER),
    Kind.LIE_GARBAGE_ANSWER: Moments("holder", _ANSWER),
    Kind.LIE_WRONG_ANSWER: Moments("holder", _ANSWER),
    Kind.LIE_ONE_VALUE: Moments("holder", _ANSWER),
    Kind.LIE_TWO_ANSWERS: Moments("holder", _ANSWER),
    Kind.LIE_RECEIPT: Moments("holder", (_ACCEPTED, _RECEIPT)),
    Kind.LIE_ACCUSATION: Moments("holder", (_ANNOUNCING, _ACCEPTED, _RECEIPT)),
    Kind.LIE_GRANT: Moments("holder", (_ACCEPTED, _RECEIPT)),
    Kind.LIE_ABOVE_ITS_PLACE: Moments("anybody", _ANY),
}
