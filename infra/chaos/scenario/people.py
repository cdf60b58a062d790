"""Who is who in a scenario: the names that people write, and the simulator's hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.chaos.cells import Party
from infra.simulation.faults import Size
from infra.simulation.job import roster_of

BROKER = "broker"
_RESERVED = ("coordinator", "holders", "trainers", "everybody", BROKER)


@dataclass(frozen=True, slots=True)
class People:
    """Hosts by name, names by host, and groups of names. The broker's host is empty."""

    hosts: Mapping[str, str]
    parties: Mapping[str, Party]
    groups: Mapping[str, tuple[str, ...]]

    @staticmethod
    def of(size: Size, owners: Iterable[str] = ()) -> People:
        """Name everybody: holder-1, trainer-1 and on; owners of a job by their own names."""
        roster = roster_of(size)
        own = tuple(owners) or tuple(f"trainer-{k + 1}" for k in range(size.trainers))
        holders = tuple(f"holder-{k + 1}" for k in range(size.holders))
        hosts = {roster.coordinator: roster.coordinator, BROKER: ""}
        hosts |= dict(zip(holders, roster.holders, strict=True))
        hosts |= dict(zip(own, roster.trainers, strict=True))
        parties = {roster.coordinator: Party.COORDINATOR, BROKER: Party.BROKER}
        parties |= dict.fromkeys(holders, Party.HOLDER) | dict.fromkeys(own, Party.TRAINER)
        everybody = (roster.coordinator, *holders, *own)
        groups = {"holders": holders, "trainers": own, "everybody": everybody}
        return People(hosts, parties, groups)

    @property
    def known(self) -> tuple[str, ...]:
        """All that may be written for somebody, groups first."""
        return (*self.groups, *self.hosts)

    def names(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return whom these words stand for, each once. Raises `KeyError` for a stranger."""
        found: dict[str, None] = {}
        for word in words:
            if word not in self.groups and word not in self.hosts:
                raise KeyError(word)
            found |= dict.fromkeys(self.groups.get(word, (word,)))
        return tuple(found)

    def label(self, host: str) -> str:
        """Return the name of a host."""
        return next((name for name, each in self.hosts.items() if each == host), host)

    def party(self, host: str) -> Party:
        """Return what a host is."""
        return self.parties[self.label(host)]

    def with_groups(self, groups: Mapping[str, tuple[str, ...]]) -> People:
        """Return the same people with more groups."""
        return People(self.hosts, self.parties, {**self.groups, **groups})


def is_reserved(name: str) -> bool:
    """Say whether a name stands for something in every scenario."""
    return name in _RESERVED
