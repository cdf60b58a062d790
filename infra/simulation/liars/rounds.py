"""A coordinator that lies about rounds: their numbers, their configs, their models, their end.

Who must refuse: a holder opens a number once and only for its own roster; a trainer contributes
once a number. Whoever hears the lie first is lost to the true round, and back in the next one.

Numbers far ahead are not among the lies: a coordinator can always end its own job.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from infra.simulation.crew import Strikes
from infra.simulation.faults import Fault, Kind
from protocols.messages import Announce, CloseRound, OpenRound, Propose, Release
from protocols.records import LastRound
from protocols.round_config import RoundConfig

from .forged_sets import another
from .lying import Lying
from .tongue import made_up_key

_PURSUED = 40  # times that a round of its own is pushed on
_PUSH_S = 0.25
_TRIES = 8


class LiesAboutRounds(Lying):
    """Opens, announces and closes rounds as no coordinator may."""

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.LIE_OLD_NUMBER: partial(self.begin, self._old_number),
            Kind.LIE_OTHER_CONFIG: partial(self.begin, self._other_config),
            Kind.LIE_FOREIGN_ROSTER: partial(self.begin, self._foreign_roster),
            Kind.LIE_CLOSED: partial(self.begin, self._closed),
            Kind.LIE_OTHER_MODEL: partial(self.begin, self._other_model),
        }

    def _old_number(self, fault: Fault) -> bool:
        """Open the number before once more, as another round."""
        return self._open(fault, lambda c: msgspec.structs.replace(c, number=c.number - 1))

    def _foreign_roster(self, fault: Fault) -> bool:
        """Open a round for another roster."""
        digest = self.tongue.bytes(fault)
        return self._open(fault, lambda c: msgspec.structs.replace(c, roster=digest))

    def _other_config(self, fault: Fault) -> bool:
        """Run a whole round of its own under the number of the true one.

        Holders that have opened the true one refuse it, as do trainers that have accepted that.
        The others take part: it is one round for them, with a vote and one answer.
        """
        roster, config = self.tongue.roster, self._config()
        if config is None:
            return False
        forged = altered(config, self.tongue.bits(fault))
        holders = self.tongue.some(fault, roster.holders)
        trainers = self.tongue.some(fault, roster.trainers)
        opening = _opening(forged, fault.target)
        told = [self.tongue.say(fault.target, h, opening) for h in holders]
        self._announce(fault, forged, holders, trainers, _TRIES)
        self._push_on(fault, forged, holders, _PURSUED)
        return any(told)

    def _announce(
        self,
        fault: Fault,
        forged: RoundConfig,
        holders: list[str],
        trainers: list[str],
        tries: int,
    ) -> None:
        """Announce a round of its own once enough have opened it, or when that took too long."""
        cid, roster = forged.cid(), self.tongue.roster
        there = [name for name in holders if self.tongue.key_of(name, cid) is not None]
        may_come = any(self._may_open(name, forged) for name in holders)
        if len(there) < forged.threshold and may_come and tries > 1:
            again = (fault, forged, holders, trainers, tries - 1)
            self.tongue.crew.later(_PUSH_S, self._announce, *again)
            return
        named = there if len(there) >= forged.threshold else roster.holders
        announce = Announce(config=forged, opened=self.tongue.opened_by(forged, named))
        for trainer in trainers:
            self.tongue.say(fault.target, trainer, announce)

    def _may_open(self, holder: str, forged: RoundConfig) -> bool:
        """Return whether a holder has opened and closed no round of this number yet."""
        last = self.tongue.crew.ghost.durable(holder, f"last/{forged.job}", LastRound)
        return last is None or last.number < forged.number

    def _push_on(self, fault: Fault, forged: RoundConfig, holders: list[str], times: int) -> None:
        """Have a round of its own voted and released, as soon as there is enough."""
        for holder in holders:
            chosen = another(self.tongue.held(holder, forged.cid()), (), forged.minimum, 0)
            if not chosen:
                continue
            cid, quorum = forged.cid(), forged.quorum
            self.tongue.say(fault.target, holder, Propose(cid=cid, chosen=chosen))
            if forged.vote:
                votes = self.tongue.votes(cid, chosen, self.tongue.roster.holders[:quorum])
                release = Release(cid=cid, chosen=chosen, votes=votes)
                self.tongue.say(fault.target, holder, release)
            times = min(times, 4)
        if times > 1:
            self.tongue.crew.later(_PUSH_S, self._push_on, fault, forged, holders, times - 1)

    def _closed(self, fault: Fault) -> bool:
        """Close the round that is under way, open it again, and ask for another set.

        Who believes the end has erased the shares and never opens this number again.
        """
        config, bits = self._config(), self.tongue.bits(fault)
        if config is None:
            return False
        cid, told = config.cid(), False
        close = CloseRound(
            cid=cid,
            job=config.job,
            number=config.number,
            complete=bool(bits & 1),
            reason="" if bits & 1 else "a lie",
        )
        for holder in self.tongue.some(fault, self.tongue.roster.holders):
            chosen = another(self.tongue.held(holder, cid), (), config.minimum, bits)
            told = self.tongue.say(fault.target, holder, close) or told
            self.tongue.say(fault.target, holder, self._opening(config))
            if chosen:
                self.tongue.say(fault.target, holder, Propose(cid=cid, chosen=chosen))
        if bits & 2:
            for trainer in self.tongue.some(fault, self.tongue.roster.trainers):
                told = self.tongue.say(fault.target, trainer, close) or told
        return told

    def _other_model(self, fault: Fault) -> bool:
        """Announce another round to some trainers than to the others, or one of no model at all.

        What they send belongs to a round that no holder knows; so it is refused.
        """
        config, bits = self._config(), self.tongue.bits(fault)
        if config is None:
            return False
        forged = (
            msgspec.structs.replace(config, state=self.tongue.bytes(fault))
            if bits & 1
            else altered(config, bits >> 1)
        )
        opened = self.tongue.opened_by(forged, self.tongue.roster.holders)
        announce = Announce(config=forged, opened=opened)
        told = [
            self.tongue.say(fault.target, trainer, announce)
            for trainer in self.tongue.some(fault, self.tongue.roster.trainers)
        ]
        return any(told)

    # --- parts ------------------------------------------------------------------------

    def _open(self, fault: Fault, forge: Callable[[RoundConfig], RoundConfig]) -> bool:
        config = self._config()
        if config is None:
            return False
        message = _opening(forge(config), fault.target)
        told = [
            self.tongue.say(fault.target, holder, message)
            for holder in self.tongue.some(fault, self.tongue.roster.holders)
        ]
        return any(told)

    def _opening(self, config: RoundConfig) -> OpenRound:
        """Open a round as its coordinator did."""
        name = self.tongue.roster.coordinator
        key = self.tongue.key_of(name, config.cid()) or made_up_key(config, name)
        return OpenRound(config=config, sealing_key=key)

    def _config(self) -> RoundConfig | None:
        record = self.tongue.round()
        return None if record is None else record.config


def _opening(config: RoundConfig, name: str) -> OpenRound:
    """Open a round of one's own."""
    return OpenRound(config=config, sealing_key=made_up_key(config, name))


def altered(config: RoundConfig, bits: int) -> RoundConfig:
    """Return another round of the same number that could be run as well."""
    least = max(config.packing, 1) + max(config.faults, 1)
    match bits % 4:
        case 0 if config.minimum > 3:
            return msgspec.structs.replace(config, minimum=3)
        case 1 if config.vote and config.threshold > least:
            return msgspec.structs.replace(config, threshold=least)
        case 2:
            return msgspec.structs.replace(config, fraction_bits=config.fraction_bits + 1)
        case _:
            return msgspec.structs.replace(config, beat_ms=config.beat_ms + 1)
