"""A coordinator that wants two sums over one model state, to subtract one from the other.

Who must refuse: each holder that went along with the first set. That the first sum was never
opened, as far as a holder knows, helps nobody: others may have answered for it.
"""

from __future__ import annotations

from functools import partial

from infra.simulation.crew import Strikes
from infra.simulation.faults import Fault, Kind
from protocols.messages import CloseRound, Propose
from protocols.records import RoundRecord

from .forged_sets import close
from .lying import Lying

_PURSUED = 1000  # times that it looks whether the next round can be lied in
_LOOK_S = 0.25
# Between the last share that the lie needs and the coordinator's own proposal is little time.
_LOOK_CLOSELY_S = 0.01


class LiesAboutDifferences(Lying):
    """Ends a round that was voted in, and in the next one asks for a set that is too close."""

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {Kind.LIE_CLOSE_SET: partial(self.begin, self._close_set)}

    def _close_set(self, fault: Fault) -> bool:
        """Close the round that has a set, so that its state is summed over once more."""
        record = self.tongue.round()
        if record is None or not record.chosen:
            return False
        config = record.config
        message = CloseRound(
            cid=config.cid(), job=config.job, number=config.number, complete=False, reason="a lie"
        )
        told = [
            self.tongue.say(fault.target, holder, message)
            for holder in self.tongue.some(fault, self.tongue.roster.holders)
        ]
        self._pursue(fault, record, self.tongue.roster.holders, _PURSUED)
        return any(told)

    def _pursue(
        self, fault: Fault, first: RoundRecord, holders: tuple[str, ...], times: int
    ) -> None:
        """Ask each holder for the other set as soon as it has what is in it."""
        record = self.tongue.round()
        if record is not None and record.config.state != first.config.state:
            return  # the first sum was opened, and this state is history
        left, look_s = holders, _LOOK_S
        if record is not None and record.config.number > first.config.number:
            asked = [name for name in holders if self._ask(fault, record, first, name)]
            left, look_s = tuple(n for n in holders if n not in asked), _LOOK_CLOSELY_S
        if left and times > 1:
            self.tongue.crew.later(look_s, self._pursue, fault, first, left, times - 1)

    def _ask(self, fault: Fault, record: RoundRecord, first: RoundRecord, holder: str) -> bool:
        cid, earlier = record.config.cid(), [one.trainer for one in first.chosen]
        held, bits = self.tongue.held(holder, cid), self.tongue.bits(fault)
        chosen = close(held, earlier, record.config.minimum, bits)
        if not chosen:
            return False
        return self.tongue.say(fault.target, holder, Propose(cid=cid, chosen=chosen))
