"""Steps of a round as a host meets them: what it says, hears or writes there."""

from __future__ import annotations

from infra.chaos.cells import Moment, Party
from infra.simulation.faults import ANYBODY, Aim, Point

_SAYS: dict[tuple[Party, Moment], str] = {
    (Party.COORDINATOR, Moment.ANNOUNCE): "OpenRound",
    (Party.COORDINATOR, Moment.VOTE): "Propose",
    (Party.COORDINATOR, Moment.RELEASE): "Release",
    (Party.HOLDER, Moment.ANNOUNCE): "RoundOpened",
    (Party.HOLDER, Moment.RECEIPT): "Have",
    (Party.HOLDER, Moment.VOTE): "Vote",
    (Party.HOLDER, Moment.OPEN): "AnswerChunk",
    (Party.TRAINER, Moment.COMPUTE): "Accepted",
    (Party.TRAINER, Moment.UPLOAD): "ShareChunk",
}
_HEARS: dict[tuple[Party, Moment], str] = {
    (Party.COORDINATOR, Moment.COMPUTE): "Accepted",
    (Party.COORDINATOR, Moment.RECEIPT): "Have",
    (Party.COORDINATOR, Moment.OPEN): "AnswerChunk",
    (Party.HOLDER, Moment.UPLOAD): "ShareChunk",
    (Party.HOLDER, Moment.RELEASE): "Release",
    (Party.TRAINER, Moment.ANNOUNCE): "Announce",
    (Party.TRAINER, Moment.RECEIPT): "Have",
}
# What is said anywhere in a step, for those who have no part in it.
_SIGN: dict[Moment, str] = {
    Moment.ANNOUNCE: "OpenRound",
    Moment.COMPUTE: "Accepted",
    Moment.UPLOAD: "ShareChunk",
    Moment.RECEIPT: "Have",
    Moment.VOTE: "Vote",
    Moment.RELEASE: "Release",
    Moment.OPEN: "AnswerChunk",
}
_RECORD = "run"  # the coordinator's commit that a sum was taken in
_AT_SEND = {"before": Point.BEFORE_SEND, "after": Point.AFTER_SEND}
_AT_COMMIT = {"before": Point.BEFORE_COMMIT, "after": Point.AFTER_COMMIT}


def has_sides(party: Party, moment: Moment) -> bool:
    """Say whether there is a moment before and one after what this party does in the step."""
    return moment is Moment.CHECKPOINT or (party, moment) not in _HEARS


def aim_of(party: Party, moment: Moment, side: str, *, coordinator: str) -> Aim:
    """Return what a fault in this step at this party waits for; `side` is before or after it."""
    if moment is Moment.CHECKPOINT:
        return Aim(point=_AT_COMMIT[side], what=_RECORD, by=coordinator)
    if said := _SAYS.get((party, moment)):
        return Aim(point=_AT_SEND[side], what=said)
    if heard := _HEARS.get((party, moment)):
        return Aim(point=Point.RECEIVED, what=heard)
    return Aim(point=_AT_SEND[side], what=_SIGN[moment], by=ANYBODY)


def moment_of(party: Party, aim: Aim) -> Moment | None:
    """Return the step that an aim stands for, None where it is another one."""
    if aim.point in _AT_COMMIT.values():
        return Moment.CHECKPOINT if aim.what == _RECORD else None
    table = _HEARS if aim.point is Point.RECEIVED else _SAYS
    own = {what: moment for (who, moment), what in table.items() if who is party}
    signs = {what: moment for moment, what in _SIGN.items()}
    return signs.get(aim.what) if aim.by else own.get(aim.what)
