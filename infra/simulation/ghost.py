"""The facts of a history as seen from outside all hosts, and the rules that were broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from protocols.codec import parse
from protocols.records import HeldConfig
from protocols.round_config import Roster, RoundConfig
from protocols.secagg.carrying import Given, aged
from protocols.secagg.fixed_point import FixedPoint
from protocols.trust.sealing import SealingKey

from .disk import Disk
from .lies import Lies
from .loop import SimLoop
from .onlooker import Onlooker

T = TypeVar("T")

_MOST = 50  # violations of one history that are kept
_PARSED = 4096
_NUMBERS = 10_000


class Rule(Enum):
    """What must hold in every history."""

    DURABLE = "durable before announced"
    ONE_VOTE = "a holder votes for one set a round"
    ONE_ANSWER = "a holder answers once a round, for the set it voted for"
    MINIMUM = "no sum below the minimum"
    CERTIFICATE = "an answer needs a quorum of votes for its set"
    THRESHOLD = "no sum is opened from fewer than t answers"
    EXACT = "an opened sum is that of the accepted contributions"
    TURN = "nobody contributes or is summed outside of the batches that a round asks"
    DISTINCT = "no contribution counts twice"
    GENUINE = "what is chosen was contributed"
    ONE_COIN = "one freeze and one coin a round, and values under it only"
    CONSISTENT = "no sum that was checked has shares of no vector"
    SHORT = "no sum that was checked has a vector beyond the bound"
    ONE_SUM = "no two sums of one round can be opened"
    APART = "no two sums over one state differ by fewer trainers than the minimum"
    ONE_CONTRIBUTION = "a trainer contributes once a round"
    ONE_RESULT = "a result is in sums over one state, and over that state it is the only one"
    ADDRESSED = "a share goes to its holder only"
    SECRET = "nothing secret leaves its owner"  # noqa: S105 - a sentence
    MONOTONE = "rounds are numbered upwards and never used again"
    JOURNALLED = "no state without its round in the journal"
    ENDINGS = "a round has one ending, and it is true"
    BOUNDED = "queues and stores are bounded"
    GONE = "after the end of a round its shares are gone"
    NAMED = "whose answer is false is named"
    HONEST = "nobody who keeps the rules is accused"
    QUIET = "nothing dies unnoticed or of itself"
    ALIVE = "with a healed core, rounds complete"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, when and by whom."""

    rule: Rule
    at_s: float
    host: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:.3f} s, {self.host}: {self.rule.value}: {self.text}"


@dataclass(slots=True)
class Ghost:
    """What everybody has done so far.

    `forgetful`: hosts whose disk lost something that was said to be durable; `odd`: hosts that
    were made to break rules, so that accusations of them are true; `keys`: by host and round, what
    is sealed to it; `votes`: by round and holder, all sets that it voted for, as one that forgot
    its first vote may vote again; `bulk`: by round, whose bulk the coordinator said that it has;
    `given`: by trainer and buffered round, which result was contributed.
    """

    roster: Roster
    disks: dict[str, Disk]
    loop: SimLoop
    violations: list[Violation] = field(default_factory=list)
    forgetful: dict[str, None] = field(default_factory=dict)
    odd: dict[str, None] = field(default_factory=dict)
    numbers: dict[bytes, int] = field(default_factory=dict)
    receipts: dict[bytes, dict[str, dict[str, None]]] = field(default_factory=dict)
    bulk: dict[bytes, dict[str, None]] = field(default_factory=dict)
    votes: dict[bytes, dict[str, dict[bytes, None]]] = field(default_factory=dict)
    contributed: dict[bytes, dict[tuple[str, bytes], None]] = field(default_factory=dict)
    vectors: dict[tuple[str, bytes], NDArray[np.float64]] = field(default_factory=dict)
    given: dict[tuple[str, bytes], Given] = field(default_factory=dict)
    complete: dict[int, tuple[str, ...]] = field(default_factory=dict)
    abandoned: dict[int, str] = field(default_factory=dict)
    keys: dict[tuple[str, bytes], SealingKey] = field(default_factory=dict)
    onlookers: list[Onlooker] = field(default_factory=list)
    lies: Lies = field(init=False)
    _parsed: dict[bytes, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lies = Lies()

    def violated(self, rule: Rule, host: str, text: str) -> None:
        """Take note that a rule was broken."""
        if len(self.violations) < _MOST:
            self.violations.append(Violation(rule, self.loop.now_s, host, text))

    def voted(self, cid: bytes, holder: str, digest: bytes) -> bool:
        """Return whether a vote of this holder for this set was sent, be it a lie."""
        own = self.votes.get(cid, {}).get(holder, {})
        return digest in own or self.lies.voted(cid, holder, digest)

    def durable(self, host: str, key: str, schema: type[T]) -> T | None:
        """Return a record that is on a host's disk now, None where there is none."""
        data = self.disks[host].records.get(key)
        return None if data is None else self.parsed(data, schema)

    def config_at(self, host: str, cid: bytes) -> RoundConfig | None:
        """Return the configuration of a round that is open at a holder now."""
        held = self.durable(host, f"round/{cid.hex()}/config", HeldConfig)
        return None if held is None else held.config

    def parsed(self, data: bytes, schema: type[T]) -> T:
        """Return a record; the same bytes are read once."""
        known = self._parsed.get(data)
        if isinstance(known, schema):
            return known
        if len(self._parsed) >= _PARSED:
            self._parsed.clear()
        value = self._parsed[data] = parse(data, schema)
        return value

    def part_of(self, host: str, config: RoundConfig) -> NDArray[np.float64] | None:
        """Return what a trainer's part in a sum is; None where it never computed it."""
        if not config.buffered:
            return self.vectors.get((host, config.state))
        given = self.given.get((host, config.cid()))
        vector = None if given is None else self.vectors.get((host, given.base))
        if given is None or vector is None:
            return None
        fixed = FixedPoint.of(config)
        return fixed.decode(fixed.encode(aged(config, vector, given.staleness)))

    def forget_rounds(self, keep: int = 64) -> None:
        """Drop the facts of rounds that are long over."""
        for facts in (self.votes, self.contributed, self.receipts, self.bulk):
            while len(facts) > keep:
                del facts[next(iter(facts))]
        # A host that was away for long answers to rounds that were over long ago.
        while len(self.numbers) > _NUMBERS:
            del self.numbers[next(iter(self.numbers))]
        while len(self.keys) > keep * (1 + len(self.roster.holders)):
            del self.keys[next(iter(self.keys))]
        while len(self.given) > keep * len(self.roster.trainers):
            del self.given[next(iter(self.given))]
        while len(self.vectors) > keep * len(self.roster.trainers):
            del self.vectors[next(iter(self.vectors))]
