"""What of a scenario can't be done to real processes, and why."""

from __future__ import annotations

from collections.abc import Iterator

from infra.chaos.cells import Party
from infra.chaos.scenario import Blow, Script
from infra.chaos.scenario.actions import WORDS
from infra.simulation.faults import Kind, Rates
from infra.simulation.liars.moments import MOMENTS

MOST_ACTORS = 40  # processes of this machine, and as many again for the code of owners
LONGEST_BAD_DISK_S = 15.0  # then an actor that can't open its journal gives up for good

_RATES = ("lost", "unconfirmed", "doubled", "delayed", "overtaken", "unacked")
_CLOCK = "all processes share the clock of this machine"
IMPOSSIBLE: dict[Kind, str] = {
    Kind.LINK_ENDED: "an actor ends its link itself, and nobody can make it",
    Kind.CONSUMER_CANCELLED: "a broker takes a consumer away only together with its queue",
    Kind.SILENT: "a process that says nothing is cut off by the broker: use partition-out",
    Kind.DISK_SLOW: "the homes are on one disk of this machine, which is as fast as it is",
    Kind.CLOCK_JUMP: _CLOCK,
    Kind.CLOCK_DRIFT: _CLOCK,
    Kind.BLOBS_SLOW: "model states come on the same connection as everything else",
    **dict.fromkeys(
        (*MOMENTS, Kind.REPLAY, Kind.FALSE_MASK),
        "real processes run the honest program: nobody lies",
    ),
}


def obstacles(script: Script) -> tuple[str, ...]:
    """Return what can't be done of a script that has its real pace, each with its place."""
    return (*_cast(script), *_messages(script.rates), *_faults(script))


def _cast(script: Script) -> Iterator[str]:
    count = len(script.people.groups["everybody"])
    if count > MOST_ACTORS:
        yield f"cast: {count} actors; there are at most {MOST_ACTORS} real processes"


def _messages(rates: Rates) -> Iterator[str]:
    named = [name for name in _RATES if getattr(rates, name)]
    if named:
        yield (
            f"messages ({', '.join(named)}): a TCP connection loses, doubles and reorders no "
            f"message by itself"
        )


def _faults(script: Script) -> Iterator[str]:
    for blow in script.blows:
        reason = _reason(blow, script)
        if reason is not None:
            yield f'fault[{blow.place}] "{WORDS[blow.action.kind]}": {reason}'


def _reason(blow: Blow, script: Script) -> str | None:
    kind = blow.action.kind
    parties = {script.people.parties[name] for name in blow.names}
    if kind is Kind.SLOW and parties != {Party.TRAINER}:
        return "only training can be made slow, not the disk of a holder or the coordinator"
    if kind in (Kind.JOURNAL_DAMAGED, Kind.DISK_FULL) and blow.for_s > LONGEST_BAD_DISK_S:
        return (
            f"{blow.for_s:g} real seconds; after some {LONGEST_BAD_DISK_S:g} s an actor without "
            f"a journal gives up for good, and somebody has to start it"
        )
    size = script.size
    if kind is Kind.OTHER_ROSTER and size.trainers == size.minimum:
        return "a roster without somebody would be below the minimum, which no job file may say"
    return IMPOSSIBLE.get(kind)
