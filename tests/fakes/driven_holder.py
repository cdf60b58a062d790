"""A real share-holder, driven by the inputs of the model and read as one of its states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.round_parts import (
    COORDINATOR,
    HOLDERS,
    ROSTER,
    Disk,
    answer_of,
    chunks_of,
    config_of,
    entropy_of,
    only,
    opening,
    set_of,
)
from fakes.signatures import ANYBODY, release_of

from protocols.effects import Answer, CheckStream, Effect, Erase, Record, Send, SumShares
from protocols.errors import PeerViolation
from protocols.messages import (
    CloseRound,
    Have,
    Propose,
    Refused,
    RoundOpened,
    Vote,
    Wire,
)
from protocols.secagg.holding import Holding
from protocols.secagg.sets import set_digest

# `cat` is of both sets; her share is the one that may be missing.
SETS = (("ann", "bob", "cat"), ("bob", "cat", "dan"))
BOTH = "cat"
AT_ONCE = ("ann", "bob", "dan")


class DrivenHolder:
    """Give it an input of the model; it returns what it said, in the words of the model."""

    def __init__(self, *, vote: bool, quorum: int) -> None:
        self.config = config_of(vote=vote, quorum=quorum)
        self.sets = [set_of(self.config, *names) for names in SETS]
        self.disk = Disk()
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        self._inputs: dict[str, Callable[[int], list[Effect]]] = {
            "open": self._open,
            "shares": lambda _: self._share(BOTH),
            "second": lambda _: self._share(BOTH, salt=1),
            "propose": self._propose,
            "release": lambda chosen: self._release(chosen, HOLDERS[: self.config.quorum]),
            "short": self._short,
            "summed": self._summed,
            "unable": lambda _: self.machine.unable(self.config.cid()),
            "close": self._close,
            "newer": lambda _: self._told(opening(config_of(number=2))),
            "restart": self._restart,
        }

    def give(self, given: str, chosen: int) -> str:
        """Give an input about set 0 or 1, and make durable what it decides."""
        try:
            return self._said(self._kept(self._inputs[given](chosen)), chosen)
        except PeerViolation:
            return "violation"

    def state(self) -> tuple[str, int | None]:
        """Return the state of the model, and the set that this holder is bound to."""
        held = self.machine._rounds.get(self.config.cid())
        if held is None:
            return ("over" if self.machine._last else "unopened"), None
        if held.vote is None and held.answered_set is None:
            missing = "spoilt" if BOTH in held.excluded else "empty"
            return ("ready" if BOTH in held.complete else missing), None
        bound = {chosen for chosen in (held.vote, held.answered_set) if chosen is not None}
        assert len(bound) == 1, "bound to two sets"
        own = self.sets.index(bound.pop())
        if held.answered_set is None:
            return "voted", own
        far = "answered" if held.answer else "stuck" if held.unable else "summing"
        return (far if held.vote is not None else f"bare-{far}"), own

    def after_a_crash(self) -> tuple[str, int | None]:
        """Return the state of a holder that is built from what is durable now."""
        again = DrivenHolder(vote=self.config.vote, quorum=self.config.quorum)
        again.disk = self.disk
        again.machine.restore(self.disk.journal, self.disk.stored())
        return again.state()

    # --- inputs -----------------------------------------------------------------------

    def _told(self, message: Wire, sender: str = COORDINATOR) -> list[Effect]:
        return self.machine.receive(sender, message)

    def _open(self, _: int) -> list[Effect]:
        fresh = self.state()[0] == "unopened"
        effects = self._told(opening(self.config))
        if fresh:
            self.disk.keep(effects)
            for trainer in AT_ONCE:
                self._kept(self._share(trainer))
        return effects

    def _share(self, trainer: str, salt: int = 0) -> list[Effect]:
        effects: list[Effect] = []
        for chunk in chunks_of(self.config, trainer, salt=salt):
            effects += self._told(chunk, trainer)
        return effects

    def _propose(self, chosen: int) -> list[Effect]:
        return self._told(Propose(cid=self.config.cid(), chosen=self.sets[chosen]))

    def _release(self, chosen: int, voters: tuple[str, ...]) -> list[Effect]:
        return self._told(release_of(self.config.cid(), self.sets[chosen], voters))

    def _short(self, chosen: int) -> list[Effect]:
        voters = HOLDERS[: self.config.quorum - 1]
        return self._release(chosen, (*voters, HOLDERS[0], "ann", "mallory"))

    def _summed(self, chosen: int) -> list[Effect]:
        return self.machine.summed(answer_of(self.config, self.sets[chosen])[0].header)

    def _close(self, _: int) -> list[Effect]:
        cid, number = self.config.cid(), self.config.number
        return self._told(
            CloseRound(cid=cid, job=self.config.job, number=number, complete=False, reason="")
        )

    def _restart(self, _: int) -> list[Effect]:
        self.machine = Holding("holder-1", ROSTER, ANYBODY, entropy=entropy_of("holder-1"))
        self.machine.restore(self.disk.journal, self.disk.stored())
        return self.machine.start()

    # --- what it says -----------------------------------------------------------------

    def _kept(self, effects: list[Effect]) -> list[Effect]:
        """Make a decision durable, and those that follow from checks of what was stored."""
        told = list(self.disk.keep(effects))
        for check in only(effects, CheckStream):
            told += self.disk.keep(self.machine.checked(check.stream, ok=True))
        return told

    def _said(self, effects: list[Effect], chosen: int) -> str:
        binding = [said for said in map(self._binding, effects) if said is not None]
        assert all(about == chosen for _, about in binding), "spoke for another set"
        assert len(binding) <= 1, "said two things that bind"
        if binding:
            self._recorded_first(effects)
            return binding[0][0]
        kinds = {self._kind(effect) for effect in effects}
        return next((word for word in _SAYS.values() if word in kinds), "-")

    def _kind(self, effect: Effect) -> str | None:
        """Return what an effect is of this round; of another one it is nothing here."""
        cid = self.config.cid()
        match effect:
            case Send(message=RoundOpened() | Refused() | Have() as message) if message.cid == cid:
                return _SAYS[type(message)]
            case Erase(prefix=prefix) if prefix.startswith(cid.hex()):
                return _SAYS[Erase]
        return None

    def _binding(self, effect: Effect) -> tuple[str, int] | None:
        cid = self.config.cid()
        digests = [set_digest(cid, chosen) for chosen in self.sets]
        match effect:
            case Send(message=Vote() as vote):
                return "vote", digests.index(vote.set_digest)
            case SumShares():
                return "sum", self.sets.index(effect.chosen)
            case Answer():
                return "answer", digests.index(effect.header.set_digest)
        return None

    def _recorded_first(self, effects: list[Effect]) -> None:
        places = [isinstance(effect, Record) for effect in effects]
        assert places == sorted(places, reverse=True), "something comes before its record"


_SAYS: dict[type[Any], str] = {
    RoundOpened: "opened",
    Refused: "refused",
    Have: "receipt",
    Erase: "erased",
}
