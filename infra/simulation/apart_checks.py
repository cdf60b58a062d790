"""No two sums over one model state whose sets differ by a few trainers; who is held back by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from protocols.batches import Asked, split, turn_of
from protocols.messages import Contribution
from protocols.records import RunRecord, TrainerSets
from protocols.round_config import RoundConfig
from protocols.secagg.collected import Collected
from protocols.secagg.differencing import Apart, bitmap, choose_releasable, members
from protocols.secagg.suspects import Invited, Search

from .faults import Size
from .ghost import Ghost, Rule

Names = frozenset[str]
State = tuple[str, bytes]  # a job and the digest of its model state

_STATES = 64
# What the coordinator says of a round that only earlier sums kept from a sum.
HELD_BACK = "give those trainers away"


class ApartChecks:
    """Remembers which sets holders voted and answered for, over which state, in which round.

    Two sets of one round are a breach of other rules.
    """

    def __init__(self, ghost: Ghost) -> None:
        self._ghost = ghost
        self._agreed: dict[State, dict[tuple[str, bytes, Names], int]] = {}
        self._answered: dict[State, dict[tuple[bytes, Names], dict[str, None]]] = {}

    def agreed(
        self, host: str, config: RoundConfig, chosen: tuple[Contribution, ...], did: str
    ) -> None:
        """Look at a set that a holder is about to vote or answer for."""
        ghost, cid, names = self._ghost, config.cid(), _names(chosen)
        known = self._agreed.setdefault((config.job, config.state), {})
        for (holder, other_cid, other), minimum in known.items():
            difference, least = len(names ^ other), max(minimum, config.minimum)
            late = holder == host and other_cid != cid and host not in ghost.forgetful
            if late and 0 < difference < least:
                text = f"{did} for two sets over one state that differ by {difference} of {least}"
                ghost.violated(Rule.APART, host, text)
        known[host, cid, names] = config.minimum
        key = f"pledged/{config.job}/{config.state.hex()}"
        record = ghost.durable(host, key, TrainerSets)
        bits, roster = bitmap(names, ghost.roster.trainers), ghost.roster.digest()
        if record is None or record.roster != roster or bits not in record.sets:
            ghost.violated(Rule.DURABLE, host, f"{did} for a set that it will not remember")
        while len(self._agreed) > _STATES:
            del self._agreed[next(iter(self._agreed))]

    def answered(self, host: str, config: RoundConfig, chosen: tuple[Contribution, ...]) -> None:
        """See that no two sums that are too close can be opened, whoever answered for which."""
        cid, names = config.cid(), _names(chosen)
        sets = self._answered.setdefault((config.job, config.state), {})
        holders = sets.setdefault((cid, names), {})
        holders[host] = None
        close = any(
            0 < len(names ^ other) < config.minimum and len(others) >= config.threshold
            for (other_cid, other), others in sets.items()
            if other_cid != cid
        )
        if close and len(holders) >= config.threshold and self._bound(config):
            text = f"the answer number {config.threshold} for a set too close to another"
            self._ghost.violated(Rule.APART, host, text)
        while len(self._answered) > _STATES:
            del self._answered[next(iter(self._answered))]

    def _bound(self, config: RoundConfig) -> bool:
        """Return whether any two sums share a holder that neither lied nor forgot."""
        ghost, lies = self._ghost, self._ghost.lies
        forgetful = (name for name in ghost.forgetful if name in ghost.roster.holders)
        lied = (name for cid in (*lies.votes, *lies.answers) for name in lies.liars(cid))
        f = len(dict.fromkeys((*forgetful, *lied)))
        share = 2 * (config.quorum if config.vote else config.threshold)
        return share > config.holders + f


def held_back(ghost: Ghost, size: Size, alive: Iterable[str]) -> bool:
    """Return whether no set of these may be summed over the state that the job has reached.

    That is: whichever holders are asked, enough of them to open a sum, what they have on their
    disks forbids every set of at least the minimum of these trainers; or the coordinator's own
    sums over this state that were garbled do.
    """
    run = ghost.durable(ghost.roster.coordinator, "run", RunRecord)
    if run is None:
        return False
    here, trainers = dict.fromkeys(alive), ghost.roster.trainers
    everything = {name: bytes(32) for name in trainers if name in here}
    bound: dict[str, Apart] = {}
    for holder in (name for name in ghost.roster.holders if name in here):
        bound[holder] = Apart((), size.minimum)
        for key, data in ghost.disks[holder].records.items():
            if key.startswith("pledged/") and key.endswith(run.state.hex()):
                record = ghost.parsed(data, TrainerSets)
                sets = tuple(members(bits, trainers) or frozenset[str]() for bits in record.sets)
                bound[holder] = Apart(sets, max(size.minimum, record.apart))
    garbled = None if run.suspicion is None else structs.replace(run.suspicion, groups=())
    invited = Search(ghost.roster, size.minimum).invited(garbled, run.completed)
    if size.batches:
        asked = (_asked(ghost, size, number) for number in range(size.batches))
        return not any(_may_be_summed(size, one, invited, everything, bound) for one in asked)
    have = dict.fromkeys(bound, everything)
    least = {"need": size.needed, "minimum": size.minimum}
    chosen = _names(choose_releasable(have, bound, **least))
    return len(invited.settled(chosen)) < size.minimum and bool(
        choose_releasable(have, {}, **least)
    )


def _asked(ghost: Ghost, size: Size, number: int) -> Asked:
    """Return whom the round of a number asks."""
    batches = split(ghost.roster, size.batches)
    turn = turn_of(number, batches=size.batches, drawn=size.drawn)
    return Asked(tuple(batches[place] for place in turn), size.minimum)


def _may_be_summed(
    size: Size, asked: Asked, invited: Invited, here: Iterable[str], bound: Mapping[str, Apart]
) -> bool:
    """Return whether some set of the trainers here that a round asks may be summed."""
    trainers = asked.among(here)
    collected = Collected(trainers, need=size.needed, asked=asked)
    collected.invite(invited)
    for holder, apart in bound.items():
        collected.pledged(holder, apart)
        for name in trainers:
            collected.receive(holder, Contribution(trainer=name, digest=bytes(32)))
    return bool(collected.releasable(size.minimum, recall=False))


def _names(chosen: tuple[Contribution, ...]) -> Names:
    return frozenset(contribution.trainer for contribution in chosen)
