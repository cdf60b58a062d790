"""A trainer or a holder that speaks as only the coordinator may, in its own name.

Who must refuse: everybody. The transport's word says who sent a message, and the roster what that
one is.
"""

from __future__ import annotations

from functools import partial

from infra.simulation.crew import Strikes
from infra.simulation.faults import Fault, Kind
from protocols.messages import Announce, CloseRound, OpenRound, Propose, Release, Wire
from protocols.records import RoundRecord

from .forged_sets import another
from .lying import Lying
from .tongue import made_up_key


class Usurpers(Lying):
    """Asks others for what it has no right to."""

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {Kind.LIE_ABOVE_ITS_PLACE: partial(self.begin, self._above_its_place)}

    def _above_its_place(self, fault: Fault) -> bool:
        """Open, propose, release and close to holders; announce and close to trainers."""
        record, roster, told = self.tongue.round(), self.tongue.roster, False
        if record is None:
            return False
        for holder in self.tongue.some(fault, roster.holders):
            if holder != fault.target:
                for message in self._to_a_holder(record, holder):
                    told = self.tongue.say(fault.target, holder, message) or told
        for trainer in self.tongue.some(fault, roster.trainers):
            if trainer != fault.target:
                opened = self.tongue.opened_by(record.config, roster.holders)
                announce = Announce(config=record.config, opened=opened)
                told = self.tongue.say(fault.target, trainer, announce) or told
                self.tongue.say(fault.target, trainer, _close(record))
        return told

    def _to_a_holder(self, record: RoundRecord, holder: str) -> list[Wire]:
        config, cid = record.config, record.config.cid()
        chosen = another(self.tongue.held(holder, cid), record.chosen, config.minimum, 0)
        key = made_up_key(config, holder)
        asked: list[Wire] = [OpenRound(config=config, sealing_key=key)]
        if chosen:
            voters = self.tongue.roster.holders[: config.quorum]
            asked.append(Propose(cid=cid, chosen=chosen))
            votes = self.tongue.votes(cid, chosen, voters)
            asked.append(Release(cid=cid, chosen=chosen, votes=votes))
        return [*asked, _close(record)]


def _close(record: RoundRecord) -> CloseRound:
    config = record.config
    return CloseRound(
        cid=config.cid(), job=config.job, number=config.number, complete=False, reason="a lie"
    )
