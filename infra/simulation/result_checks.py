"""Which result a trainer gives to which buffered round: in sums over one state, and only one."""

from __future__ import annotations

from protocols.records import Contributed
from protocols.secagg.carrying import Given

from .ghost import Ghost, Rule

_STATES = 64  # of each trainer that are remembered


class ResultChecks:
    """Remembers what trainers recorded. A trainer that lost its disk is bound by nothing."""

    def __init__(self, ghost: Ghost) -> None:
        self._ghost = ghost
        self._over: dict[tuple[str, bytes], bytes] = {}  # by trainer and base
        self._given: dict[tuple[str, bytes], Given] = {}  # by trainer and state of the round

    def recorded(self, host: str, record: Contributed) -> None:
        """Look at the record of a contribution that has just become durable."""
        config, ghost = record.config, self._ghost
        if not config.buffered:
            return
        given = Given(base=record.base, staleness=record.staleness)
        ghost.given[host, config.cid()] = given
        if self._over.setdefault((host, given.base), config.state) != config.state:
            self._violated(host, "contributed one result to sums over two states")
        if self._given.setdefault((host, config.state), given) != given:
            self._violated(host, "contributed two results to sums over one state")
        self._check_age(host, record)
        for known in (self._over, self._given):
            while len(known) > _STATES * len(ghost.roster.trainers):
                del known[next(iter(known))]

    def _check_age(self, host: str, record: Contributed) -> None:
        """See that nothing is older than it says, or than it may be."""
        config, age = record.config, record.staleness
        fresh = record.base == config.state
        if fresh != (age == 0) or age > config.max_staleness:
            self._violated(host, f"contributed what is said to be {age} rounds old")

    def _violated(self, host: str, text: str) -> None:
        if host not in self._ghost.forgetful:
            self._ghost.violated(Rule.ONE_RESULT, host, text)
