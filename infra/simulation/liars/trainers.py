"""A trainer that lies about what it contributes.

Who must refuse: a holder takes one contribution of each trainer a round, in that one's own name
and of the round's shape, and checks the digest before it tells that it has it. Holders that were
sent different ones tell so by their receipts, and the coordinator leaves the trainer out. Nobody
can refuse values that fit, nor, in a round without checks, shares of one contribution that do
not fit each other, nor bulk under another mask than that of its shares: a sum with it opens to
nothing that passes for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.simulation.crew import Strikes
from infra.simulation.draws import stream
from infra.simulation.faults import Fault, Kind
from protocols.messages import ContributionHeader, ShareChunk
from protocols.records import Contributed
from protocols.round_config import RoundConfig
from protocols.secagg.chunks import (
    bulk_chunk_count,
    has_bulk,
    share_chunk_count,
    with_salts,
)
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.sets import contribution_digest
from protocols.secagg.suites import SUITES

from .beside import Beside, beside
from .lying import Lying
from .memory import Memory
from .tongue import Tongue

_MOST = 1000  # of a made up value
_LONG = 70_000.0  # beyond every bound of a round with 8 fraction bits
_WORD = 8  # bytes

Say = Callable[[str, ShareChunk], bool]


@dataclass(frozen=True, slots=True)
class Made:
    """What a liar made up: a vector, its integers, a share for each holder, and bulk.

    They may not fit.
    """

    vector: NDArray[np.float64] | None
    values: NDArray[np.int64]
    payloads: tuple[bytes, ...]
    bulk: tuple[bytes, ...] = ()

    def changed(self, change: Callable[[bytes], bytes]) -> Made:
        """Return it with every payload changed."""
        payloads, bulk = map(change, self.payloads), map(change, self.bulk)
        return replace(self, payloads=tuple(payloads), bulk=tuple(bulk))


class LyingTrainers(Lying):
    """Sends shares that are not those of its one contribution."""

    def __init__(self, tongue: Tongue, memory: Memory) -> None:
        super().__init__(tongue)
        self._memory = memory

    def strikes(self) -> Strikes:
        """Return what to do for each kind."""
        return {
            Kind.LIE_SECOND_CONTRIBUTION: partial(self.begin, self._second_contribution),
            Kind.LIE_WRONG_SHARE: partial(self.begin, self._wrong_share),
            Kind.LIE_OTHERS_NAME: partial(self.begin, self._others_name),
            Kind.LIE_GARBAGE_SHARE: partial(self.begin, self._garbage),
            Kind.LIE_OLD_SHARE: partial(self.begin, self._old_share),
            Kind.LIE_LOOSE_SHARES: partial(self.begin, self._loose_shares),
            Kind.LIE_LONG_VECTOR: partial(self.begin, self._long_vector),
            Kind.LIE_OTHER_MASK: partial(self.begin, self._other_mask),
        }

    def _second_contribution(self, fault: Fault) -> bool:
        """Contribute other values as well: to some holders, in any order with the true ones.

        A holder that gets both leaves the trainer out; where each gets one, the coordinator does.
        """
        config = self._config()
        if config is None:
            return False
        return self._contribute(fault, config, self._made_up(fault, config, 0))

    def _long_vector(self, fault: Fault) -> bool:
        """Contribute a vector beyond the bound, with the best bits that there are for it.

        Only the check before the vote can tell, where norms are bound.
        """
        config = self._config()
        if config is None or has_bulk(config):
            return False
        vector = np.zeros(config.dimension)
        vector[self.tongue.bits(fault) % config.dimension] = _LONG
        made = self._protected(fault, config, 0, vector)
        header = _header(config, fault.target, made)
        long = self.tongue.crew.ghost.lies.long.setdefault(header.cid, {})
        long[fault.target, contribution_digest(header)] = None
        return self._contribute(fault, config, made)

    def _loose_shares(self, fault: Fault) -> bool:
        """Contribute shares that belong to no vector: each holder's is of another one.

        Only a check before the vote can tell. Without it the sum is wrong in a way that depends
        on who answers.
        """
        config = self._config()
        if config is None:
            return False
        made = [self._made_up(fault, config, place) for place in range(config.holders)]
        payloads = tuple(each.payloads[place] for place, each in enumerate(made))
        loose = replace(made[0], vector=None, payloads=payloads)
        header = _header(config, fault.target, loose)
        known = self.tongue.crew.ghost.lies.loose.setdefault(header.cid, {})
        known[fault.target, contribution_digest(header)] = None
        return self._contribute(fault, config, loose)

    def _other_mask(self, fault: Fault) -> bool:
        """Contribute bulk under another secret than the one that is shared.

        Whatever is said to be its vector: no sum with it may ever be opened.
        """
        config = self._config()
        if config is None or not has_bulk(config):
            return False
        made, other = (self._made_up(fault, config, number) for number in (0, 1))
        return self._contribute(fault, config, replace(made, bulk=other.bulk))

    def _wrong_share(self, fault: Fault) -> bool:
        """Send a share that has not the digest which its header announces."""
        config = self._config()
        if config is None:
            return False
        made, other = (self._made_up(fault, config, number) for number in (0, 1))
        header = _header(config, fault.target, made)
        return self._send_all(fault, header, other)

    def _others_name(self, fault: Fault) -> bool:
        """Send a share for another trainer: under its name, or in an envelope of its own."""
        config, roster = self._config(), self.tongue.roster
        if config is None:
            return False
        other = next(name for name in roster.trainers if name != fault.target)
        made = self._made_up(fault, config, 0)
        header = _header(config, other, made)
        name = other if self.tongue.bits(fault) & 1 else ""
        say = partial(self.tongue.say, fault.target, name=name)
        return self._send_all(fault, header, made, say=say)

    def _garbage(self, fault: Fault) -> bool:
        """Send a share of another shape, in clear, of no residues, or a chunk that no share has."""
        config = self._config()
        if config is None:
            return False
        made = self._made_up(fault, config, 0)
        header, index = _header(config, fault.target, made), 0
        match self.tongue.bits(fault) % 6:
            case 0:
                header = msgspec.structs.replace(header, share_bytes=header.share_bytes + _WORD)
            case 1:
                index = max(share_chunk_count(config), bulk_chunk_count(config))
            case 2:
                made = made.changed(lambda payload: payload[:-_WORD])
            case 3:
                digests = header.share_digests[:-1]
                header = msgspec.structs.replace(header, share_digests=digests)
            case 4:
                made = made.changed(lambda payload: b"\xff" * len(payload))
                header = _header(config, fault.target, made)
            case _:
                say = partial(self.tongue.say, fault.target, in_clear=True)
                return self._send_all(fault, header, made, say=say)
        return self._send_all(fault, header, made, index=index)

    def _old_share(self, fault: Fault) -> bool:
        """Send the shares of an earlier round again: as they were, and as if of this round."""
        config = self._config()
        if config is None:
            return False
        old = self._memory.shares(fault.target, other_than=config.cid())
        told = False
        for holder, chunk in old.items():
            told = self.tongue.say(fault.target, holder, chunk, in_clear=True) or told
            plain = self.tongue.unsealed(fault.target, holder, chunk)
            if plain is None:
                continue
            header = msgspec.structs.replace(chunk.header, cid=config.cid())
            fits = self._old_vector(fault.target, chunk.header, config)
            self._note(header, fits)
            again = msgspec.structs.replace(plain, header=header)
            told = self.tongue.say(fault.target, holder, again) or told
        return told

    def _old_vector(
        self, trainer: str, header: ContributionHeader, config: RoundConfig
    ) -> NDArray[np.float64] | None:
        """Return what an old contribution shares, if it is known and means the same today."""
        ghost = self.tongue.crew.ghost
        record = ghost.durable(trainer, f"job/{config.job}", Contributed)
        if record is None or record.header != header:
            return None
        then = record.config
        alike = (then.threshold, then.fraction_bits) == (config.threshold, config.fraction_bits)
        if has_bulk(config):
            return None  # masked for another round
        return ghost.vectors.get((trainer, then.state)) if alike else None

    # --- parts ------------------------------------------------------------------------

    def _config(self) -> RoundConfig | None:
        record = self.tongue.round()
        return None if record is None else record.config

    def _made_up(self, fault: Fault, config: RoundConfig, number: int) -> Made:
        """Return a vector, its shares of one chunk each, and its bulk."""
        draw = stream(self.tongue.bits(fault, number), fault.target)
        values = [float(draw.randint(-_MOST, _MOST)) for _ in range(config.dimension)]
        return self._protected(fault, config, number, np.array(values))

    def _protected(
        self, fault: Fault, config: RoundConfig, number: int, vector: NDArray[np.float64]
    ) -> Made:
        suite, seed = SUITES[config.suite], self.tongue.bytes(fault, number)
        fixed = FixedPoint.of(config).encode(vector)
        plain = suite.protect(config, fixed[suite.covers(config, 0)], seed, 0)
        shares = with_salts(config, 0, seed, plain)
        if suite.bulk is None:
            return Made(vector, fixed, shares)
        hiding, bulk = suite.bulk.hiding(config, seed), suite.bulk
        chunks = range(bulk.chunks(config))
        hidden = [hiding.protect(chunk, fixed[bulk.covers(config, chunk)]) for chunk in chunks]
        return Made(vector, fixed, shares, tuple(hidden))

    def _contribute(self, fault: Fault, config: RoundConfig, made: Made) -> bool:
        found = _beside(config, fault.target, made)
        self._note(found.header, made.vector)
        told = self._send_all(fault, found.header, made)
        first = SUITES[config.suite].chunks(config)
        for number, tails in enumerate(zip(*found.tails, strict=True), start=first):
            self._send_all(
                fault, found.header, replace(made, payloads=tails, bulk=()), index=number
            )
        return told

    def _note(self, header: ContributionHeader, vector: NDArray[np.float64] | None) -> None:
        made_up = self.tongue.crew.ghost.lies.contributions.setdefault(header.cid, {})
        made_up.setdefault((header.trainer, contribution_digest(header)), vector)

    def _send_all(
        self,
        fault: Fault,
        header: ContributionHeader,
        made: Made,
        *,
        index: int = 0,
        say: Say | None = None,
    ) -> bool:
        """Send what was made to some holders, and bulk to the coordinator, chunk by chunk."""
        roster, told = self.tongue.roster, False
        say = partial(self.tongue.say, fault.target) if say is None else say
        for holder in self.tongue.some(fault, roster.holders):
            payload = made.payloads[roster.holders.index(holder)]
            chunk = ShareChunk(header=header, index=index, payload=payload)
            told = say(holder, chunk) or told
        for place, payload in enumerate(made.bulk):
            chunk = ShareChunk(header=header, index=index + place, payload=payload)
            told = say(roster.coordinator, chunk) or told
        return told


def _header(config: RoundConfig, trainer: str, made: Made) -> ContributionHeader:
    return _beside(config, trainer, made).header


def _beside(config: RoundConfig, trainer: str, made: Made) -> Beside:
    bulk = hashlib.sha256(b"".join(made.bulk)).digest() if made.bulk else None
    return beside(config, trainer, made.payloads, made.values, bulk)
