"""How patient a link is, and how much it keeps on its way."""

from __future__ import annotations

from dataclasses import dataclass

from .window import WindowSize

_MIB = 2**20
_CONTROL = WindowSize(messages=64, size_bytes=4 * _MIB)
_BULK = WindowSize(messages=16, size_bytes=8 * _MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPolicy:
    """Durations in seconds.

    `heartbeat_s`: the broker and we hang up after three silent ones.
    `connect_s`: for one attempt, subscriptions included.
    `longest_wait_s`: between two attempts; up to `refused_wait_s` where the broker refuses us.
    `steady_s`: a connection that lived this long is no failed attempt.
    `pulse_s`, `pulse_limit_s`: how often a connection is asked, and how long it may do nothing
    before it counts as dead, heartbeats or not.
    `answer_s`: for one step on an open connection, such as the begin or end of a subscription.
    `confirm_s`: for the broker to confirm a message while it reads others; twice that at the next
    attempt with the same message, and so on, up to ten times.
    `refused_s`: for the broker to take a message that it refuses on one channel, before another is
    tried; every `renewal_s` at most, as the queue may simply be full.
    `replica_s`: how long a stream may have no copy on the node that we are connected to, before we
    try another node; an election takes seconds.
    `close_s`: for an orderly end.
    """

    heartbeat_s: int = 10
    connect_s: float = 15.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0
    refused_wait_s: float = 60.0
    steady_s: float = 10.0
    pulse_s: float = 30.0
    pulse_limit_s: float = 20.0
    answer_s: float = 60.0
    confirm_s: float = 20.0
    refused_s: float = 2.0
    renewal_s: float = 10.0
    replica_s: float = 30.0
    close_s: float = 3.0
    control: WindowSize = _CONTROL
    bulk: WindowSize = _BULK


SERVERS = LinkPolicy()
# Many of them: they come back one after the other instead of all at once.
TRAINERS = LinkPolicy(longest_wait_s=15.0)
