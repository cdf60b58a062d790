"""Faults of the ways between hosts and the broker: cuts, clogs, and connections that end."""

from __future__ import annotations

from .crew import HEARTBEAT_S, Crew, Strikes
from .draws import fraction
from .faults import Fault, Kind
from .network import Path

_STEP_S = 0.3  # between one host and the next


class WayFaults:
    """Brings them about."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.CONSUMER_CANCELLED: self._cancel_consumer,
            Kind.CONNECTION_LOST: self._lose_connection,
            Kind.LINK_ENDED: self._end_link,
            Kind.PARTITION: lambda fault: self._partition(fault, out=True, back=True),
            Kind.PARTITION_IN: lambda fault: self._partition(fault, out=False, back=True),
            Kind.PARTITION_OUT: lambda fault: self._partition(fault, out=True, back=False),
            Kind.FLAPPING: self._flap,
            Kind.SWIZZLE: self._swizzle,
            Kind.CLOG: self._clog,
            Kind.SILENT: self._silence,
        }

    def _cancel_consumer(self, fault: Fault) -> None:
        if self.crew.world.broker.cancel_consumer(fault.target):
            self.crew.fired(fault)
            self.crew.later(fault.duration_s, self.crew.world.broker.consume_again, fault.target)

    def _lose_connection(self, fault: Fault) -> None:
        transport = self.crew.world.hosts[fault.target].transport
        if transport is not None:
            transport.lose_connection()
            self.crew.fired(fault)

    def _end_link(self, fault: Fault) -> None:
        host = self.crew.world.hosts[fault.target]
        if host.alive and host.transport is not None:
            host.transport.break_off()
            self.crew.fired(fault)

    def _partition(self, fault: Fault, *, out: bool, back: bool) -> None:
        self._cut(fault.target, out=out, back=back)
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self.open_path, fault.target)

    def _cut(self, name: str, *, out: bool = True, back: bool = True) -> None:
        path = self.crew.world.path(name)
        path.out.cut, path.back.cut = path.out.cut or out, path.back.cut or back
        self.crew.later(HEARTBEAT_S, self._give_up, name, path)

    def _give_up(self, name: str, path: Path) -> None:
        if path.whole:
            return
        path.lose_held()
        transport = self.crew.world.hosts[name].transport
        if transport is not None:
            transport.lose_connection()

    def open_path(self, name: str) -> None:
        """Take away whatever holds up what a host says and hears."""
        path = self.crew.world.path(name)
        path.muted = False
        for direction in (path.out, path.back):
            direction.cut = direction.clogged = False
            path.open_up(direction)
        self.crew.go_on(name)

    def _flap(self, fault: Fault) -> None:
        self.crew.fired(fault)
        times = max(1, int(fault.amount))
        each_s = fault.duration_s / (2 * times)
        for number in range(times):
            self.crew.later(2 * number * each_s, self._cut, fault.target)
            self.crew.later((2 * number + 1) * each_s, self.open_path, fault.target)

    def _swizzle(self, fault: Fault) -> None:
        """Cut some hosts one by one, and open their ways one by one in another order."""
        self.crew.fired(fault)
        drawn = {
            n: self.crew.stage.draw(f"swizzle {n} {fault.at_s}") for n in self.crew.world.names
        }
        some = [n for n in drawn if fraction(drawn[n], 0) < fault.amount]
        for place, name in enumerate(sorted(some, key=lambda n: drawn[n] >> 16)):
            self.crew.later(place * _STEP_S, self._cut, name)
        for place, name in enumerate(sorted(some, key=lambda n: drawn[n] & 0xFFFF)):
            self.crew.later(fault.duration_s + place * _STEP_S, self.open_path, name)

    def _clog(self, fault: Fault) -> None:
        path = self.crew.world.path(fault.target)
        path.out.clogged = path.back.clogged = True
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self.open_path, fault.target)

    def _silence(self, fault: Fault) -> None:
        self.crew.world.path(fault.target).muted = True
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self.open_path, fault.target)
