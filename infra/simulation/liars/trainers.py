"""A trainer that lies about what it contributes.

Who must refuse: a holder takes one contribution of each trainer a round, in that one's own name
and of the round's shape, and checks the digest before it tells that it has it. Holders that were
sent different ones tell so by their receipts, and the coordinator leaves the trainer out. Nobody
can refuse values that fit, nor, in a round without checks, shares of one contribution that do
not fit each other.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from protocols.secagg.chunks import share_chunk_count
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.sets import contribution_digest
from protocols.secagg.suites import SUITES

from .beside import beside
from .lying import Lying
from .memory import Memory
from .tongue import Tongue

_MOST = 1000  # of a made up value
_LONG = 70_000.0  # beyond every bound of a round with 8 fraction bits
_WORD = 8  # bytes


@dataclass(frozen=True, slots=True)
class _MadeUp:
    """A vector, its integers, and by place its shares of one chunk each."""

    vector: NDArray[np.float64]
    values: NDArray[np.int64]
    payloads: list[bytes]


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
        }

    def _second_contribution(self, fault: Fault) -> bool:
        """Contribute other values as well: to some holders, in any order with the true ones.

        A holder that gets both leaves the trainer out; where each gets one, the coordinator does.
        """
        config = self._config()
        if config is None:
            return False
        made_up = self._made_up(fault, config, 0)
        return self._contribute(fault, config, made_up, made_up.vector)

    def _long_vector(self, fault: Fault) -> bool:
        """Contribute a vector beyond the bound, with the best bits that there are for it.

        Only the check before the vote can tell, where norms are bound.
        """
        config = self._config()
        if config is None:
            return False
        vector = np.zeros(config.dimension)
        vector[self.tongue.bits(fault) % config.dimension] = _LONG
        made_up = self._shared(fault, config, 0, vector)
        header = _header(config, fault.target, made_up)
        long = self.tongue.crew.ghost.lies.long.setdefault(header.cid, {})
        long[fault.target, contribution_digest(header)] = None
        return self._contribute(fault, config, made_up, vector)

    def _loose_shares(self, fault: Fault) -> bool:
        """Contribute shares that belong to no vector: each holder's is of another one.

        Only a check before the vote can tell. Without it the sum is wrong in a way that depends
        on who answers.
        """
        config = self._config()
        if config is None:
            return False
        places = range(config.holders)
        made_up = [self._made_up(fault, config, place) for place in places]
        loose_shares = [made_up[place].payloads[place] for place in places]
        one = replace(made_up[0], payloads=loose_shares)
        header = _header(config, fault.target, one)
        loose = self.tongue.crew.ghost.lies.loose.setdefault(header.cid, {})
        loose[fault.target, contribution_digest(header)] = None
        return self._contribute(fault, config, one, None)

    def _wrong_share(self, fault: Fault) -> bool:
        """Send a share that has not the digest which its header announces."""
        config = self._config()
        if config is None:
            return False
        announced, others = (self._made_up(fault, config, number) for number in range(2))
        return self._send(fault, _header(config, fault.target, announced), others.payloads)

    def _others_name(self, fault: Fault) -> bool:
        """Send a share for another trainer: under its name, or in an envelope of its own."""
        config, roster = self._config(), self.tongue.roster
        if config is None:
            return False
        other = next(name for name in roster.trainers if name != fault.target)
        made_up = self._made_up(fault, config, 0)
        header = _header(config, other, made_up)
        name = other if self.tongue.bits(fault) & 1 else ""
        return self._send(fault, header, made_up.payloads, name=name)

    def _garbage(self, fault: Fault) -> bool:
        """Send a share of another shape, in clear, of no residues, or a chunk that no share has."""
        config = self._config()
        if config is None:
            return False
        made_up = self._made_up(fault, config, 0)
        header, index = _header(config, fault.target, made_up), 0
        payloads = made_up.payloads
        match self.tongue.bits(fault) % 6:
            case 0:
                header = msgspec.structs.replace(header, share_bytes=header.share_bytes + _WORD)
            case 1:
                index = share_chunk_count(config)
            case 2:
                payloads = [payload[:-_WORD] for payload in payloads]
            case 3:
                digests = header.share_digests[:-1]
                header = msgspec.structs.replace(header, share_digests=digests)
            case 4:
                payloads = [b"\xff" * len(payload) for payload in payloads]
                header = _header(config, fault.target, replace(made_up, payloads=payloads))
            case _:
                return self._send_in_clear(fault, header, payloads)
        return self._send(
            fault,
            header,
            payloads,
            index=index,
        )

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
        return ghost.vectors.get((trainer, then.state)) if alike else None

    # --- parts ------------------------------------------------------------------------

    def _config(self) -> RoundConfig | None:
        record = self.tongue.round()
        return None if record is None else record.config

    def _made_up(self, fault: Fault, config: RoundConfig, number: int) -> _MadeUp:
        draw = stream(self.tongue.bits(fault, number), fault.target)
        values = [float(draw.randint(-_MOST, _MOST)) for _ in range(config.dimension)]
        return self._shared(fault, config, number, np.array(values))

    def _shared(
        self, fault: Fault, config: RoundConfig, number: int, vector: NDArray[np.float64]
    ) -> _MadeUp:
        suite = SUITES[config.suite]
        fixed = FixedPoint.of(config).encode(vector)
        shares = suite.protect(config, fixed, self.tongue.bytes(fault, number), 0)
        return _MadeUp(vector, fixed, list(shares))

    def _contribute(
        self,
        fault: Fault,
        config: RoundConfig,
        made_up: _MadeUp,
        vector: NDArray[np.float64] | None,
    ) -> bool:
        found = beside(config, fault.target, made_up.payloads, made_up.values)
        self._note(found.header, vector)
        told = self._send(fault, found.header, made_up.payloads)
        first = SUITES[config.suite].chunks(config)
        for number, tails in enumerate(zip(*found.tails, strict=True)):
            self._send(fault, found.header, tails, index=first + number)
        return told

    def _note(self, header: ContributionHeader, vector: NDArray[np.float64] | None) -> None:
        made_up = self.tongue.crew.ghost.lies.contributions.setdefault(header.cid, {})
        made_up.setdefault((header.trainer, contribution_digest(header)), vector)

    def _send(
        self,
        fault: Fault,
        header: ContributionHeader,
        payloads: Sequence[bytes],
        *,
        index: int = 0,
        name: str = "",
    ) -> bool:
        holders, told = self.tongue.roster.holders, False
        for holder in self.tongue.some(fault, holders):
            payload = payloads[holders.index(holder)]
            chunk = ShareChunk(header=header, index=index, payload=payload)
            told = self.tongue.say(fault.target, holder, chunk, name=name) or told
        return told

    def _send_in_clear(
        self, fault: Fault, header: ContributionHeader, payloads: Sequence[bytes]
    ) -> bool:
        told, holders = False, self.tongue.roster.holders
        for holder in self.tongue.some(fault, holders):
            chunk = ShareChunk(header=header, index=0, payload=payloads[holders.index(holder)])
            told = self.tongue.say(fault.target, holder, chunk, in_clear=True) or told
        return told


def _header(config: RoundConfig, trainer: str, made_up: _MadeUp) -> ContributionHeader:
    return beside(config, trainer, made_up.payloads, made_up.values).header
