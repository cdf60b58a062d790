"""Lets the planned faults happen: at their time, or when their target reaches what they aim at."""

from __future__ import annotations

from protocols.reports import Event, RoundBegan

from .crew import Crew
from .faults import ANYBODY, Fault, Plan, Point, Rates
from .ghost import Ghost
from .host_faults import HostFaults
from .hosts import Life
from .liars.company import Liars
from .store_faults import StoreFaults
from .way_faults import WayFaults
from .worker import Training
from .world import World


class Director:
    """Starts and ends faults; each that really happened is counted in the stage's `fired`."""

    def __init__(self, plan: Plan, world: World, ghost: Ghost) -> None:
        self._plan = plan
        self._world = world
        self._stage = world.stage
        self._crew = Crew(world, ghost)
        self._hosts = HostFaults(self._crew)
        self._ways = WayFaults(self._crew)
        self._strikes = (
            self._hosts.strikes()
            | self._ways.strikes()
            | StoreFaults(self._crew).strikes()
            | Liars(self._crew, plan).strikes()
        )
        self._armed: dict[str, list[_Armed]] = {}
        self._ghost = ghost
        self._round = 0

    def schedule(self) -> None:
        """Plan everything."""
        self._stage.reached, self._stage.awaited = self._reached, self._armed
        self._ghost.onlookers.append(self)
        for fault in self._plan.faults:
            if not fault.round:
                begin = self._strike if fault.aim is None else self._arm
                self._stage.loop.at(fault.at_s, begin, fault)

    # --- rounds -----------------------------------------------------------------------

    def told(self, now_s: float, _host: str, event: Event) -> None:
        """Plan the faults of a round when it begins, and give those of earlier ones up."""
        if not isinstance(event, RoundBegan) or event.number <= self._round or self._crew.over:
            return
        last, self._round = self._round, event.number
        for by, waiting in list(self._armed.items()):
            self._armed[by] = [each for each in waiting if not each.fault.round]
            if not self._armed[by]:
                del self._armed[by]
        for fault in self._plan.faults:
            if last < fault.round <= event.number:
                if fault.aim is not None and not fault.at_s:
                    self._arm(fault)
                else:
                    begin = self._strike if fault.aim is None else self._arm
                    self._stage.loop.at(now_s + fault.at_s, begin, fault)

    def struck(self, _now_s: float, _fault: Fault) -> None:
        """Know it already."""

    def over(self, _now_s: float) -> None:
        """Know it already."""

    # --- strikes ----------------------------------------------------------------------

    def _arm(self, fault: Fault) -> None:
        if not self._crew.over and fault.round in (0, self._round):
            by = fault.target if fault.aim is None else fault.aim.by or fault.target
            self._armed.setdefault(by, []).append(_Armed(fault))

    def _reached(self, life: Life, point: Point, what: str) -> None:
        for by in (life.host, ANYBODY):
            if by in self._armed:
                self._meet(by, point, what)

    def _meet(self, by: str, point: Point, what: str) -> None:
        for armed in self._armed[by]:
            if armed.meets(point, what):
                self._armed[by].remove(armed)
                if not self._armed[by]:
                    del self._armed[by]
                self._stage.fired[f"aimed {point.value}"] += 1
                self._strike(armed.fault)
                return

    def _strike(self, fault: Fault) -> None:
        target = self._world.hosts.get(fault.target)
        if self._crew.over or (target is not None and target.dead):
            return
        self._stage.tell(f"fault {fault.kind.value} {fault.target} {fault.duration_s:.3f}")
        self._strikes[fault.kind](fault)

    # --- healing ----------------------------------------------------------------------

    def heal(self) -> None:
        """End every fault and begin none any more."""
        self._crew.over = True
        for onlooker in self._ghost.onlookers:
            onlooker.over(self._stage.loop.now_s)
        self._armed.clear()
        self._stage.rates = Rates(hop_s=self._stage.rates.hop_s)
        for name in self._world.names:
            self._heal_host(name)
        self._world.shelf.slow_s = 0.0
        broker = self._world.broker
        broker.up, broker.blocked = True, False
        for name in self._world.names:
            broker.consume_again(name)
            self._crew.go_on(name)

    def _heal_host(self, name: str) -> None:
        host = self._world.hosts[name]
        self._ways.open_path(name)
        host.held_back = False
        if host.roster != self._world.roster:
            self._hosts.right_roster(name)
        host.disk.mend()
        host.clock.change(self._stage.loop.now_s, rate=1.0)
        if host.owner is not None:
            host.owner.training, host.owner.pace = Training.GOOD, 1.0
            host.owner.false_masks = 0.0
        if host.life is not None:
            self._stage.loop.resume(host.life)


class _Armed:
    """A fault that waits for what it aims at."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = 1 if fault.aim is None else fault.aim.nth

    def meets(self, point: Point, what: str) -> bool:
        aim = self.fault.aim
        if aim is None or aim.point is not point or (aim.what and aim.what != what):
            return False
        self._left -= 1
        return self._left <= 0
