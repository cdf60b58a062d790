"""Faults of hosts: crashes, pauses, clocks, owners' code, and actors that behave strangely."""

from __future__ import annotations

import msgspec

from actors.ports import Lane
from protocols.messages import Working

from .crew import HEARTBEAT_S, Crew, Strikes
from .disk import LATENCY_S
from .draws import fraction
from .faults import Fault, Kind
from .queues import Parcel
from .signatures import signed
from .worker import Training

_BABBLE_S = 0.05  # between two strange messages


class HostFaults:
    """Brings them about."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.CRASH: self._crash,
            Kind.CRASH_AT_COMMIT: self._crash,
            Kind.CRASH_AT_SEND: self._crash,
            Kind.DEATH: self._death,
            Kind.BLACKOUT: self._blackout,
            Kind.PAUSE: self._pause,
            Kind.CLOCK_JUMP: self._jump,
            Kind.CLOCK_DRIFT: self._drift,
            Kind.TRAINING_FAILS: lambda fault: self._train(fault, Training.FAILS),
            Kind.TRAINING_HANGS: lambda fault: self._train(fault, Training.HANGS),
            Kind.TRAINING_GARBAGE: lambda fault: self._train(fault, Training.GARBAGE),
            Kind.FALSE_MASK: self._false_mask,
            Kind.SLOW: self._slow,
            Kind.BABBLE: self._babble,
            Kind.LEAVE: self._leave,
            Kind.OTHER_ROSTER: self._other_roster,
        }

    def _crash(self, fault: Fault) -> None:
        if self.crew.world.crash(fault.target, down_s=fault.duration_s):
            self.crew.fired(fault)

    def _death(self, fault: Fault) -> None:
        self.crew.world.kill(fault.target)
        self.crew.fired(fault)

    def _blackout(self, fault: Fault) -> None:
        for name in self.crew.world.names:
            share = fraction(self.crew.stage.draw(f"blackout {name} {fault.at_s}"), 0)
            self.crew.world.crash(name, down_s=fault.duration_s * (0.5 + share))
        self.crew.fired(fault)

    def _pause(self, fault: Fault) -> None:
        host = self.crew.world.hosts[fault.target]
        life = host.life
        if life is None or life.held is not None:
            return
        life.pause()
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self.crew.loop.resume, life)
        transport = host.transport
        if fault.duration_s > HEARTBEAT_S and transport is not None:
            self.crew.later(HEARTBEAT_S, transport.lose_connection)

    def _jump(self, fault: Fault) -> None:
        clock = self.crew.world.hosts[fault.target].clock
        clock.change(self.crew.loop.now_s, rate=clock.rate, ahead_s=fault.amount)
        self.crew.fired(fault)

    def _drift(self, fault: Fault) -> None:
        clock = self.crew.world.hosts[fault.target].clock
        clock.change(self.crew.loop.now_s, rate=fault.amount)
        self.crew.fired(fault)

    def _train(self, fault: Fault, behaviour: Training) -> None:
        owner = self.crew.world.hosts[fault.target].owner
        if owner is None:
            return
        owner.training = behaviour
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, setattr, owner, "training", Training.GOOD)

    def _false_mask(self, fault: Fault) -> None:
        """Let a trainer mask its vectors under other secrets than it shares, now and then."""
        owner = self.crew.world.hosts[fault.target].owner
        if owner is None:
            return
        owner.false_masks = fault.amount
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, setattr, owner, "false_masks", 0.0)

    def _slow(self, fault: Fault) -> None:
        host = self.crew.world.hosts[fault.target]
        self.crew.fired(fault)
        if host.owner is None:
            host.disk.latency_s = LATENCY_S * fault.amount
            self.crew.later(fault.duration_s, setattr, host.disk, "latency_s", LATENCY_S)
            return
        host.owner.pace = fault.amount
        self.crew.later(fault.duration_s, setattr, host.owner, "pace", 1.0)

    def _babble(self, fault: Fault) -> None:
        """Let a host send garbage and strange messages to everybody."""
        self.crew.ghost.odd[fault.target] = None
        self.crew.fired(fault)
        for number in range(int(fault.amount)):
            self.crew.later(number * _BABBLE_S, self._say_nonsense, fault.target, number)

    def _say_nonsense(self, name: str, number: int) -> None:
        bits = self.crew.stage.draw(f"babble {name}", number)
        names = self.crew.world.names
        to = names[bits % len(names)]
        if fraction(bits, 8) < 0.5:
            body = bits.to_bytes(8, "big") * 4
        else:
            federation = self.crew.world.roster.federation
            body = signed(federation, name, Working(cid=bits.to_bytes(8, "big") * 4))
        lane = Lane.CONTROL if bits & 1 else Lane.BULK
        self.crew.world.broker.take(to, lane, Parcel(name, body, "nonsense", 0.0))

    def _leave(self, fault: Fault) -> None:
        """Let an actor go in good order and come back later."""
        host = self.crew.world.hosts[fault.target]
        if not host.alive or fault.target == self.crew.world.roster.coordinator:
            return
        self.crew.fired(fault)
        host.held_back = True
        self.crew.world.stop(fault.target)
        self.crew.later(fault.duration_s, self._come_back, fault.target)

    def _come_back(self, name: str) -> None:
        self.crew.world.hosts[name].held_back = False
        self.crew.world.start(name)

    def _other_roster(self, fault: Fault) -> None:
        """Start an actor anew with a roster that lacks somebody, for a while."""
        host, roster = self.crew.world.hosts[fault.target], self.crew.world.roster
        if fault.target == roster.coordinator:
            return
        self.crew.ghost.odd[fault.target] = None
        missing = next(name for name in roster.trainers if name != fault.target)
        fewer = tuple(name for name in roster.trainers if name != missing)
        host.roster = msgspec.structs.replace(roster, trainers=fewer)
        self.crew.world.crash(fault.target, down_s=0.5)
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self.right_roster, fault.target)

    def right_roster(self, name: str) -> None:
        """Start an actor anew with the roster that everybody has."""
        self.crew.world.hosts[name].roster = self.crew.world.roster
        self.crew.world.crash(name, down_s=0.5)
