"""Who is watched, and where its numbers may be fetched."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.round_config import Roster
from protocols.secagg.coordinating import Plan


class TelemetryError(Exception):
    """Telemetry can't be had as it was asked for: a wrong address, or one that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The actor of this process, with the rules of its job."""

    name: str
    roster: Roster
    plan: Plan

    @property
    def role(self) -> str:
        """Return `coordinator`, `holder` or `trainer`."""
        return self.role_of(self.name)

    def role_of(self, name: str) -> str:
        """Return the role of any name, `unknown` for a stranger's."""
        return self.roster.role(name) or "unknown"

    def peers(self) -> dict[str, str]:
        """Return those that this actor ever hears of, each with its role."""
        roster = self.roster
        coordinator = {roster.coordinator: "coordinator"}
        holders = dict.fromkeys(roster.holders, "holder")
        match self.role:
            case "coordinator":
                return holders | dict.fromkeys(roster.trainers, "trainer")
            case "holder":
                return coordinator | dict.fromkeys(roster.trainers, "trainer")
            case _:
                return coordinator | holders


@dataclass(frozen=True, slots=True)
class Listen:
    """The address of the metrics server; port 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen | None:
        """Read `HOST:PORT`, with an IPv6 host in brackets; `off` and nothing mean no server.

        Raises `TelemetryError`.
        """
        if text.strip() in ("", "off"):
            return None
        host, colon, port = text.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise TelemetryError(
                f'telemetry.listen is {text!r}: write "HOST:PORT" such as "127.0.0.1:9464", '
                f'port 0 for any free one, or "off"'
            )
        return cls(host, int(port))
