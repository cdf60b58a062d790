"""A trainer that lies about what it contributes.

Who must refuse: a holder takes one contribution of each trainer a round, in that one's own name
and of the round's shape, and checks the digest before it tells that it has it. Holders that were
sent different ones tell so by their receipts, and the coordinator leaves the trainer out. Nobody
can refuse values that fit, nor, in a round without checks, shares of one contribution that do
not fit each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
from protocols.secagg.chunks import share_chunk_count, share_size
from protocols.secagg.fixed_point import FixedPoint
from protocols.secagg.prg import SEED_BYTES
from protocols.secagg.sets import contribution_digest
from protocols.secagg.suites import SUITES

from .lying import Lying
from .memory import Memory
from .tongue import Tongue

_MOST = 1000  # of a made up value
_WORD = 8  # bytes


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
        }

    def _second_contribution(self, fault: Fault) -> bool:
        """Contribute other values as well: to some holders, in any order with the true ones.

        A holder that gets both leaves the trainer out; where each gets one, the coordinator does.
        """
        config = self._config()
        if config is None:
            return False
        vector, payloads = self._made_up(fault, config, 0)
        return self._contribute(fault, config, payloads, vector)

    def _loose_shares(self, fault: Fault) -> bool:
        """Contribute shares that belong to no vector: each holder's is of another one.

        Only a check before the vote can tell. Without it the sum is wrong in a way that depends
        on who answers.
        """
        config = self._config()
        if config is None:
            return False
        places = range(config.holders)
        payloads = [self._made_up(fault, config, place)[1][place] for place in places]
        header = _header(config, fault.target, payloads)
        loose = self.tongue.crew.ghost.lies.loose.setdefault(header.cid, {})
        loose[fault.target, contribution_digest(header)] = None
        return self._contribute(fault, config, payloads, None)

    def _wrong_share(self, fault: Fault) -> bool:
        """Send a share that has not the digest which its header announces."""
        config = self._config()
        if config is None:
            return False
        _, payloads = self._made_up(fault, config, 0)
        _, others = self._made_up(fault, config, 1)
        return self._send(fault, _header(config, fault.target, payloads), others)

    def _others_name(self, fault: Fault) -> bool:
        """Send a share for another trainer: under its name, or in an envelope of its own."""
        config, roster = self._config(), self.tongue.roster
        if config is None:
            return False
        other = next(name for name in roster.trainers if name != fault.target)
        _, payloads = self._made_up(fault, config, 0)
        header = _header(config, other, payloads)
        name = other if self.tongue.bits(fault) & 1 else ""
        return self._send(fault, header, payloads, name=name)

    def _garbage(self, fault: Fault) -> bool:
        """Send a share of another shape, in clear, of no residues, or a chunk that no share has."""
        config = self._config()
        if config is None:
            return False
        _, payloads = self._made_up(fault, config, 0)
        header, index = _header(config, fault.target, payloads), 0
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
                header = _header(config, fault.target, payloads)
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

    def _made_up(
        self, fault: Fault, config: RoundConfig, number: int
    ) -> tuple[NDArray[np.float64], list[bytes]]:
        """Return a vector and its shares, of one chunk each."""
        draw = stream(self.tongue.bits(fault, number), fault.target)
        values = [float(draw.randint(-_MOST, _MOST)) for _ in range(config.dimension)]
        vector = np.array(values)
        suite = SUITES[config.suite]
        fixed = FixedPoint.of(config).encode(vector)
        shares = suite.protect(config, fixed, self.tongue.bytes(fault, number), 0)
        return vector, list(shares)

    def _contribute(
        self,
        fault: Fault,
        config: RoundConfig,
        payloads: Sequence[bytes],
        vector: NDArray[np.float64] | None,
    ) -> bool:
        header = _header(config, fault.target, payloads)
        self._note(header, vector)
        told = self._send(fault, header, payloads)
        if config.checks:
            self._send(fault, header, _masks(config), index=SUITES[config.suite].chunks(config))
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


def _header(config: RoundConfig, trainer: str, payloads: Sequence[bytes]) -> ContributionHeader:
    return ContributionHeader(
        cid=config.cid(),
        trainer=trainer,
        share_bytes=share_size(config),
        share_digests=tuple(
            hashlib.sha256(payload + masks).digest()
            for payload, masks in zip(payloads, _masks(config), strict=False)
        ),
    )


def _masks(config: RoundConfig) -> tuple[bytes, ...]:
    """Return true shares of masks that anybody could know, nothing in a round without checks."""
    if not config.checks:
        return (b"",) * config.holders
    return SUITES[config.suite].deal_masks(config, bytes(SEED_BYTES))
