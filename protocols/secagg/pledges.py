"""What a share-holder went along with over each model state: kept for ever, looked up for each set.

A vote counts as well as an answer. Who votes can't know whether a quorum did and others answered;
and as two quorums share a holder, no two sums over one state can be opened that are too close.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from protocols.codec import canonical, parse
from protocols.effects import Record
from protocols.messages import MAX_PLEDGED, Contribution, Pledged
from protocols.records import TrainerSets
from protocols.round_config import Roster, RoundConfig

from .differencing import Apart, bitmap, members

_PREFIX = "pledged/"


class HeldPledges:
    """The sets of a holder, by job and model state; records are read when they are needed."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._digest = roster.digest()
        self._records: dict[str, bytes] = {}

    def restore(self, records: Mapping[str, bytes]) -> None:
        """Take up what the journal remembers."""
        self._records = {k: value for k, value in records.items() if k.startswith(_PREFIX)}

    def foreign(self, config: RoundConfig) -> str | None:
        """Say why nothing can be summed over this state any more, or None if that is not so."""
        record = self._of(config)
        if record is None or record.roster == self._digest:
            return None
        return (
            f"this holder went along with {_sets(len(record.sets))} over this model state under "
            "another roster, with which none can be compared"
        )

    def refusal(self, config: RoundConfig, chosen: tuple[Contribution, ...]) -> str | None:
        """Say why this set would give too much away beside the earlier ones, or None."""
        foreign = self.foreign(config)
        record = self._of(config)
        if foreign is not None or record is None:
            return foreign
        apart = apart_of(record.sets, self._roster.trainers, max(record.apart, config.minimum))
        names = frozenset(contribution.trainer for contribution in chosen)
        if (difference := apart.too_close(names)) is not None:
            return (
                f"the set differs by {_trainers(difference)} from one of {_sets(len(apart.sets))} "
                f"that this holder went along with over this model state; {apart.least} are needed"
            )
        if names not in apart.sets and len(apart.sets) >= MAX_PLEDGED:
            return f"this holder went along with {_sets(len(apart.sets))} over this model state"
        return None

    def keep(self, config: RoundConfig, chosen: tuple[Contribution, ...]) -> list[Record]:
        """Remember a set; return what must be durable before anybody hears of it."""
        key, names = _key(config), tuple(contribution.trainer for contribution in chosen)
        value = canonical(with_set(self._of(config), names, self._roster, config.minimum))
        if self._records.get(key) == value:
            return []
        self._records[key] = value
        return [Record(key, value)]

    def told(self, config: RoundConfig) -> Pledged | None:
        """Return what a coordinator should know before it chooses a set; None if nothing."""
        record = self._of(config)
        if record is None:
            return None
        return Pledged(cid=config.cid(), apart=record.apart, sets=record.sets)

    def _of(self, config: RoundConfig) -> TrainerSets | None:
        value = self._records.get(_key(config))
        return None if value is None else parse(value, TrainerSets)


def apart_of(sets: Iterable[bytes], trainers: tuple[str, ...], least: int) -> Apart:
    """Return what these sets ask of others. Raises `ValueError` where one is no set of these."""
    read = [members(bits, trainers) for bits in sets]
    if any(names is None for names in read):
        raise ValueError("not a set of so many trainers")
    return Apart(tuple(names for names in read if names is not None), least)


def with_set(
    before: TrainerSets | None, chosen: tuple[str, ...], roster: Roster, minimum: int
) -> TrainerSets:
    """Add a set of this roster; those of another roster, and the oldest above 64, are dropped."""
    digest, bits = roster.digest(), bitmap(chosen, roster.trainers)
    if before is None or before.roster != digest:
        return TrainerSets(roster=digest, apart=minimum, sets=(bits,))
    sets = before.sets if bits in before.sets else (*before.sets, bits)[-MAX_PLEDGED:]
    return TrainerSets(roster=digest, apart=max(before.apart, minimum), sets=sets)


def with_proposal(
    before: TrainerSets | None, chosen: tuple[str, ...], roster: Roster, minimum: int
) -> TrainerSets:
    """Add what a coordinator proposed.

    An earlier set that is too close was given up for it: holders said that they are not bound.
    """
    record, names = with_set(before, chosen, roster, minimum), frozenset(chosen)
    new = Apart((names,), record.apart)
    kept = (s for s in record.sets if new.too_close(members(s, roster.trainers) or names) is None)
    return TrainerSets(roster=record.roster, apart=record.apart, sets=tuple(kept))


def proposed_apart(proposed: TrainerSets | None, roster: Roster) -> Apart:
    """Return what a coordinator's own earlier sets ask of its next one.

    Nothing where they were of another roster: what holders are bound to then, they say.
    """
    if proposed is None or proposed.roster != roster.digest():
        return Apart()
    return apart_of(proposed.sets, roster.trainers, proposed.apart)


def _key(config: RoundConfig) -> str:
    return f"{_PREFIX}{config.job}/{config.state.hex()}"


def _sets(count: int) -> str:
    return "a set" if count == 1 else f"{count} sets"


def _trainers(count: int) -> str:
    return "1 trainer" if count == 1 else f"{count} trainers"
