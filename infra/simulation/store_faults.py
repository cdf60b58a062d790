"""Faults of the broker, of the blobs, and of disks."""

from __future__ import annotations

from .crew import Crew, Strikes
from .disk import LATENCY_S
from .draws import fraction
from .faults import Fault, Kind


class StoreFaults:
    """Brings them about."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.BROKER_RESTART: self._restart_broker,
            Kind.BROKER_LOSES_UNCONFIRMED: self._restart_broker,
            Kind.BROKER_WIPED: self._restart_broker,
            Kind.BROKER_BLOCKED: self._block_broker,
            Kind.BLOBS_SLOW: self._slow_blobs,
            Kind.DISK_FULL: self._fill_disk,
            Kind.DISK_SLOW: self._slow_disk,
            Kind.FSYNC_LIES: self._lie,
            Kind.OLD_BACKUP: self._back_up,
            Kind.JOURNAL_DAMAGED: self._damage_journal,
            Kind.SPOOL_DAMAGED: self._damage_spool,
        }

    def _restart_broker(self, fault: Fault) -> None:
        broker = self.crew.world.broker
        if not broker.up:
            return
        self.crew.fired(fault)
        if fault.kind is Kind.BROKER_LOSES_UNCONFIRMED:
            broker.lose_unconfirmed()
        elif fault.kind is Kind.BROKER_WIPED:
            broker.lose_all()
        broker.go_down()
        for host in self.crew.world.hosts.values():
            if host.transport is not None:
                host.transport.lose_connection()
        self.crew.later(fault.duration_s, setattr, broker, "up", True)

    def _block_broker(self, fault: Fault) -> None:
        self.crew.world.broker.blocked = True
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, self._unblock_broker)

    def _unblock_broker(self) -> None:
        self.crew.world.broker.blocked = False
        for name in self.crew.world.names:
            self.crew.go_on(name)

    def _slow_blobs(self, fault: Fault) -> None:
        self.crew.world.shelf.slow_s = fault.amount
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, setattr, self.crew.world.shelf, "slow_s", 0.0)

    def _fill_disk(self, fault: Fault) -> None:
        disk = self.crew.world.hosts[fault.target].disk
        disk.full = True
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, setattr, disk, "full", False)

    def _slow_disk(self, fault: Fault) -> None:
        disk = self.crew.world.hosts[fault.target].disk
        disk.latency_s = fault.amount
        self.crew.fired(fault)
        self.crew.later(fault.duration_s, setattr, disk, "latency_s", LATENCY_S)

    def _lie(self, fault: Fault) -> None:
        """Let nothing be durable for a while, at the end of which the power fails."""
        disk = self.crew.world.hosts[fault.target].disk
        self.crew.ghost.forgetful[fault.target] = None
        disk.lie()
        self.crew.fired(fault)
        self.crew.later(fault.amount, self.crew.world.crash_for, fault.target, fault.duration_s)

    def _back_up(self, fault: Fault) -> None:
        """Copy a disk; later the host is started from the copy, as it was then."""
        host = self.crew.world.hosts[fault.target]
        image = host.disk.image()

        def restore() -> None:
            self.crew.ghost.forgetful[fault.target] = None
            self.crew.world.crash(fault.target, down_s=fault.duration_s)
            host.disk.restore(image)
            self.crew.fired(fault)

        self.crew.later(fault.amount, restore)

    def _damage_journal(self, fault: Fault) -> None:
        """Make a journal unreadable until somebody has mended it."""
        disk = self.crew.world.hosts[fault.target].disk
        disk.damaged = True
        self.crew.fired(fault)
        self.crew.world.crash(fault.target, down_s=0.2)
        self.crew.later(fault.duration_s, setattr, disk, "damaged", False)

    def _damage_spool(self, fault: Fault) -> None:
        disk = self.crew.world.hosts[fault.target].disk
        for stream, kept in disk.chunks.items():
            for index in kept:
                drawn = self.crew.stage.draw(f"rot {fault.target} {stream}", index)
                if fraction(drawn, 0) < fault.amount:
                    disk.rotten[stream, index] = None
        if disk.rotten:
            self.crew.fired(fault)
