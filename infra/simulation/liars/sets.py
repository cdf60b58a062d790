"""A coordinator that lies about sets and votes.

Who must refuse: each holder for itself, before it journals anything. It knows what it holds, whom
the roster names, what it voted for and answered for, and counts the named voters itself. It can't
know whether a named voter did vote: votes are not signed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from infra.simulation.crew import Strikes
from infra.simulation.faults import Fault, Kind
from protocols.batches import Asked
from protocols.messages import Announce, Propose, Release
from protocols.records import RoundRecord
from protocols.secagg.chunks import has_bulk

from .forged_sets import (
    STRANGER,
    Chosen,
    another,
    below,
    doubled,
    other_digest,
    out_of_turn,
    with_a_stranger,
)
from .lying import Lying

# From what a holder has and the minimum to the set that it is asked for; empty if it has too few.
Forge = Callable[[Chosen, int], Chosen]


class LiesAboutSets(Lying):
    """Asks holders for sets, and names voters, as no coordinator may."""

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.LIE_SECOND_SET: partial(self.begin, self._second_set),
            Kind.LIE_SMALL_SET: partial(self.begin, self._small_set),
            Kind.LIE_DOUBLED_TRAINER: partial(self.begin, self._doubled_trainer),
            Kind.LIE_STRANGER: partial(self.begin, self._stranger),
            Kind.LIE_OUT_OF_TURN: partial(self.begin, self._out_of_turn),
            Kind.LIE_OTHER_DIGEST: partial(self.begin, self._other_digest),
            Kind.LIE_FEW_VOTES: partial(self.begin, self._few_votes),
            Kind.LIE_DOUBLED_VOTERS: partial(self.begin, self._doubled_voters),
            Kind.LIE_STRANGE_VOTERS: partial(self.begin, self._strange_voters),
            Kind.LIE_INVENTED_VOTES: partial(self.begin, self._invented_votes),
        }

    # --- sets -------------------------------------------------------------------------

    def _second_set(self, fault: Fault) -> bool:
        """Propose a set that is fine in itself, beside the coordinator's own.

        Who has voted refuses it; who has not is bound by it, and refuses the other one.
        """
        return self._told(fault, lambda record, chosen: [Propose(cid=_cid(record), chosen=chosen)])

    def _small_set(self, fault: Fault) -> bool:
        """Ask for one contribution less than the minimum. Each holder counts for itself."""
        return self._ask_for(fault, below)

    def _doubled_trainer(self, fault: Fault) -> bool:
        """Ask for a set that reaches the minimum with one trainer twice."""
        return self._ask_for(fault, doubled)

    def _stranger(self, fault: Fault) -> bool:
        """Ask for a set that reaches the minimum with one whom the roster does not name."""
        return self._ask_for(fault, with_a_stranger)

    def _out_of_turn(self, fault: Fault) -> bool:
        """Announce the round to those whom it does not ask, and ask for a set with one of them.

        The trainers decline, holders refuse; where everybody is asked there is nobody to ask.
        """
        record, roster = self.tongue.round(), self.tongue.roster
        asked = None if record is None else Asked.of(record.config, roster)
        others = () if asked is None else tuple(n for n in roster.trainers if n not in asked)
        if record is None or not others:
            return False
        key = self.tongue.key_of(fault.target, _cid(record)) if has_bulk(record.config) else None
        shown = Announce(config=record.config, opened=record.announced, sealing_key=key)
        told = [
            self.tongue.say(fault.target, name, shown) for name in self.tongue.some(fault, others)
        ]
        foreign = others[self.tongue.bits(fault) % len(others)]
        return self._ask_for(fault, lambda h, least: out_of_turn(h, least, foreign)) or any(told)

    def _other_digest(self, fault: Fault) -> bool:
        """Ask for a contribution under a digest that is not the one of what its trainer sent."""
        digest = self.tongue.bytes(fault)
        return self._ask_for(fault, lambda held, least: other_digest(held, least, digest))

    def _ask_for(self, fault: Fault, forge: Forge) -> bool:
        """Propose a set that nobody may vote for, and ask for its sum with votes made up."""
        return self._told(fault, self._propose_and_release, forge)

    def _propose_and_release(self, record: RoundRecord, chosen: Chosen) -> list[Propose | Release]:
        asked: list[Propose | Release] = [Propose(cid=_cid(record), chosen=chosen)]
        if record.config.vote:
            voters = self.tongue.roster.holders[: record.config.quorum]
            votes = self.tongue.votes(_cid(record), chosen, voters)
            asked.append(Release(cid=_cid(record), chosen=chosen, votes=votes))
        return asked

    # --- votes ------------------------------------------------------------------------

    def _few_votes(self, fault: Fault) -> bool:
        """Ask for a sum with one vote less than the quorum."""
        return self._release(fault, lambda holders, quorum: holders[: quorum - 1])

    def _doubled_voters(self, fault: Fault) -> bool:
        """Reach the quorum by naming a voter twice."""
        return self._release(fault, lambda holders, quorum: (*holders[: quorum - 1], holders[0]))

    def _strange_voters(self, fault: Fault) -> bool:
        """Reach the quorum with a trainer, a stranger and the coordinator itself."""
        others = (self.tongue.roster.trainers[0], STRANGER, self.tongue.roster.coordinator)
        return self._release(fault, lambda holders, quorum: (*holders[: quorum - 1], *others))

    def _invented_votes(self, fault: Fault) -> bool:
        """Ask for the sum of a set that nobody voted for, with a quorum of votes made up.

        Nobody has signed them, so everybody refuses.
        """
        return self._release(fault, lambda holders, quorum: holders[:quorum])

    def _release(
        self, fault: Fault, name: Callable[[tuple[str, ...], int], tuple[str, ...]]
    ) -> bool:
        def ask(record: RoundRecord, chosen: Chosen) -> list[Propose | Release]:
            voters = name(self.tongue.roster.holders, record.config.quorum)
            votes = self.tongue.votes(_cid(record), chosen, voters)
            return [Release(cid=_cid(record), chosen=chosen, votes=votes)]

        return self._told(fault, ask)

    # --- whom -------------------------------------------------------------------------

    def _told(
        self,
        fault: Fault,
        ask: Callable[[RoundRecord, Chosen], list[Propose | Release]],
        forge: Forge | None = None,
    ) -> bool:
        """Ask some holders for a set made of what each of them has; another one if not forged."""
        record = self.tongue.round()
        if record is None:
            return False
        bits, least, told = self.tongue.bits(fault), record.config.minimum, False
        for holder in self.tongue.some(fault, self.tongue.roster.holders):
            held = self.tongue.held(holder, _cid(record))
            chosen = (
                another(held, record.chosen, least, bits) if forge is None else forge(held, least)
            )
            for message in ask(record, chosen) if chosen else []:
                told = self.tongue.say(fault.target, holder, message) or told
        return told


def _cid(record: RoundRecord) -> bytes:
    return record.config.cid()
