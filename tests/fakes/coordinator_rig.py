"""A coordinator's machine with a disk: what it decides is kept there, and a crash leaves it."""

from __future__ import annotations

from protocols.codec import parse
from protocols.effects import Effect
from protocols.messages import Have, Wire
from protocols.records import RunRecord
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.coordinating import Coordinating, JobStep, Plan

from .round_parts import COORDINATOR, HOLDERS, ROSTER, Disk, contribution, entropy_of
from .signatures import ANYBODY, Means, by_member


class Head:
    """A machine that begins its job at the step `first`, with `start`."""

    def __init__(self, plan: Plan, first: JobStep, roster: Roster = ROSTER) -> None:
        self.disk, self.now_s = Disk(), 0.0
        self.plan, self.first, self.roster = plan, first, roster
        self.machine = self._built()

    def _built(self) -> Coordinating:
        return Coordinating(self.roster, self.plan, Means(entropy_of(COORDINATOR), ANYBODY))

    def start(self) -> list[Effect]:
        initial = self.first if self.machine.run is None else None
        return self.disk.keep(self.machine.start(self.now_s, initial))

    def crash(self) -> list[Effect]:
        self.machine = self._built()
        self.machine.restore(self.disk.journal)
        return self.start()

    def hear(self, sender: str, message: Wire) -> list[Effect]:
        signature = by_member(self.roster, sender, message)
        return self.disk.keep(self.machine.receive(self.now_s, sender, message, signature))

    def at(self, now_s: float) -> list[Effect]:
        self.now_s = now_s
        return self.disk.keep(self.machine.advance(now_s))

    @property
    def config(self) -> RoundConfig:
        gathering = self.machine._round
        assert gathering is not None
        return gathering.config

    @property
    def run(self) -> RunRecord:
        return parse(self.disk.journal["run"], RunRecord)

    def have(self, *trainers: str, holders: tuple[str, ...] = HOLDERS) -> list[Effect]:
        """Have holders say that they hold these trainers' contributions."""
        config = self.config
        some = tuple(contribution(config, name) for name in trainers)
        have = Have(cid=config.cid(), contributions=some)
        return [effect for name in holders for effect in self.hear(name, have)]
