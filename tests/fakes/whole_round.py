"""A real coordinator's round in which some parties are missing: does it complete?"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from fakes.round_parts import (
    COORDINATOR,
    TIMING,
    answer_of,
    config_of,
    contribution,
    opening,
    said_open,
)
from fakes.signatures import MEANS

from infra.chaos.odds import Setting
from protocols.effects import CheckStream, Effect
from protocols.messages import Accepted, Contribution, Have, Vote, Wire
from protocols.reports import Step
from protocols.round_config import Roster
from protocols.secagg.gathering import Gathering
from protocols.secagg.patience import Patience
from protocols.secagg.sets import set_digest


class Fate(Enum):
    """The step in which a holder is lost."""

    FROM_THE_START = Step.OPENING
    WITHOUT_SHARES = Step.COLLECTING
    BEFORE_ITS_VOTE = Step.VOTING
    BEFORE_ITS_ANSWER = Step.RELEASING
    NEVER = Step.UPDATING


_ORDER = [fate.value for fate in Fate]


def completes(
    setting: Setting,
    trainers: Sequence[bool],
    fates: Sequence[Fate],
    *,
    last_after_s: float = 0.0,
) -> bool:
    """Play a round to its end; the last trainer's contribution comes `last_after_s` late."""
    played = _Played(setting, trainers, fates)
    played.open()
    played.collect(last_after_s)
    played.vote_and_answer()
    return played.ended()


class _Played:
    def __init__(self, setting: Setting, trainers: Sequence[bool], fates: Sequence[Fate]) -> None:
        holders = tuple(f"holder-{i + 1}" for i in range(setting.holders))
        owners = tuple(f"owner-{i + 1}" for i in range(setting.owners))
        roster = Roster(
            federation="test", coordinator=COORDINATOR, holders=holders, trainers=owners
        )
        self.config = config_of(
            holders=setting.holders,
            trainers=setting.owners,
            threshold=setting.threshold,
            vote=setting.vote,
            quorum=setting.quorum,
            minimum=setting.minimum,
            roster=roster.digest(),
        )
        self.now_s = 0.0
        self.gathering = Gathering(
            opening(self.config),
            roster,
            Patience(TIMING, 0.0),
            expected=(*holders, *owners),
            means=MEANS,
        )
        self.fates = dict(zip(holders, fates, strict=True))
        self.there = [name for name, here in zip(owners, trainers, strict=True) if here]
        self.effects: list[Effect] = self.gathering.start()

    def _still_there(self, step: Step) -> list[str]:
        """Name the holders that are not lost before or in this step."""
        place = _ORDER.index(step)
        return [name for name, fate in self.fates.items() if _ORDER.index(fate.value) > place]

    def _hear(self, sender: str, message: Wire) -> None:
        told = self.gathering.receive(self.now_s, sender, message)
        for check in (effect for effect in told if isinstance(effect, CheckStream)):
            self.gathering.checked(self.now_s, sender, ok=check.digest is not None)

    def _wait(self, seconds: float | None = None) -> None:
        """Let the time pass, until the step or the round ends if no seconds are given."""
        end_s = None if seconds is None else self.now_s + seconds
        step = self.gathering.step
        while (wake_s := self.gathering.next_wake_s()) is not None:
            if end_s is not None and wake_s > end_s:
                self.now_s = end_s
                return
            self.now_s = wake_s
            assert wake_s < 10 * TIMING.round_s, "a round without an end"
            self.gathering.advance(wake_s)
            if end_s is None and self.gathering.step is not step:
                return

    def open(self) -> None:
        for holder in self._still_there(Step.OPENING):
            self._hear(holder, said_open(self.config, holder))
        if self.gathering.step is Step.OPENING:
            self._wait()

    def collect(self, last_after_s: float) -> None:
        for trainer in self.there:
            self._hear(trainer, Accepted(cid=self.config.cid()))
        for trainer in self.there:
            if last_after_s and trainer == self.there[-1]:
                self._wait(last_after_s)
            for holder in self._still_there(Step.COLLECTING):
                self._hear(holder, Have(cid=self.config.cid(), contributions=self._one(trainer)))
        if self.gathering.step is Step.COLLECTING:
            self._wait()

    def _one(self, trainer: str) -> tuple[Contribution, ...]:
        return (contribution(self.config, trainer),)

    def vote_and_answer(self) -> None:
        cid, chosen = self.config.cid(), self.gathering.chosen
        if not chosen:
            return
        if self.config.vote:
            for holder in self._still_there(Step.VOTING):
                self._hear(holder, Vote(cid=cid, set_digest=set_digest(cid, chosen)))
        for holder in self._still_there(Step.RELEASING):
            for chunk in answer_of(self.config, chosen):
                self._hear(holder, chunk)
        self._wait()

    def ended(self) -> bool:
        """Whether the round has what it takes to open the sum; it has to have ended."""
        done = self.gathering.step is Step.UPDATING
        assert done is (self.gathering.abandoned is None), "a round without an end"
        return done
